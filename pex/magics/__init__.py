"""`%load_ext pex`: prompts and runs as magics of a notebook.

Loading it prints nothing and runs nothing; loading it again changes nothing.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.experiment.experiment import Experiment
from pex.magics import asking, completing, overview
from pex.magics.cell import Ask, identifier, read_line, read_prompt
from pex.project.listing import experiment_files, prompt_files
from pex.project.spec import LIBRARY
from pex.results.results import Results
from pex.widgets import in_notebook
from pex.widgets.answer import say

CASES_VARIABLE = "_pex_experiment"
"""The notebook's variable that keeps the cases of `--cases` for the cells that follow."""


def load(shell: Any) -> None:
    """Register the magics and their Tab completion.

    Args:
        shell: IPython's shell.
    """
    shell.register_magics(PexMagics(shell))
    completing.register(shell)


@magics_class
class PexMagics(Magics):
    """`%%prompt`, `%prompt` and `%pex`."""

    @no_var_expand
    @line_cell_magic
    def prompt(self, line: str, cell: str | None = None) -> None:
        """Write a prompt in a cell, and run it.

        A prompt, which becomes the Python variable `short`::

            %%prompt short
            Review: {{ review }}
            Is this review positive or negative? Answer with one word.

        With messages and parameters, as in a .prompty file::

            %%prompt strict
            ---
            model: {id: smollm2, provider: local, options: {temperature: 0}}
            ---
            system:
            You read product reviews.

            user:
            {{ review }}

        Run it; the answer streams in below::

            %%prompt short --run --with review="Broke after a day."
            %%prompt short --run --cases review-sentiment --case 3
            %%prompt short --run -m local/smollm2 openai/gpt-4.1-mini --param temperature=0

        Talk to it, by hand, in a conversation below::

            %%prompt short --chat -m local/smollm2

        An existing prompt: a variable, a file of the project, or from the library::

            %prompt short
            %prompt library:short@champion --run --case 3

        Options, all of them with --run, and all but --no-record with --chat:
            -m, --model  provider/model, one or more. Default: the prompt's own, the experiment's
                         first, or the built-in local/smollm2.
            --cases      an experiment of the project, a file (.csv, .jsonl, .parquet), or a Python
                         variable. Default: the experiment used last whose columns fit.
            --case       only these cases: 3 is the third, anything else an id.
            --with       name=value for each variable, instead of cases. A value that is JSON (3,
                         true, [1, 2], "01") is read as JSON; $name is a Python variable's value.
            --param      name=value: temperature, max_tokens, seed, …
            --fresh      get new answers; otherwise earlier ones are reused.
            --no-record  write nothing to MLflow.

        The answers are kept in `short_results`: .frame, .show(), .compare(). An interrupt keeps
        the answers so far.
        """
        ask = read_line(line, "%prompt" if cell is None else "%%prompt")
        prompt = self._find_prompt(ask.name) if cell is None else read_prompt(ask.name, cell)
        name = identifier(prompt.name)
        if not (ask.run or ask.chat):
            say(_summary(prompt, name, self._space.get(name)))
        if cell is not None or name not in self._space:
            self._space[name] = prompt
        if ask.run:
            self._run(ask, prompt)
        elif ask.chat:
            self._chat(ask, prompt)
        elif cell is None:
            print(clean(prompt.text))  # noqa: T201 - what the cell asked for

    @no_var_expand
    @line_magic
    def pex(self, line: str) -> Any:
        """The project at a glance.

        The experiments with their last run and its verdict, the spending, the runs in progress::

            %pex

        An experiment with a preview of its run, or a prompt::

            %pex show review-sentiment

        Run it, and keep its answers in `review_sentiment_results`::

            %pex run review-sentiment
        """
        command, _, name = line.strip().partition(" ")
        name = name.strip()
        if not command:
            return overview.project_overview()
        if command not in completing.COMMANDS:
            raise PexError(f"%pex: unknown command '{command}'",
                           hint=nearest(command, completing.COMMANDS))  # fmt: skip
        if not name:
            known = list(experiment_files(find_project()))
            raise PexError(f"%pex {command}: which experiment?", hint=nearest("", known))
        if command == "run":
            return self._run_experiment(name)
        self._show(name)
        return None

    @property
    def _space(self) -> dict[str, Any]:
        """The notebook's variables."""
        assert self.shell is not None  # `load` gives it
        space: dict[str, Any] = self.shell.user_ns
        return space

    def _run(self, ask: Ask, prompt: Prompt) -> None:
        space = self._space
        planned = asking.plan_run(ask, prompt, space)
        if ask.source is not None:
            space[CASES_VARIABLE] = planned.source
        kept = f"{identifier(prompt.name)}_results"

        def bind(results: Results) -> None:
            space[kept] = results

        asking.run(planned, ask, in_notebook(), kept, bind)

    def _chat(self, ask: Ask, prompt: Prompt) -> None:
        from pex.playground.chat.opened import open_chat

        if not in_notebook():
            raise PexError("%%prompt --chat: a conversation needs a notebook")
        planned = asking.plan_chat(ask, prompt, self._space)
        if ask.source is not None:
            self._space[CASES_VARIABLE] = planned.source
        cases = [case for case in planned.experiment.cases if case.id in planned.chosen]
        open_chat(planned.experiment.drafted(planned.experiment.variants, cases), ask.fresh)

    def _run_experiment(self, name: str) -> Results:
        experiment = self._experiment(name, "%pex run")
        kept = f"{identifier(experiment.name)}_results"
        try:
            return experiment.run()
        finally:
            if experiment.results is not None:
                self._space[kept] = experiment.results
                say(f"kept in {kept}")

    def _show(self, name: str) -> None:
        known = [*experiment_files(find_project()), *prompt_files(find_project())]
        if name in prompt_files(find_project()) or name.startswith(LIBRARY):
            prompt = self._find_prompt(name)
            say(_summary(prompt, "", None))
            print(clean(prompt.text))  # noqa: T201 - what the cell asked for
            return
        if name not in known and not isinstance(self._space.get(name), Experiment):
            raise PexError(f"%pex show: there is no experiment or prompt '{name}'",
                           hint=nearest(name, known))  # fmt: skip
        experiment = self._experiment(name, "%pex show")
        purpose = f"{experiment.purpose}\n" if experiment.purpose else ""
        print(clean(f"{experiment!r}\n{purpose}\n{experiment.preview()}"))  # noqa: T201 - asked for

    def _experiment(self, name: str, where: str) -> Experiment:
        source = asking.find_source(name, self._space, where)
        if isinstance(source, Experiment):
            return source
        raise PexError(f"{where}: '{name}' has cases but is not an experiment")

    def _find_prompt(self, name: str) -> Prompt:
        """An existing prompt: a variable, a file of the project, or from the library.

        Raises:
            PexError: there is no prompt of that name, or more than one.
        """
        value = self._space.get(identifier(name))
        if isinstance(value, Prompt):
            return value
        project = find_project()
        if name.startswith(LIBRARY):
            from pex.library.resolve import resolve_beside

            return resolve_beside(project, name)
        files = prompt_files(project)
        if len(files.get(name, [])) > 1:
            places = ", ".join(str(path.relative_to(project)) for path in files[name])
            raise PexError(f"%prompt: several prompts are called '{name}': {places}",
                           hint="load one: NAME = pex.Prompt.load(path)")  # fmt: skip
        if name in files:
            return Prompt.load(files[name][0])
        own = [value.name for value in self._space.values() if isinstance(value, Prompt)]
        raise PexError(f"%prompt: there is no prompt '{name}'", hint=nearest(name, [*own, *files]))


def _summary(prompt: Prompt, name: str, before: Any) -> str:
    """A prompt in a line: messages, variables, model, parameters, its name in Python."""
    roles = [message["role"] for message in prompt.messages]
    parts = [prompt.name, "one message" if roles == ["user"] else f"messages {', '.join(roles)}"]
    variables = ", ".join(
        f"{name} (default {prompt.defaults[name]!r})" if name in prompt.defaults else name
        for name in prompt.variables
    )
    count = len(prompt.variables)
    label = "variable" if count == 1 else "variables"
    parts.append(f"{label} {variables}" if count else "no variables")
    parts += [prompt.model] if prompt.model else []
    parts += [f"{key} {value}" for key, value in prompt.params.items()]
    parts += ["JSON schema for the answer"] if prompt.response_schema else []
    if name and name != prompt.name:
        parts.append(f"in Python: {name}")
    if before is not None and not isinstance(before, Prompt):
        parts.append(f"replaces {name}, of type {type(before).__name__}")
    return " · ".join(parts)
