"""A task with five rules that neither its prompt nor its cases state, and models that follow it.

The model of the task knows what a ticket is about; whether it follows a rule depends on whether the
prompt states it. The model that writes sees only what it is shown: it infers a rule from the
scorer's reasons if two of the cases show it, two rules at a time, and some of its replies are poor.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pex
from tests.helpers.endpoint import completion

START = pex.Prompt(
    "Write the routing note for this ticket of our shop.\n\n"
    "Product: {{ product }}\nWeight in kg: {{ weight }}\nTicket: {{ ticket }}",
    name="route",
    description="Route tickets to the right team.",
    params={"max_tokens": 60},
)
RULES = {
    "form": "Reply with the note alone, on one line, without a greeting.",
    "case": "Write everything in lower case.",
    "language": "Name the team in German.",
    "unit": "Give the weight in grams.",
    "escalation": "Anything about a battery pack goes to the team sicherheit.",
}
"""What states each rule; the model also understands other wording."""
STATED: Mapping[str, re.Pattern[str]] = {
    "form": re.compile(r"\b(one line|note alone|no greeting|nothing else)\b", re.IGNORECASE),
    "case": re.compile(r"\blower[ -]?case\b", re.IGNORECASE),
    "language": re.compile(r"\bin german\b", re.IGNORECASE),
    "unit": re.compile(r"\bin grams\b", re.IGNORECASE),
    "escalation": re.compile(r"\bbattery packs?\b.*\bsicherheit\b", re.IGNORECASE),
}
REASONS = {
    "form": "more than the note",
    "case": "capital letters",
    "language": "the team's name is not German",
    "unit": "the weight is not in grams",
    "escalation": "safety matter of a battery pack: belongs to sicherheit",
}
TEAMS = {"returns": "retoure", "billing": "rechnung", "delivery": "versand"}
_PRODUCTS = ("kettle", "desk lamp", "battery pack", "radio", "toaster")
_TICKETS = {
    "returns": "It stopped working after {n} days and I would like to send the thing back to you",
    "billing": "The invoice number {n} shows an amount that I never agreed to pay for this",
    "delivery": "The parcel was promised for day {n} of the month and nobody has come so far",
}


def cases(n: int) -> list[dict[str, Any]]:
    """Tickets; none has an expected answer."""
    chance = random.Random(7)
    return [
        {
            "case_id": str(number),
            "product": chance.choice(_PRODUCTS),
            "weight": chance.randrange(2, 60) / 4,
            "ticket": _TICKETS[chance.choice(sorted(TEAMS))].format(n=number),
        }
        for number in range(n)
    ]


def routing(output: str, product: str, weight: float, ticket: str) -> pex.Score:
    """The share of the rules that an answer follows, with the reason for each that it breaks."""
    team = _team(ticket)
    names = {"sicherheit", "safety"} if product == "battery pack" else {team, TEAMS[team]}
    text = output.casefold()
    follows = {
        "form": "\n" not in output and "dear" not in text,
        "case": output == output.lower(),
        "language": any(name in text for name in (*TEAMS.values(), "sicherheit")),
        "unit": f"{round(1000 * float(weight))} g" in text,
    }
    if product == "battery pack":
        follows["escalation"] = any(name in text for name in names)
    broken = [REASONS[name] for name, good in follows.items() if not good]
    return pex.Score(1 - len(broken) / len(follows), reason="; ".join(broken) or None)


def stated(text: str) -> set[str]:
    """The rules that a prompt's text states."""
    return {name for name, pattern in STATED.items() if pattern.search(text)}


def _team(ticket: str) -> str:
    return next(team for team, text in _TICKETS.items() if text[:10] == ticket[:10])


def task(text: str) -> str:
    """What the model of the task answers to a filled prompt."""
    known = stated(text)
    product, weight, ticket = (
        re.findall(rf"^{name}: (.*)$", text, re.MULTILINE)[-1]
        for name in ("Product", "Weight in kg", "Ticket")
    )
    team = _team(ticket)
    if product == "battery pack" and "escalation" in known:
        team = "sicherheit" if "language" in known else "safety"
    elif "language" in known:
        team = TEAMS[team]
    size = f"{round(1000 * float(weight))} g" if "unit" in known else f"{weight} kg"
    note = f"Team {team}, {size}"
    note = note if "form" in known else f"Dear colleagues,\nplease see to this: {note}"
    return note.lower() if "case" in known else note


class Writer:
    """The model that writes; every third reply is poor, each kind in turn."""

    def __init__(self) -> None:
        self._replies = 0

    def answer(self, body: dict[str, Any], number: int) -> Any:
        """For an endpoint: `m1` does the task, `m2` writes prompts."""
        text = "\n".join(str(message["content"]) for message in body["messages"])
        return completion(self.reply(text) if body["model"] == "m2" else task(text))

    def reply(self, asked: str) -> str:
        """A rewritten prompt that states up to two rules more, or a poor reply."""
        self._replies += 1
        old = re.findall(r"<prompt>\n(.*?)\n</prompt>", asked, re.DOTALL)[0]
        shown = re.findall(r"<case>\n(.*?)\n</case>", asked, re.DOTALL)
        new = [rule for rule in _inferred(shown) if rule not in stated(old)][:2]
        turn, kind = self._replies % 3, self._replies // 3 % len(_POOR)
        if not new or turn == 0:
            ticket = (re.findall(r'<input name="ticket">(.*?)</input>', "".join(shown)) or [""])[0]
            return _POOR[kind].format(old=old, ticket=ticket, cut=old.replace("{{ ticket }}", ""))
        first, _, rest = old.partition("\n\n")
        text = " ".join([first, *(RULES[rule] for rule in new)])
        return f"The cases share some rules.\n\n<prompt>\n{text}\n\n{rest}\n</prompt>"


_POOR = (
    "I can't help with rewriting prompts.",
    "<prompt>\n{old}\n\nIf a ticket says: {ticket}, it is a return.\n</prompt>",
    "<prompt>\n{cut}\n</prompt>",
    "Here it is.\n<prompt>\n{old}\n</prompt>",
)


def _inferred(shown: Sequence[str]) -> list[str]:
    """The rules that at least two of the cases show by the scorer's reasons."""
    found = Counter(
        rule
        for case in shown
        for rule, reason in REASONS.items()
        if reason in "".join(re.findall(r"<why>(.*?)</why>", case, re.DOTALL))
    )
    return [rule for rule, times in found.most_common() if times > 1]
