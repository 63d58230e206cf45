"""What an answer is compared with, and which checks are made of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence

from pex.guard.findings import SEVERITIES, Severity


@dataclasses.dataclass(frozen=True, slots=True)
class OutputContext:
    """What the model was given: it decides what an answer may repeat.

    Args:
        system: the instructions that nobody is to read. What it has in quotation marks may be
            said: "say exactly 'I am sorry'" asks for it. Facts that an answer should repeat belong
            to `inputs`.
        inputs: what the user, documents and tools said. An answer may repeat it, but may not carry
            it to a new host.
        canary: the word that only the instructions have, from `pex.guard.canary`.

    Example:
        >>> OutputContext("You are Clara.", "Hi!").inputs
        ('Hi!',)
    """

    system: str = ""
    inputs: Sequence[str] = ()
    canary: str = ""

    def __post_init__(self) -> None:
        inputs = (self.inputs,) if isinstance(self.inputs, str) else tuple(self.inputs)
        object.__setattr__(self, "inputs", inputs)

    @classmethod
    def of_messages(
        cls, messages: Sequence[Mapping[str, object]], canary: str = ""
    ) -> OutputContext:
        """The context of a request: system messages are instructions, all others are inputs.

        Args:
            messages: in OpenAI's form; parts that are not text are left out.
            canary: as above.

        Example:
            >>> messages = [{"role": "system", "content": "Be kind."},
            ...             {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
            >>> OutputContext.of_messages(messages)
            OutputContext(system='Be kind.', inputs=('Hi',), canary='')
        """
        system: list[str] = []
        inputs: list[str] = []
        for message in messages:
            own = message.get("role") in ("system", "developer")
            for text in _texts(message.get("content")):
                (system if own else inputs).append(text)
        return cls("\n\n".join(system), tuple(inputs), canary)


def _texts(content: object) -> Sequence[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list | tuple) else []
    found = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return [text for text in found if isinstance(text, str)]


RULE_NAMES: tuple[str, ...] = (
    "canary", "prompt-leak", "data-links", "script-links", "leaked-secrets",
    "leaked-personal-data", "invisible-text", "bidi-controls", "terminal-controls", "active-html",
    "formulas",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class OutputPolicy:
    """Which checks are made of an answer, and what they mean for an application.

    Args:
        off: names of rules that are not used.
        severities: another severity for all findings of a rule.
        allow: digests of spans that are known and harmless; `Finding.digest` is what to put here.
        hosts: hosts that may get data: `shop.example`, or `.example` with all below it.
        leaked_letters: so many letters in a row of the instructions are flagged and cut; less than
            that, down to half of it, is a signal.
        leaked_share: this share of the instructions is flagged in pieces too, if they have as many
            letters together.
        own_personal_data: whether personal data that the context has may be said.

    Raises:
        ValueError: an unknown rule or severity.

    Example:
        >>> OutputPolicy(off={"links"})
        Traceback (most recent call last):
        ...
        ValueError: off: unknown rule 'links'; did you mean 'data-links'?
    """

    off: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = dataclasses.field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    leaked_letters: int = 40
    leaked_share: float = 0.3
    own_personal_data: bool = True

    def __post_init__(self) -> None:
        for name in ("off", "allow", "hosts"):
            given = getattr(self, name)
            object.__setattr__(self, name, frozenset([given] if isinstance(given, str) else given))
        for where in ("off", "severities"):
            for rule in getattr(self, where):
                if rule not in RULE_NAMES:
                    near = difflib.get_close_matches(rule, RULE_NAMES, 1, 0.5)
                    hint = f"; did you mean '{near[0]}'?" if near else ""
                    raise ValueError(f"{where}: unknown rule '{rule}'{hint}")
        for rule, severity in self.severities.items():
            if severity not in SEVERITIES:
                raise ValueError(
                    f"severities: {rule}: expected one of {', '.join(SEVERITIES)}, got {severity!r}"
                )
        if self.leaked_letters < 20:
            raise ValueError(f"leaked_letters={self.leaked_letters}: expected at least 20")
