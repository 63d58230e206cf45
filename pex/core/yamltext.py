"""YAML as it was written: numbers keep their spelling, and every value its line.

YAML 1.2: `yes`, `no` and `12:30` are strings. A number that JSON would write differently (`01067`,
`1.10`, `0x1F`) is a `WrittenInt` or `WrittenFloat`, and a date is a string as written: the reader
of each field decides whether a string was meant.
"""

from __future__ import annotations

import dataclasses
import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import RoundTripRepresenter

from pex.core.errors import PexError
from pex.core.jsontext import DEEPEST
from pex.core.values import WrittenFloat, WrittenInt

MOST_ALIASED = 100_000
"""The total number of values that a file's aliases may expand to."""

_LONGEST_NUMBER = 3000
_TAG = "tag:yaml.org,2002:"


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A YAML text: its data, and the place of each value."""

    data: Any
    root: Node | None
    first_line: int = 1

    def line(self, path: tuple[Any, ...]) -> int | None:
        r"""The line of the value at `path`, or of the nearest existing value around it.

        Example:
            >>> load_yaml("a:\n  b: 1\n", "f").line(("a", "b"))
            2
        """
        line, node = None, self.root
        for key in path:
            found = _child(node, key)
            if found is None:
                break
            place, node = found
            line = place.start_mark.line + self.first_line
        return line

    def written(self, path: tuple[Any, ...]) -> str | None:
        """The scalar at `path` as written in the file; None if there is none.

        Example:
            >>> load_yaml("a: [True, ~]", "f").written(("a", 0))
            'True'
        """
        node = self.root
        for key in path:
            found = _child(node, key)
            if found is None:
                return None
            node = found[1]
        return node.value if isinstance(node, ScalarNode) else None


def load_yaml(text: str, where: str, first_line: int = 1) -> Document:
    r"""Read one YAML document.

    Args:
        text: the document.
        where: how to name it in an error.
        first_line: the number of its first line, if it is part of a file.

    Raises:
        PexError: it is not valid YAML; the error names the line.

    Example:
        >>> load_yaml("zip: 01067\nratio: 0.5", "f").data
        {'zip': 1067, 'ratio': 0.5}
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.Composer = _Composer
    try:
        constructor, _ = yaml.get_constructor_parser(text)
        root = constructor.composer.get_single_node()
        data = None if root is None else constructor.construct_document(root)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + first_line}" if mark else ""
        raise PexError(f"{where}{line}: not valid YAML: {error.problem}") from None
    except (YAMLError, ValueError) as error:
        raise PexError(f"{where}: not valid YAML: {error}") from None
    except RecursionError:
        raise PexError(f"{where}: not valid YAML: it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - a tag such as `!!bool x` can fail in any way
        raise PexError(f"{where}: not valid YAML: {type(error).__name__}: {error}") from None
    return Document(data, root, first_line)


class _Composer(Composer):
    """Composes nodes, and counts their values with every alias expanded.

    A file of a few hundred bytes whose aliases name lists of aliases can expand to more values than
    fit in memory, though the nodes themselves are few.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._open: list[list[int]] = []
        self._sizes: dict[int, tuple[int, int]] = {}
        self._added = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node, and note how many values and levels it contains."""
        event = self.parser.peek_event()
        mark = event.start_mark
        if isinstance(event, AliasEvent):
            node = super().compose_node(parent, index)
            size, depth = self._sizes.get(id(node), (0, 0))
            if not size:
                raise ComposerError(None, None, "an alias inside the value that it names", mark)
            self._added += size
            if self._added > MOST_ALIASED:
                said = f"its aliases expand to more than {MOST_ALIASED:,} values"
                raise ComposerError(None, None, said, mark)
        else:
            self._open.append([1, 1])
            if len(self._open) > DEEPEST:
                raise _too_deep(mark)
            node = super().compose_node(parent, index)
            size, depth = self._open.pop()
            self._sizes[id(node)] = size, depth
        if self._open:
            around = self._open[-1]
            around[0] += size
            around[1] = max(around[1], depth + 1)
            if around[1] + len(self._open) - 1 > DEEPEST:
                raise _too_deep(mark)
        return node


def _too_deep(mark: Any) -> ComposerError:
    return ComposerError(None, None, f"it is nested more than {DEEPEST} levels deep", mark)


class _Constructor(SafeConstructor):
    """Creates plain data, and keeps the spelling of numbers and dates."""


def _check_length(node: ScalarNode) -> None:
    if len(node.value) > _LONGEST_NUMBER:
        said = f"a number of {len(node.value):,} characters; put it in quotes"
        raise ConstructorError(None, None, said, node.start_mark)


def _int(constructor: _Constructor, node: ScalarNode) -> Any:
    _check_length(node)
    try:
        value = constructor.construct_yaml_int(node)
    except ValueError:  # `_` alone, which YAML's pattern treats as a number
        return node.value
    return value if str(value) == node.value else WrittenInt(value, node.value)


def _float(constructor: _Constructor, node: ScalarNode) -> Any:
    _check_length(node)
    try:
        value = constructor.construct_yaml_float(node)
    except ValueError:
        return node.value
    return value if repr(value) == node.value else WrittenFloat(value, node.value)


def _timestamp(constructor: _Constructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor(f"{_TAG}int", _int)
_Constructor.add_constructor(f"{_TAG}float", _float)
_Constructor.add_constructor(f"{_TAG}timestamp", _timestamp)


def _child(node: Node | None, key: Any) -> tuple[Node, Node] | None:
    """The node where the value at a key or position begins, and the value's node."""
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name, value
    if isinstance(node, SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
        return node.value[key], node.value[key]
    return None


class _Representer(RoundTripRepresenter):
    """Writes a number with its spelling from the original file."""


def _as_was(representer: _Representer, value: WrittenInt | WrittenFloat) -> ScalarNode:
    kind = "int" if isinstance(value, int) else "float"
    return representer.represent_scalar(f"{_TAG}{kind}", value.written)


_Representer.add_representer(WrittenInt, _as_was)
_Representer.add_representer(WrittenFloat, _as_was)


def dump_yaml(data: dict[str, Any]) -> str:
    r"""The YAML text of plain data, one line per value.

    Example:
        >>> dump_yaml({"zip": "01067", "ratio": WrittenFloat(1.1, "1.10")})
        "zip: '01067'\nratio: 1.10\n"
    """
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.width = 10_000  # line breaks inside a value would move with every edit
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()
