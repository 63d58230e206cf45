"""The reference of the handbook, and the JSON Schemas of a project's files.

`python -m docs.make_reference` writes both anew, after a change of a public name, a command, an
option or a key; a test says when that is due.
"""

from __future__ import annotations

from pathlib import Path

from docs import reference_commands, reference_environment, reference_files, reference_python
from docs.reference_schemas import SCHEMAS, text_of

ROOT = Path(__file__).parent.parent


def made() -> dict[Path, str]:
    """The text of each file that this script writes."""
    pages = {
        "commands.md": reference_commands.page(),
        "environment.md": reference_environment.page(),
        **reference_files.pages(),
        **reference_python.pages(),
    }
    return {
        **{ROOT / "docs" / "reference" / name: text for name, text in pages.items()},
        **{ROOT / "schemas" / name: text_of(file) for name, file in SCHEMAS.items()},
    }


def main() -> None:
    """Write what has changed."""
    for path, text in made().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
