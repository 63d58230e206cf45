"""`pexlab bundle`: a project as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.bundle.manifest import LeftOut, Manifest
from pex.cli import console
from pex.core.project import find_project

_SHOWN = 15


def bundle(
    out: Annotated[Path, typer.Option(metavar="FILE.zip", help="The file to write.")],
    chosen: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT|RUN]...",
            help="Experiments by file, folder or name, or runs; default: the whole project.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Files to leave out, such as 'notes/*'."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Pack a project for a colleague: files, answers, MLflow runs, ratings and library prompts.

    Without keys: everything is scanned first, and a secret ends it with its place. What is left out
    is listed: files that git ignores, links, files of keys, outputs of runs. With experiments or
    runs named, only their answers, runs and prompts are packed, and no other experiment's folder.
    The other side opens it with 'pexlab open'.
    """
    from pex.bundle.pack import choose, pack

    project = find_project()
    made = pack(project, out, choose(project, chosen or []), exclude=exclude or (), say=console.err)
    if as_json:
        console.document({"bundle": str(out), **made.model_dump(exclude={"files"}),
                          "bytes": out.stat().st_size})  # fmt: skip
        return
    console.out(f"{out}: {told(made)}; {out.stat().st_size / 1e6:,.1f} MB")
    _list(made.left_out)
    console.out(f"Next: pexlab open {out.name}   # on the other machine")


def told(made: Manifest) -> str:
    """What a bundle has, in a line."""
    counts = made.counts
    words = {"files": "file", "answers": "answer", "runs": "run", "traces": "trace",
             "prompts": "library prompt", "ratings": "file of ratings"}  # fmt: skip
    parts = []
    for name, word in words.items():
        number = counts.get(name, 0)
        many = "files of ratings" if name == "ratings" else f"{word}s"
        if number or name in ("files", "answers", "runs"):
            parts.append(f"{number:,} {word if number == 1 else many}")
    return ", ".join(parts)


def _list(left: list[LeftOut]) -> None:
    if not left:
        return
    console.out("Left out:")
    for item in left[:_SHOWN]:
        console.out(f"  {item.what}: {item.why}")
    if len(left) > _SHOWN:
        console.out(f"  and {len(left) - _SHOWN:,} more (--json has all)")
