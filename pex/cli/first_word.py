"""A group of commands whose first word can be a file instead."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def group_or(default: str) -> type[TyperGroup]:
    """A group that takes what is no command for the arguments of one.

    Args:
        default: the name of the command that a file is given to; it is not shown in usage lines.
    """

    class FirstWord(TyperGroup):
        first_word = default

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            command = bool(args) and args[0] in self.commands
            return super().parse_args(ctx, args if command or not args else [default, *args])

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            return "" if name == default else name, command, rest

    return FirstWord
