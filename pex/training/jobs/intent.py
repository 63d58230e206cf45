"""What a job is to be, and how far it has come: on disk before anything is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from pex.core import private
from pex.core.canonical_json import digest
from pex.core.errors import PexError, nearest

FOLDER = "finetune"
Method = Literal["supervised", "dpo"]
METHODS: tuple[Method, ...] = ("supervised", "dpo")


@dataclasses.dataclass(slots=True)
class Intent:
    """A job that was asked for.

    The same data, model and settings are the same job, so a second start continues the first.

    Args:
        ref: `provider/model` of the base model.
        file: the training file's path, as absolute text; `sha256` and `size` are its own.
        sha256: see there.
        size: see there.
        method: `supervised` or `dpo`.
        epochs: how often the data is gone through.
        suffix: the end of the tuned model's name.
        validation: the validation file's path, "" for none; `validation_sha256` its digest.
        validation_sha256: see there.
        again: 0, or the number of a repeated job of the same kind.
        tokens: estimated for one epoch.
        usd_per_million: the price of training tokens.
    """

    ref: str
    file: str
    sha256: str
    size: int
    method: Method
    epochs: int
    suffix: str = ""
    validation: str = ""
    validation_sha256: str = ""
    again: int = 0
    tokens: int = 0
    usd_per_million: float = 0.0
    file_id: str = ""
    validation_id: str = ""
    job_id: str = ""
    status: str = "intended"
    tuned: str = ""
    trained_tokens: int | None = None
    error: str = ""
    uploads: int = 0
    created_at: float = dataclasses.field(default_factory=time.time)

    @property
    def id(self) -> str:
        """What tells this job from others, also at the endpoint."""
        return digest(
            [self.ref, self.sha256, self.method, self.epochs, self.suffix,
             self.validation_sha256, self.again], 16,
        )  # fmt: skip

    @property
    def usd(self) -> float:
        """The estimated cost of the whole job."""
        return self.tokens * self.epochs * self.usd_per_million / 1e6

    @property
    def upload_name(self) -> str:
        """The training file's name at the endpoint: found again by it."""
        return f"pex-{self.id}-train.jsonl"

    @property
    def validation_name(self) -> str:
        """The validation file's name at the endpoint."""
        return f"pex-{self.id}-validation.jsonl"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def tuned_ref(self) -> str:
        """`provider/model` of the tuned model, "" without one."""
        return f"{self.ref.partition('/')[0]}/{self.tuned}" if self.tuned else ""


class Intents:
    """The jobs of a project, a file each.

    Args:
        state: the project's `.pex/` folder.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER

    def save(self, intent: Intent) -> None:
        """Write an intent; when this returns it is on disk."""
        folder = private.folder(self.folder)
        number, name = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(orjson.dumps(intent, option=orjson.OPT_INDENT_2))
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(folder / f"{intent.id}.json")
            _sync(folder)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def load(self, intent_id: str) -> Intent | None:
        """An intent by its id, None without one."""
        path = self.folder / f"{intent_id}.json"
        return _read(path) if path.is_file() else None

    def all(self) -> list[Intent]:
        """All intents, newest first.

        Raises:
            PexError: a file is not one of an intent.
        """
        found = [_read(path) for path in self.folder.glob("*.json")]
        return sorted(found, key=lambda intent: -intent.created_at)

    def find(self, name: str | None) -> Intent:
        """The intent of a job's id or its own id; the newest without a name.

        Raises:
            PexError: there is none.
        """
        known = self.all()
        if name is None and known:
            return known[0]
        for intent in known:
            if name in (intent.job_id, intent.id):
                return intent
        names = [intent.job_id or intent.id for intent in known]
        what = f"there is no job '{name}' here" if name else "no job was started here"
        raise PexError(what, hint=nearest(name or "", names) if names else "pexlab finetune start")

    @contextlib.contextmanager
    def alone(self, intent: Intent) -> Iterator[None]:
        """Let in one process at a time for a job: two starts make one."""
        from filelock import FileLock, Timeout

        private.folder(self.folder)
        try:
            with FileLock(self.folder / f"{intent.id}.lock", timeout=0, mode=0o600):
                yield
        except Timeout:
            raise PexError(
                f"another process is starting this job ({intent.id})", hint="wait until it is done"
            ) from None


def _read(path: Path) -> Intent:
    try:
        data: dict[str, Any] = orjson.loads(path.read_bytes())
        return Intent(**data)
    except (OSError, ValueError, TypeError) as error:
        raise PexError(
            f"{path}: not the state of a job: {error}", hint="a newer version of pex may have it"
        ) from None


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
