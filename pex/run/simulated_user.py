"""A simulated user: a model that plays a person, and writes the turns of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.call import UserTurns
from pex.core.cases import Case, known_variables
from pex.core.columns import nearest_variable
from pex.core.errors import PexError, nearest
from pex.core.messages import Message, content_text
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.variant import ClientModel, Variant
from pex.project.files import validate
from pex.project.spec import UserSpec
from pex.run.request import body_of

WHERE = "simulated user"

_PLAYING = """\
You play a person who talks to an assistant. Never play the assistant.

The person: {{ persona }}
What the person wants: {{ goal }}
How the person writes: {{ style }}

Write only the person's next message: no names, no quotation marks, no remarks about your role. \
Give details only when they are needed, and invent none that contradict what is written above.
When the person has what they want, or clearly cannot get it, write only {{ stop }}."""
_BEGIN = "The conversation begins. Write the person's first message."
_DEFAULTS = {"persona": "an ordinary customer", "style": "short, everyday messages"}


class SimulatedUser:
    """A model that plays the user of a conversation, until the user has what it wants.

    The prompt that is tested gets its first message as ever; after each of its answers, the
    simulated user writes the next message. Who it is comes from the case: with the built-in prompt
    from its columns `goal`, `persona` and `style` (the last two can be left out).

    Args:
        model: `provider/model`, or a `pex.Model` of your own client; by default, the model that
            the prompt names.
        prompt: what tells the model who it is, or the path of its file: messages with variables of
            the case, and `{{ stop }}`. After them comes the conversation with its roles reversed.
        max_turns: how many messages it may write.
        stop: the word that it writes when the conversation is over.
        opening: the column with the user's first message; by default it is the last message of the
            prompt that is tested.
        params: parameters of its calls; a `seed` is increased by 1 for each repeat.

    Raises:
        PexError: a value does not fit, or there is no model.

    Example:
        >>> user = SimulatedUser("local/smollm2", max_turns=4)
        >>> user
        Simulated user: local/smollm2, up to 4 messages, ends with 'STOP'
        >>> user.prompt.variables
        ('goal', 'persona', 'stop', 'style')
    """

    def __init__(
        self,
        model: str | ClientModel | None = None,
        *,
        prompt: Prompt | str | Path | None = None,
        max_turns: int = 6,
        stop: str = "STOP",
        opening: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        given = {"max_turns": max_turns, "stop": stop, "opening": opening}
        self._spec = validate(UserSpec, given, WHERE)
        if prompt is None:
            prompt = Prompt(
                [{"role": "system", "content": _PLAYING}, {"role": "user", "content": _BEGIN}],
                name="simulated-user",
                defaults=_DEFAULTS,
            )
            self._built_in = True
        else:
            prompt = prompt if isinstance(prompt, Prompt) else Prompt.load(prompt)
            self._built_in = False
        self.prompt = prompt
        where = f"{WHERE}: prompt '{prompt.name}'"
        if prompt.tools or prompt.response_schema:
            what = "tools" if prompt.tools else "response_schema"
            raise PexError(f"{where}: {what} cannot be used: a user writes plain messages")
        if prompt.hides:
            raise PexError(f"{where}: canary and untrusted are for the prompts that are tested")
        if model is None and prompt.model is None:
            raise PexError(
                f"{WHERE}: no model is given", hint='pex.SimulatedUser("openai/gpt-4.1-mini")'
            )
        try:
            self.variant = Variant(prompt, model or "", dict(params or {}))
            """The variant that is called: its prompt, model and parameters."""
        except PexError as error:
            raise PexError(f"{WHERE}: {error.message}", hint=error.hint) from None

    @classmethod
    def of(
        cls,
        given: Any,
        folder: Path | None = None,
        load: Callable[[str], Prompt] | None = None,
    ) -> SimulatedUser | None:
        """The user that an experiment was given: one of these, its model, or a mapping.

        Args:
            given: as in `Experiment(user=…)`.
            folder: where the path of its prompt starts.
            load: finds a prompt of the library.

        Raises:
            PexError: it does not fit.
        """
        if given is None or isinstance(given, SimulatedUser):
            return given
        if isinstance(given, str | ClientModel):
            return cls(given)
        if not isinstance(given, Mapping | UserSpec):
            raise PexError(
                f"user: expected a pex.SimulatedUser, got {type(given).__name__}",
                hint='user=pex.SimulatedUser("openai/gpt-4.1-mini")',
            )
        spec = given if isinstance(given, UserSpec) else validate(UserSpec, dict(given), "user")
        prompt: Prompt | Path | None = None
        if spec.prompt is not None and load is not None and spec.prompt.startswith("library:"):
            prompt = load(spec.prompt)
        elif spec.prompt is not None:
            prompt = (folder or Path()) / spec.prompt
        return cls(
            spec.model, prompt=prompt, max_turns=spec.max_turns, stop=spec.stop,
            opening=spec.opening, params=spec.params,
        )  # fmt: skip

    def __repr__(self) -> str:
        count = f"up to {self.max_turns} message{'s' * (self.max_turns != 1)}"
        own = "" if self._built_in else f", prompt {self.prompt.name}"
        return clean(f"Simulated user: {self.model}, {count}, ends with '{self.stop}'{own}")

    @property
    def model(self) -> str:
        """`provider/model`."""
        return self.variant.model

    @property
    def max_turns(self) -> int:
        """How many messages it may write."""
        return self._spec.max_turns

    @property
    def stop(self) -> str:
        """The word that ends the conversation."""
        return self._spec.stop

    def spec(self, prompt: str | None) -> UserSpec:
        """Its form in `experiment.yaml`.

        Args:
            prompt: the reference to its prompt there; None for the built-in one.
        """
        own = {"model": self.model, "prompt": prompt, "params": dict(self.variant.params)}
        return self._spec.model_copy(update=own)

    @property
    def own_prompt(self) -> Prompt | None:
        """Its prompt, None if it is the built-in one."""
        return None if self._built_in else self.prompt

    def check(self, variants: Sequence[Variant], cases: Sequence[Case]) -> None:
        """Check that it fits an experiment, before any model is called.

        Raises:
            PexError: a variable or an opening that no case has, or turns that are written down.
        """
        known = known_variables(cases)
        for name in self.prompt.variables:
            if name not in known and name not in self.prompt.defaults and name != "stop":
                hint = nearest_variable(name, list(known.values()))
                needs = f"the built-in prompt needs a column '{name}'" if self._built_in else None
                raise PexError(
                    f"{WHERE}: no case has a value for '{{{{ {name} }}}}'",
                    hint="; ".join(filter(None, (needs, hint))) or None,
                )
        opening = self._spec.opening
        if opening is not None and opening not in known:
            raise PexError(
                f"{WHERE}: no case has a column '{opening}' (opening)",
                hint=nearest(opening, list(known)),
            )
        for variant in variants:
            for case in cases:
                if len(variant.prompt.turns(case.values)) > 1:
                    raise PexError(
                        f"case '{case.id}' has a list of turns for the prompt "
                        f"'{variant.prompt.name}', and the experiment has a simulated user",
                        hint="either the turns are written down, or the user writes them",
                    )

    def turns(
        self,
        case: Case,
        messages: Sequence[Message],
        max_tokens: int | None,
        folder: Path,
        api: str,
    ) -> UserTurns:
        """The user of a case.

        Args:
            case: who it is.
            messages: the first request that is tested; its last one is what the user said.
            max_tokens: the longest message, where neither prompt nor parameters say it.
            folder: where the paths of images start.
            api: the API that answers for its model.

        Raises:
            PexError: the case has no value for one of its variables.
        """
        values = {"stop": self.stop, **case.values}
        if self._built_in:  # an empty cell is a person like any other, and no goal is an error
            values = {name: v for name, v in values.items() if not _blank(v)}
        asked = Case(case.id, values, group=case.group)
        try:
            body = body_of(self.variant, asked, max_tokens, folder)
        except PexError as error:
            raise PexError(f"{WHERE}: {error.message}", hint=error.hint) from None
        said = self._opening(case, messages)
        if said:
            body = {
                **body,
                "messages": [*body["messages"], {"role": "assistant", "content": said}],
            }
        return UserTurns(self.model, body, self.max_turns, self.stop, api)

    def _opening(self, case: Case, messages: Sequence[Message]) -> str:
        column = self._spec.opening
        if column is not None:
            value = case.values.get(column)
            if not isinstance(value, str) or not value.strip():
                raise PexError(f"{WHERE}: case '{case.id}' has no text in '{column}' (opening)")
            return value
        last = messages[-1] if messages else {}
        return content_text(last["content"]) if last.get("role") == "user" else ""


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
