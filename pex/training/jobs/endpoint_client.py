"""The pages of an endpoint for files and fine-tuning jobs, by the openai package."""

from __future__ import annotations

import re
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pex.core.errors import PexError, ProviderError
from pex.guard.redact import redact
from pex.project.settings import Settings
from pex.run.endpoint import Endpoint, base_of, connect

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

T = TypeVar("T")
_TRIES = 4
_WAIT_S = 0.5
_MOST_PAGES = 200
PURPOSE: Literal["fine-tune"] = "fine-tune"


class UnsureError(ProviderError):
    """The endpoint may have done what was asked: no reply came, or one that is no answer."""


class JobsClient:
    """Files and jobs of the endpoint that serves a model.

    Reading is retried; what creates something is sent once, because a repeated upload or job would
    be paid twice.

    Args:
        ref: `provider/model`, of the model that is trained.
        settings: the project's.
        state: the project's `.pex/` folder.

    Raises:
        PexError: an unknown provider, a key that is not set.
        TrustError: the project directs a key or runs a command, and is not trusted.
    """

    def __init__(self, ref: str, settings: Settings, state: Path) -> None:
        if ref.partition("/")[0] == "local":
            raise PexError(
                f"{ref}: the built-in model cannot be trained here",
                hint="pexlab export lora-kit writes what an open model is trained with elsewhere",
            )
        self.ref = ref
        self._connect: Callable[[], Endpoint] = lambda: connect(ref, settings, state)
        root = base_of(ref, settings)[0]
        # Azure's pages for files and jobs are of all deployments.
        self.base = re.sub("/deployments/[^/]+$", "", root.root)
        self._query = dict(urllib.parse.parse_qsl(root.query))
        self._open()

    def _open(self) -> None:
        import openai

        endpoint = self._connect()
        self._endpoint = endpoint
        verify: ssl.SSLContext | bool = True
        if endpoint.ca_bundle:
            try:
                verify = ssl.create_default_context(cafile=endpoint.ca_bundle)
            except (OSError, ssl.SSLError) as error:
                raise PexError(f"[providers.{endpoint.provider}] ca_bundle: {error}") from None
        omit: Any = openai.Omit()
        # Not what the environment says of OpenAI's own: it is nobody else's business.
        headers = {"Authorization": omit, "OpenAI-Organization": omit, "OpenAI-Project": omit}
        self._client: OpenAI = _headed(openai.OpenAI)(
            api_key="in-the-headers",
            base_url=self.base,
            default_headers={**headers, **endpoint.headers},
            default_query=self._query,
            max_retries=0,
            timeout=endpoint.timeout_s,
            http_client=openai.DefaultHttpxClient(
                proxy=endpoint.proxy, verify=verify, trust_env=False, follow_redirects=False
            ),
        )

    @property
    def model(self) -> str:
        """The name of the model at the endpoint."""
        return self._endpoint.model

    def files(self) -> Iterator[FileObject]:
        """The uploaded files for fine-tuning, page by page."""
        yield from self._pages(
            lambda after: self._client.files.list(purpose=PURPOSE, limit=100, **after)
        )

    def file(self, file_id: str) -> FileObject | None:
        """What the endpoint knows of a file; None if it does not have it."""
        try:
            return self._read(lambda: self._client.files.retrieve(file_id))
        except MissingError:
            return None

    def upload(self, name: str, path: Path) -> FileObject:
        """Upload a file once.

        Raises:
            UnsureError: it may be there all the same.
            ProviderError: it was refused.
        """

        def send() -> FileObject:
            with path.open("rb") as stream:
                return self._client.files.create(file=(name, stream), purpose=PURPOSE)

        return self._once(send)

    def jobs(self) -> Iterator[FineTuningJob]:
        """The jobs, newest first, page by page."""
        yield from self._pages(lambda after: self._client.fine_tuning.jobs.list(limit=100, **after))

    def create(self, **body: Any) -> FineTuningJob:
        """Make a job, once; raises as `upload` does."""
        return self._once(lambda: self._client.fine_tuning.jobs.create(model=self.model, **body))

    def job(self, job_id: str) -> FineTuningJob:
        """A job as it is now.

        Raises:
            MissingError: there is none of this id.
            ProviderError: the endpoint does not answer.
        """
        return self._read(lambda: self._client.fine_tuning.jobs.retrieve(job_id))

    def events(self, job_id: str) -> Iterator[FineTuningJobEvent]:
        """The events of a job, newest first, page by page."""
        yield from self._pages(
            lambda after: self._client.fine_tuning.jobs.list_events(job_id, limit=100, **after)
        )

    def cancel(self, job_id: str) -> FineTuningJob:
        """Cancel a job; cancelling it twice does no harm, so it is retried."""
        return self._read(lambda: self._client.fine_tuning.jobs.cancel(job_id))

    def _pages(self, page: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
        after: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            read = self._read(lambda: page(dict(after)))  # noqa: B023 - called at once
            data = list(read.data or ())
            yield from data
            last = str(getattr(data[-1], "id", "")) if data else ""
            # An endpoint that ignores `after` would go on for ever.
            if not last or not getattr(read, "has_more", False) or after.get("after") == last:
                return
            after = {"after": last}

    def _read(self, work: Callable[[], T]) -> T:
        wait_s = _WAIT_S
        for left in range(_TRIES - 1, -1, -1):
            try:
                return self._once(work)
            except UnsureError:
                if not left:
                    raise
            time.sleep(wait_s)
            wait_s *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, work: Callable[[], T], *, renew: bool = True) -> T:
        import openai

        try:
            return work()
        except openai.AuthenticationError as error:
            if renew and self._endpoint.renewable:  # a token that has run out
                self._open()
                return self._once(work, renew=False)
            raise ProviderError(f"{self._place}: {said(error)}", hint=_key_hint(self.ref)) from None
        except openai.NotFoundError as error:
            raise MissingError(
                f"{self._place}: {said(error)}",
                hint="has this endpoint /files and /fine_tuning/jobs?",
            ) from None
        except openai.APIStatusError as error:
            if error.status_code in (408, 409, 429) or error.status_code >= 500:
                raise UnsureError(f"{self._place}: {error.status_code}: {said(error)}") from None
            raise ProviderError(f"{self._place}: {error.status_code}: {said(error)}") from None
        except openai.APIError as error:  # no connection, no answer in time, no JSON
            cause = error.__cause__ or error
            raise UnsureError(
                f"{self._place}: {redact(str(cause) or type(cause).__name__)}"
            ) from None
        except ValueError as error:
            raise UnsureError(f"{self._place}: not an answer: {redact(str(error))}") from None

    @property
    def _place(self) -> str:
        return f"{self._endpoint.provider} at {redact(self.base)}"


def _headed(kind: Any) -> Any:
    """The package's client with the headers it is given: a key is in them, or is not needed."""

    class Headed(kind):  # type: ignore[misc]
        def _validate_headers(self, headers: Any, custom_headers: Any) -> None:
            return

    return Headed


class MissingError(ProviderError):
    """The endpoint has no such page, file or job."""


def said(error: Any) -> str:
    """The message of an endpoint's refusal, without the package's frame around it."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    text = inner.get("message") if isinstance(inner, dict) else None
    return redact(str(text or getattr(error, "message", error)))[:1000]


def _key_hint(ref: str) -> str:
    return f"check the key of [providers.{ref.partition('/')[0]}]"
