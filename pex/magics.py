"""`%load_ext pex`: prompts and runs in a notebook's own language.

Also here is what an extension must not do: it prints nothing when it is loaded, imports nothing
heavy, and loaded twice it is there once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from pex import asking
from pex.cell import Ask, identifier, read_line, read_prompt
from pex.core.errors import PexError, nearest
from pex.core.project import experiment_files, prompt_files
from pex.core.prompt import Prompt
from pex.core.settings import find_project
from pex.experiment import Experiment
from pex.results import Results
from pex.widgets import in_notebook
from pex.widgets.answer import Shown


def load(shell: Any) -> None:
    """Register the magics and their completion with IPython's shell."""
    shell.register_magics(PexMagics(shell))


@magics_class
class PexMagics(Magics):  # type: ignore[misc]
    """`%%prompt`, `%prompt` and `%pex`."""

    @no_var_expand
    @line_cell_magic
    def prompt(self, line: str, cell: str | None = None) -> None:
        """Write a prompt as a cell, and ask it.

        %%prompt short
        Review: {{ review }}
        Is this review positive or negative? Answer with one word.

            makes pex.Prompt `short` of the cell's text. Lines with only system:, user: or
            assistant: begin a message; a front matter as in .prompty files may come first.
        """
        magic = "%prompt" if cell is None else "%%prompt"
        ask = read_line(line, magic)
        if cell is None:
            prompt = self._known(ask.name)
            ask.name = prompt.name
        else:
            prompt = read_prompt(ask.name, cell)
            self._bind(prompt)
        if not ask.run:
            print(prompt.name, prompt.variables)
            return
        self._run(ask, prompt)

    @no_var_expand
    @line_magic
    def pex(self, line: str) -> Any:
        """The project."""
        return None

    def _run(self, ask: Ask, prompt: Prompt) -> None:
        space = self.shell.user_ns
        asked = asking.question(ask, prompt, space)
        kept = f"{identifier(prompt.name)}_results"

        def bind(results: Results) -> None:
            space[kept] = results

        asking.run(asked, ask, in_notebook(), kept, bind)

    def _bind(self, prompt: Prompt) -> None:
        self.shell.user_ns[identifier(prompt.name)] = prompt

    def _known(self, name: str) -> Prompt:
        value = self.shell.user_ns.get(identifier(name))
        if isinstance(value, Prompt):
            return value
        raise PexError(f"there is no prompt '{name}'")
