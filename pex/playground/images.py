"""Images in the messages of a draft: files in `.pex/images/`, named in the text as Markdown.

A file has the digest of its content as its name, so the text stays short, an image is there once
however many variants and steps of undo have it, and two paths to it can be seen to be the same.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import private, template
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.images import FOLDER as KEPT
from pex.core.images import KINDS, Owner, find, is_kept, kind_of
from pex.core.prompt import Prompt

SAVED = "images"
"""The folder of images beside what is saved."""
SAVED_DOCUMENTS = "documents"
"""The folder of documents and recordings beside what is saved."""
MOST_MB = 8
"""A larger one does not fit into a message from a browser to the kernel."""
_ENDINGS = "|".join(ending[1:] for ending in KINDS.values())
_KEPT = re.compile(rf"(?<=\()\s*[^(){{}}\n]*?([0-9a-f]{{16}}\.(?:{_ENDINGS}))\s*(?=\))")
_DATA = re.compile(r"(?<=\()\s*(data:image/[a-z+]+;base64,[A-Za-z0-9+/=\s]+?)\s*(?=\))")
_NOT_IN_A_NAME = re.compile(r"[\s\[\](){}!]+")


def keep(project: Path, data: bytes, name: str) -> str:
    """Keep an image that somebody brings; returns the Markdown that stands for it.

    Args:
        project: the project's folder.
        data: the file's content.
        name: the file's name.

    Raises:
        PexError: it is not an image, or too large.
    """
    where = name.strip() or "the image"
    if not data:
        raise PexError(f"{where} is empty")
    if len(data) > MOST_MB * 1_000_000:
        raise PexError(
            f"{where} has {len(data) / 1e6:.0f} MB; {MOST_MB} MB can be added here",
            hint="save it in the project, and write ![](its path) into the message",
        )
    shown = _NOT_IN_A_NAME.sub(" ", Path(name).stem).strip()
    return f"![{shown}]({_write(project, data, where)})"


def keep_data(project: Path, messages: Sequence[Mapping[str, Any]]) -> None:
    """Keep the images that given messages have as data, under the names that `as_text` uses."""
    for url in _data_urls(messages):
        data = _decoded(url)
        if data is not None and _short(url) != url:
            _write(project, data, "")


def as_text(content: Any) -> str | None:
    r"""A message's content as one text with Markdown images; None if that cannot say the same.

    Example:
        >>> photo = {"type": "image_url", "image_url": {"url": "a.png"}}
        >>> as_text([{"type": "text", "text": "Describe it."}, photo])
        'Describe it.\n\n![](a.png)'
        >>> as_text([{"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}}])
    """
    if isinstance(content, str):
        return _without_data(content) if "data:" in content else content
    pieces: list[str] = []
    wanted: list[tuple[bool, str]] = []
    for part in content:
        text, image = part.get("text"), part.get("image_url")
        if part == {"type": "text", "text": text} and isinstance(text, str):
            pieces.append(text.strip())
            wanted.append((False, text.strip()))
        elif part == {"type": "image_url", "image_url": image} and set(image or ()) == {"url"}:
            url = _short(str(image["url"]).strip())
            if url.startswith("data:"):
                return None
            pieces.append(f"![]({url})")
            wanted.append((True, url))
        else:
            return None
    whole = "\n\n".join(pieces)
    split = enumerate(template.split_images(whole))
    found = [(bool(n % 2), piece.strip()) for n, piece in split if n % 2 or piece.strip()]
    return whole if found == wanted else None


def normal(text: str) -> str:
    """A text in which a kept image has only its name, wherever its file is.

    Example:
        >>> normal("![](.pex/images/0123456789abcdef.png)")
        '![](0123456789abcdef.png)'
    """
    return _KEPT.sub(lambda found: found[1], text) if "![" in text else text


def read(url: str, texts: Sequence[str], prompt: Prompt | None, folder: Path) -> tuple[str, bytes]:
    """The media type and the content of an image that a draft's text names.

    Args:
        url: its path in the text.
        texts: the messages of the variant.
        prompt: the prompt that the variant started from.
        folder: the base of relative paths.

    Raises:
        PexError: it is missing, outside the project, too large or not an image.
    """
    home = prompt.home if prompt is not None else None
    path = find(url, folder, Owner(texts, home, "the prompt's project"))
    try:
        if path.stat().st_size > MOST_MB * 1_000_000:
            raise PexError(f"more than {MOST_MB} MB: too large to be shown")
        content = path.read_bytes()
    except OSError:
        raise PexError("no such file") from None
    return kind_of(content, path.name), content


def addresses(text: str) -> list[str]:
    """The addresses of a text's Markdown images.

    Example:
        >>> addresses("![a](one.png) and ![]({{ photo }})")
        ['one.png', '{{ photo }}']
    """
    return [url.strip() for url in template.split_images(text)[1::2]]


def read_kept(url: str, project: Path) -> tuple[str, bytes]:
    """The media type and the content of an image that a case names.

    Raises:
        PexError: it is not one that is kept, or it is missing.
    """
    if not is_kept(url):
        raise PexError("no message has this image")
    return read(url, (), None, project)


def image_variables(texts: Iterable[str]) -> list[str]:
    """The variables that stand for the address of an image.

    Example:
        >>> image_variables(["![]({{ photo }}) {{ text }}", "{{ half"])
        ['photo']
    """
    found: dict[str, None] = {}
    for text in texts:
        for address in addresses(text):
            with contextlib.suppress(PexError):  # a template that is not valid is told elsewhere
                template.check(address, "")
                found |= dict.fromkeys(template.variables(address))
    return list(found)


def moved_case(case: Case, project: Path, folder: Path) -> Case:
    """The case with its kept files in `images/` and `documents/`; the same case if it has none.

    Args:
        case: the case; its id stays.
        project: the folder of the project that has the images.
        folder: where `images/` is or will be.

    Raises:
        PexError: an image's file is missing.
    """
    inputs = dict(case.inputs)
    for name, value in case.inputs.items():
        if isinstance(value, str) and is_kept(value):
            folder_name = SAVED if Path(value).suffix in KINDS.values() else SAVED_DOCUMENTS
            inputs[name] = f"{folder_name}/{Path(value).name}"
            _copy_file(project / value, folder / inputs[name], f"case '{case.id}'")
    return case if inputs == case.inputs else dataclasses.replace(case, inputs=inputs)


def moved(prompt: Prompt, project: Path, folder: Path) -> Prompt:
    """The prompt with its kept images as files in `images/`; the same prompt if it has none.

    Args:
        prompt: its images may also be parts of a message.
        project: the folder of the project that has the images.
        folder: where `images/` is or will be; the paths in the text are relative to it.

    Raises:
        PexError: an image's file is missing.
    """
    messages = []
    for message in prompt.messages:
        text = as_text(message["content"]) if message["role"] == "user" else None
        if text is None:
            messages.append(message)
            continue
        messages.append({**message, "content": _KEPT.sub(rf"{SAVED}/\1", text)})
        for name in (found[1] for found in _KEPT.finditer(text)):
            _copy(name, text, prompt, project, folder)
    if [m["content"] for m in messages] == [m["content"] for m in prompt.messages]:
        return prompt
    return prompt.changed(messages=messages)


def _copy(name: str, text: str, prompt: Prompt, project: Path, folder: Path) -> None:
    target = folder / SAVED / name
    if target.is_file():
        return
    source = project / KEPT / name
    if not source.is_file():
        url = next(address for address in addresses(text) if address.endswith(name))
        source = find(url, project, Owner([text], prompt.home, "the prompt's project"))
    _copy_file(source, target, f"prompt '{prompt.name}'")


def _copy_file(source: Path, target: Path, where: str) -> None:
    try:
        content = source.read_bytes()
    except OSError:
        raise PexError(f"{where}: there is no image {source}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _write(project: Path, data: bytes, where: str) -> str:
    """Write an image to its file, which may be there; returns its path in the project."""
    path = Path(KEPT, _name(data, where))
    file = project / path
    private.keep(file, data, where)
    return path.as_posix()


def _name(data: bytes, where: str) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:16]}{KINDS[kind_of(data, where)]}"


@functools.lru_cache(maxsize=64)
def _without_data(text: str) -> str:
    return _DATA.sub(lambda found: _short(found[1]), text)


@functools.lru_cache(maxsize=64)
def _short(url: str) -> str:
    """The path of the kept image in place of an image's data; any other address as it is."""
    data = _decoded(url)
    if data is None:
        return url
    try:
        return Path(KEPT, _name(data, "")).as_posix()
    except PexError:
        return url


def _decoded(url: str) -> bytes | None:
    head, _, body = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(body, validate=False)
    except binascii.Error:
        return None


def _data_urls(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield from (found[1] for found in _DATA.finditer(content) if "data:" in content)
            continue
        for part in content:
            image = part.get("image_url")
            if isinstance(image, Mapping) and str(image.get("url")).startswith("data:image/"):
                yield str(image["url"]).strip()
