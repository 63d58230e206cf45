"""What all widgets share: their style, and how their scripts become one.

Scripts are plain ES modules, so that editors and `node --check` read them, yet nothing is bundled
or fetched: a widget names one entry file, and `script` joins it with all that it imports.
"""

from __future__ import annotations

import functools
import posixpath
import re
from pathlib import Path

from pex.report.theme import style

_ROOMS = Path(__file__).parent.parent
_IMPORT = re.compile(r'^import \{ ([\w$, ]+) \} from "(\.\.?/[\w./]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const) ([\w$]+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_OTHER = re.compile(r"^[ \t]*(?:import|export)\b.*", re.MULTILINE)


@functools.cache
def script(entry: str, rooms: Path = _ROOMS) -> str:
    """A widget's script: a file and all that it imports, each in a function of its own.

    Files import and export in one form only: `import { a, b } from "./file.js";` on one line,
    `export` before a function or a constant, and `export default` in the entry file.

    Args:
        entry: the widget's file, as `room/file` without its ending.
        rooms: the folder of the rooms.

    Raises:
        ValueError: a file that is not there or in a circle of imports, an import of what its file
            does not export, one name exported by two files, or another form of import or export.
    """
    exports: dict[str, list[str]] = {}
    parts = ['"use strict";']

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"a circle of imports: {' -> '.join((*importers, name))}")
        if name in exports:
            return
        file = rooms / f"{name}.js"
        if not file.is_file():
            raise ValueError(f"{importers[-1] if importers else 'script'}: no file {name}.js")
        text = file.read_text("utf-8")
        for found in _IMPORT.finditer(text):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2]))
            add(other, (*importers, name))
            for wanted in found[1].split(", "):
                if wanted not in exports[other]:
                    raise ValueError(
                        f"{name}.js imports '{wanted}', which {other}.js does not export"
                    )
        own = [*_EXPORT.findall(text), *("default" for _ in _DEFAULT.findall(text))]
        if twice := next((found for found in own if own.count(found) > 1), ""):
            raise ValueError(f"'{twice}' is exported twice by {name}.js")
        for other, names in exports.items():
            for twice in set(names).intersection(own):
                raise ValueError(f"'{twice}' is exported by {other}.js and by {name}.js")
        exports[name] = own
        parts.append(_as_function(name, text, own))

    add(entry, ())
    if "default" in exports[entry]:
        parts.append(f"export default {_variable(entry)}.default;")
    return "\n".join(parts)


def _as_function(name: str, text: str, exported: list[str]) -> str:
    """A module as a constant: its exports, made by a function."""

    def imported(found: re.Match[str]) -> str:
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2]))
        return f"const {{ {found[1]} }} = {_variable(other)};"

    body = _DEFAULT.sub("const $default = ", _EXPORT.sub("", _IMPORT.sub(imported, text)))
    if other := _OTHER.search(body):
        line = body.count("\n", 0, other.start()) + 1
        raise ValueError(
            f"{name}.js, line {line}: expected 'import {{ a, b }} from \"./file.js\";' or 'export' "
            f"before a function or a constant, got '{other[0].strip()}'"
        )
    given = ", ".join("default: $default" if found == "default" else found for found in exported)
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();"


def _variable(name: str) -> str:
    return "$" + name.replace("/", "$")


@functools.cache
def styles(*names: str) -> str:
    """The style of a widget: that of tables, what all widgets share, then its own (`room/file`)."""
    files = (_ROOMS / f"{part}.css" for part in ("widgets/shared", *names))
    return "\n".join([style(), *(file.read_text("utf-8") for file in files)])
