"""Inspect's logs as plain data: `.eval`, a zip of JSON, and `.json`.

With inspect-ai installed (`pip install "pexlab[inspect]"`) its `read_eval_log` reads them, as the
`.eval` format may change at any time. Without it, pex reads logs as inspect-ai 0.3.285 writes them:
one entry for each sample, stored, deflated or packed with Zstandard (which Python's own `zipfile`
reads only from 3.14 on). Large samples that are split into chunks need inspect-ai.
"""

from __future__ import annotations

import importlib.util
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.extras import install_line
from pex.core.textfile import read_text
from pex.importers.found import unknown

ZIP = "PK\x03\x04"
"""How a zip file begins."""
VERSION = 2
"""Of the logs that pex reads by itself; version 1 has been out of use since 2024."""
EXTRA = f"{install_line('inspect')} reads it with inspect-ai"
_ZSTANDARD = 93
_MOST_MB = 500
"""Of an entry, unpacked: a larger one would fill the memory."""
_MOST_TOTAL_MB = 10_000
"""Of all entries, unpacked; events, most of a log, are dropped at once."""
_EVENTS = ("events", "events_data", "store", "timelines")
"""Parts of a sample that pex does not read; they are most of a log."""


def is_inspect(text: str) -> bool:
    """Whether a file is a log of Inspect, by its text, or what `zip_names` says of it.

    Example:
        >>> is_inspect('{"version": 2, "status": "success", "eval": {"task": "qa", "run_id": "r"}}')
        True
    """
    if text.startswith(ZIP):
        return text == ZIP or any(name in text for name in ("header.json", "_journal/", "samples/"))
    text = text.lstrip("\ufeff \t\r\n")
    return text.startswith("{") and all(
        f'"{key}"' in text for key in ("status", "eval", "run_id", "task")
    )


def zip_names(path: Path) -> str | None:
    """A zip file's mark and the names of its entries, a line each; None for any other file."""
    if not path.is_file() or not _begins_as_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return "\n".join([ZIP, *archive.namelist()])
    except (zipfile.BadZipFile, OSError):
        return ZIP


def read_log(path: Path) -> dict[str, Any]:
    """A log as plain data, with the fields of inspect-ai's `EvalLog`; samples without events.

    An unfinished log has the status "started" and the samples that were written.

    Raises:
        PexError: the file is damaged, of an unknown version, or needs inspect-ai.
    """
    if importlib.util.find_spec("inspect_ai") is not None:
        log = _by_inspect(path)
    elif zipfile.is_zipfile(path) or _begins_as_zip(path):
        log = _from_zip(path)
    else:
        log = _checked(_parsed(read_text(path, "log").removeprefix("\ufeff"), path), path)
        log["samples"] = [_resolved(sample) for sample in log.get("samples") or ()]
    return log


def _by_inspect(path: Path) -> dict[str, Any]:
    from inspect_ai.log import read_eval_log

    try:
        log = read_eval_log(str(path), resolve_attachments=True)
    except Exception as error:  # noqa: BLE001 - inspect-ai raises errors of every kind
        said = " ".join((str(error) or type(error).__name__).split("\n")[:3])
        raise unknown(path, f"inspect-ai cannot read it: {said}", "Inspect") from None
    plain = log.model_dump(exclude_none=True, exclude={"samples": {"__all__": set(_EVENTS)}})
    return dict(plain)


def _from_zip(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return _from_entries(path, archive, file)
    except zipfile.BadZipFile as error:
        why = f"a damaged or incomplete zip file: {error}"
        raise unknown(path, why, "Inspect") from None


def _from_entries(path: Path, archive: zipfile.ZipFile, file: IO[bytes]) -> dict[str, Any]:
    entries = {entry.filename: entry for entry in archive.infolist()}

    def read(name: str) -> Any:
        return _parsed(_unpacked(entries[name], archive, file, path), path, name)

    total = sum(entry.file_size for entry in entries.values()) / 1e6
    if total > _MOST_TOTAL_MB:
        raise PexError(
            f"{path}: it has {total:,.0f} MB unpacked, at most {_MOST_TOTAL_MB:,} MB are read"
        )
    head = next((n for n in ("header.json", "_journal/start.json") if n in entries), None)
    if head is None:
        raise unknown(path, "it has no header.json and no _journal/start.json", "Inspect")
    log = _checked(read(head), path)
    if head != "header.json":
        log["status"] = "started"
    names = [name for name in entries if name.startswith("samples/") and name.endswith(".json")]
    chunked = next((name for name in names if name.count("/") > 1), None)
    if chunked is not None:
        raise PexError(
            f"{path}: {chunked.rpartition('/')[0]} is a large sample, kept in chunks", hint=EXTRA
        )
    log["samples"] = [_resolved(read(name)) for name in names]
    return log


def _unpacked(
    entry: zipfile.ZipInfo, archive: zipfile.ZipFile, file: IO[bytes], path: Path
) -> bytes:
    if entry.file_size > _MOST_MB * 1_000_000:
        size = f"{entry.file_size / 1e6:,.0f} MB"
        raise PexError(
            f"{path}: {entry.filename} has {size} unpacked, at most {_MOST_MB} MB are read"
        )
    try:
        if entry.compress_type != _ZSTANDARD:
            data = archive.read(entry)
        else:
            data = _zstandard(entry, file)
            if zlib.crc32(data) != entry.CRC:
                raise ValueError("its checksum is wrong")
    except NotImplementedError:
        raise PexError(
            f"{path}: {entry.filename} is packed by method {entry.compress_type}", hint=EXTRA
        ) from None
    except (OSError, ValueError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise unknown(path, f"{entry.filename} cannot be unpacked: {error}", "Inspect") from None
    return data


def _zstandard(entry: zipfile.ZipInfo, file: IO[bytes]) -> bytes:
    """An entry packed with Zstandard: after its local header of 30 bytes, a name and extras."""
    import pyarrow as pa

    file.seek(entry.header_offset)
    header = file.read(30)
    if header[:4] != ZIP.encode("latin-1"):
        raise ValueError("its header is not there")
    file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
    packed = file.read(entry.compress_size)
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        data = stream.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise ValueError(f"it has {len(data):,} bytes, expected {entry.file_size:,}")
    return bytes(data)


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZIP.encode("latin-1")


def _parsed(text: str | bytes, path: Path, entry: str = "") -> Any:
    try:
        return jsontext.loads(text)
    except ValueError as error:
        where = f"{entry}: " if entry else ""
        raise unknown(path, f"{where}not valid JSON: {error}", "Inspect") from None


def _checked(log: Any, path: Path) -> dict[str, Any]:
    if not isinstance(log, dict) or not isinstance(log.get("eval"), dict):
        raise unknown(path, "it has no object under 'eval'", "Inspect")
    if log.get("version") != VERSION:
        raise PexError(
            f"{path}: version {log.get('version')!r} of Inspect's logs, expected {VERSION}",
            hint=EXTRA,
        )
    return log


def _resolved(sample: Any) -> dict[str, Any]:
    """A sample with its attachments in place, and without what is not read."""
    if not isinstance(sample, dict):
        raise ValueError(f"a sample is not an object: {json.dumps(sample)[:40]}")
    kept = {key: value for key, value in sample.items() if key not in (*_EVENTS, "attachments")}
    attachments = sample.get("attachments") or {}
    if attachments:
        kept = {key: _with_attachments(value, attachments) for key, value in kept.items()}
    return kept


def _with_attachments(value: Any, attachments: dict[str, str]) -> Any:
    if isinstance(value, str):
        name = value.removeprefix("attachment://")
        return attachments.get(name, value) if name != value else value
    if isinstance(value, dict):
        return {key: _with_attachments(inner, attachments) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_attachments(inner, attachments) for inner in value]
    return value


def content_text(content: Any) -> str:
    r"""The text of a message's content; other parts as `[image]`, reasoning left out.

    Example:
        >>> content_text([{"type": "text", "text": "See"}, {"type": "image", "image": "x.png"}])
        'See\n[image]'
    """
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts = [part for part in content if isinstance(part, dict) and part.get("type") != "reasoning"]
    return "\n".join(
        str(part.get("text") or "") if part.get("type") == "text" else f"[{part.get('type')}]"
        for part in parts
    )


def reasoning_text(content: Any) -> str | None:
    """The reasoning in a message's content, if it has any."""
    if not isinstance(content, list):
        return None
    parts = [
        str(part.get("reasoning") or part.get("summary") or "")
        for part in content
        if isinstance(part, dict) and part.get("type") == "reasoning"
    ]
    return "\n".join(filter(None, parts)) or None


def samples_of(log: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The samples of a log, in the order of its data set, the epochs of each together."""
    order = {str(name): i for i, name in enumerate(_dataset(log).get("sample_ids") or ())}
    yield from sorted(
        log.get("samples") or (),
        key=lambda sample: (order.get(str(sample.get("id")), len(order)), sample.get("epoch") or 1),
    )


def _dataset(log: dict[str, Any]) -> dict[str, Any]:
    found = log["eval"].get("dataset")
    return found if isinstance(found, dict) else {}
