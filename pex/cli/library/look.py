"""`pexlab library list|show|diff`: looking at the prompts of a team."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.cli.library.opened import AsJson, open_library
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.report.terminal import text_table

if TYPE_CHECKING:
    from pex.core.prompt import Prompt
    from pex.evidence.overview import PromptOverview

_Reference = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@ALIAS|/VERSION]", help="The prompt; default: its latest version."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("list")(list_prompts)
    for command in (show, diff):
        app.command()(command)


def list_prompts(
    text: Annotated[
        str | None, typer.Argument(help="Words in the name, the description, the tags, the text.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[=VALUE]", help="With this tag or category, e.g. risk=high."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Of this owner.")] = "",
    below: Annotated[
        list[str] | None,
        typer.Option(metavar="SCORE=LIMIT", help="Last measured below, e.g. label=0.8."),
    ] = None,
    above: Annotated[
        list[str] | None, typer.Option(metavar="SCORE=LIMIT", help="Last measured at or above.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read the whole registry and all runs again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the prompts: whose, which versions, last measured on what, which side is ahead.

    Examples: pexlab library list refund --tag risk=high --below label=0.8 · pexlab library list
    --owner ada. Prompts that only runs of earlier versions of pex registered are not listed here
    but by `pexlab gc --scratch-prompts`.
    """
    from pex.evidence.overview import Search, check_words

    search = Search(
        text or "", dict(_pair(item) for item in tag or []), owner, _limits("--below", below),
        _limits("--above", above),
    )  # fmt: skip
    found = open_library(refresh)
    prompts = [item for item in found.prompts if item.standing.is_meant]
    check_words(search, prompts)
    fitting = [item for item in prompts if search.fits(item)]
    names = {item.name for item in fitting}
    for model in found.retiring:
        # Without a search all are told, also of judges and of files that are not saved yet.
        if len(fitting) == len(prompts) or names & {*model.use.prompts}:
            console.err(f"warning: {model.sentence}\n  {model.advice}")
    if as_json:
        console.document([item.to_json(found.retiring) for item in fitting])
        return
    if not prompts:
        console.err("Nothing has been saved yet.  pexlab library push FILE.prompty")
    elif not fitting:
        console.err(f"None of the {len(prompts):,} prompts match.")
    else:
        head = ("name", "version", "aliases", "owner", "category", "last measured", "when", "files",
                "used in")  # fmt: skip
        console.out(text_table([_cells(item) for item in fitting], head))
        if len(fitting) < len(prompts):
            console.err(f"{len(fitting):,} of {len(prompts):,} prompts.")


def _cells(item: PromptOverview) -> tuple[str, ...]:
    prompt, last = item.standing.prompt, item.measured
    if last is None:
        measured, when = "never", ""
    else:
        newest = prompt.newest.version if prompt else None
        older = f" (version {item.measured_version})" if item.measured_version != newest else ""
        measured, when = f"{last.score} on {last.model}{older}", last.age
    return (
        item.name,
        str(prompt.newest.version) if prompt else "–",
        " ".join(f"{alias}={version}" for alias, version in item.aliases.items()),
        item.owner or "–",
        item.category,
        measured,
        when,
        item.standing.state,
        ", ".join(item.experiments),
    )


def show(reference: _Reference) -> None:
    """Print a prompt: on stdout its file, on stderr what is known of the version."""
    from pex.library import registry

    version = registry.look(reference)
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    console.err(f"{version.reference}{aliases}, saved {version.created:%Y-%m-%d %H:%M} UTC")
    if version.note:
        console.err(version.note)
    prompt = registry.load(version.reference)
    for name in prompt.parts:
        console.err(f"includes '{name}', whose text was saved with it")
    try:
        console.out(prompt.as_file())
    except PexError:  # no file can hold it, but its texts can be read
        console.out(prompt.text)


def diff(
    name: Annotated[str, typer.Argument(help="The prompt.")],
    old: Annotated[
        str | None, typer.Argument(help="A version, an alias, or `file`; else the newest version.")
    ] = None,
    new: Annotated[
        str | None, typer.Argument(help="The same; else the file, or the newest version.")
    ] = None,
) -> None:
    """Show how two versions of a prompt, or its file and a version, differ, line by line.

    Exit code 0: no difference; 1: there is one. Examples: pexlab library diff refund · pexlab
    library diff refund 3 champion · pexlab library diff refund champion file
    """
    import difflib

    sides = _sides(name, old, new)
    old_text, new_text = (_with_parts(prompt).splitlines() for _, prompt in sides)
    lines = list(difflib.unified_diff(old_text, new_text, sides[0][0], sides[1][0], lineterm=""))
    if not lines:
        console.err(f"{sides[0][0]} and {sides[1][0]} are the same.")
        return
    console.out("\n".join(lines))
    raise typer.Exit(1)


def _sides(name: str, old: str | None, new: str | None) -> list[tuple[str, Prompt]]:
    """The two prompts that are compared, each with what it is called."""
    from pex.library import registry

    item = next((item for item in open_library().prompts if item.name == name), None)
    has_file = item is not None and item.standing.file is not None
    newest = registry.look(name).version if old is None or (new is None and not has_file) else 0
    first = old or str(newest)
    second = new or (
        "file" if has_file and first != "file" else str(newest or registry.look(name).version)
    )
    return [_side(name, item, side) for side in (first, second)]


def _side(name: str, item: PromptOverview | None, side: str) -> tuple[str, Prompt]:
    from pex.core.prompt import Prompt
    from pex.library import registry

    if side == "file":
        if item is None or item.standing.file is None:
            raise PexError(f"prompt '{name}' has no file in this project")
        path = item.standing.file.path
        return path, Prompt.load(find_project() / path)
    number = side.removeprefix("v")
    reference = f"{name}/{number}" if number.isdigit() else f"{name}@{side}"
    prompt = registry.load(reference)
    return str(prompt.origin), prompt


def _with_parts(prompt: Prompt) -> str:
    """The text of a prompt's file, and below it what it includes."""
    return prompt.as_file() + "".join(
        f"\n── included: {name}\n{text}\n" for name, text in prompt.parts.items()
    )


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip(), value.strip()


def _limits(option: str, given: Sequence[str] | None) -> dict[str, float]:
    limits = {}
    for text in given or []:
        name, value = _pair(text)
        try:
            limits[name] = float(value)
        except ValueError:
            raise PexError(
                f"{option} {text}: expected SCORE=NUMBER", hint=f"for example {option} label=0.8"
            ) from None
    return limits
