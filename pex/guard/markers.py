"""What tells a model where a turn or a document ends: its special tokens, tags and role lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pex.guard.findings import Finding, visible
from pex.guard.orders import has_command, has_order
from pex.guard.policy import PolicyOptions

_TOKEN = re.compile(
    r"<[|\uff5c][A-Za-z0-9_\u2581 ]{1,40}[|\uff5c]>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]"
)
_ROLE_AFTER = re.compile(r"\s{0,3}(?:system|developer|assistant|user|model|tool|ipython)\b", re.I)
_NAMES = frozenset({
    "system", "instruction", "instructions", "prompt", "system_prompt", "user_input", "user",
    "assistant", "context", "document", "documents", "data", "input", "untrusted", "content",
    "review", "email", "message", "query", "question", "text", "tool_result", "tool_response",
    "function_result", "function_results", "search_result", "search_results", "result", "results",
    "developer", "policy",
})  # fmt: skip
"""Names of tags that prompts put around a value."""
_TAG = re.compile(r"<(/?)\s?([A-Za-z][A-Za-z_]{3,20}+)\s?(?:>|\s[^<>]{0,200}>)")
_USUAL_TAGS = frozenset({
    "article", "aside", "audio", "blockquote", "body", "button", "canvas", "caption", "center",
    "cite", "code", "details", "dialog", "fieldset", "figcaption", "figure", "font", "footer",
    "form", "frame", "frameset", "head", "header", "html", "iframe", "label", "legend", "link",
    "main", "mark", "math", "menu", "meta", "meter", "noscript", "object", "option", "output",
    "picture", "progress", "quote", "script", "section", "select", "small", "span", "strike",
    "strong", "style", "summary", "table", "tbody", "template", "textarea", "tfoot", "thead",
    "time", "title", "track", "video", "rant", "sarcasm", "irony", "joke", "snark",
})  # fmt: skip
"""Elements of HTML, which mails and pages close without opening, and jokes."""
_END_MARK = re.compile(
    r"^[ \t]*(?:[-=#*\[<(]{2,8} ?|\[)(?:end|fin|ende)(?: of)?(?: the)? "
    r"(?:document|input|text|user input|data|email|message|review|context|instructions|prompt"
    r"|query)"
    r"[^\n]{0,20}$",
    re.I | re.M,
)
_ROLE_LINE = re.compile(
    r"^[ \t>*#\-]{0,8}+\[?(system|developer|assistant|tool|human|ai)(?: (?:message|prompt|note"
    r"|update|instruction|override))?\]?[ \t]{0,2}[:\uff1a>]",
    re.I | re.M,
)
_OPEN_TURN = re.compile(
    r"\n[ \t>*#]{0,8}+(?:assistant|ai|gpt|model|response)[ \t]{0,2}:(?:[^\n]{0,200}:)?\s{0,20}\Z",
    re.I,
)
_MESSAGE_OBJECT = re.compile(
    r"\s{0,20}\[?\s{0,20}\{\s{0,20}\"role\"\s{0,3}:\s{0,3}\"(?:system|developer)\"\s{0,3},"
    r"\s{0,20}\"content\"\s{0,3}:[^\n]{0,2000}\}\s{0,20}\]?\s{0,20}\Z",
    re.I,
)
_HEADING = re.compile(
    r"^#{2,4}[ \t]{0,2}(system|human|user|instruction|input|assistant|response)[ \t]{0,2}:",
    re.I | re.M,
)


def _lines_of(roles: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]{{0,8}}+(?:{roles})[ \t]{{0,2}}[:\uff1a]", re.I | re.M)


_ROLES = (
    ("система", "пользователь|ассистент|помощник|человек"),
    ("システム", "ユーザー|アシスタント|ユーザ"),
    ("系统|系統", "用户|用戶|助手|使用者"),
    ("시스템", "사용자|어시스턴트|도우미"),
    ("sistema", "usuario|asistente|usuário|assistente|utente"),
    ("système", "utilisateur|assistant|utilisatrice"),
    ("system", "benutzer|nutzer|assistent|nutzerin|gebruiker|användare|użytkownik|asystent"),
    ("النظام", "المستخدم|المساعد"),
    ("सिस्टम|प्रणाली", "उपयोगकर्ता|सहायक"),
    ("sistem", "kullanıcı|asistan|pengguna|asisten"),
)
_TRANSLATED = tuple((_lines_of(system), _lines_of(others)) for system, others in _ROLES)
_ANY_TRANSLATED = _lines_of("|".join(system for system, _ in _ROLES))
_SYSTEM_ELEMENT = re.compile(
    r"<(?:system|system_prompt|system-reminder|instructions|developer)>([^<>]{10,2000})"
    r"</(?:system|system_prompt|system-reminder|instructions|developer)>",
    re.I,
)
_SENTENCE = re.compile(r"\w{2,40}\s{1,3}\S{1,40}\s{1,3}\S{1,40}\s{1,3}\S")
_AGENT_STEP = re.compile(
    r"^[ \t>*-]{0,6}+(thought|action input|action|observation|final answer|tool call|tool input"
    r"|tool output)[ \t]{0,2}:",
    re.I | re.M,
)
_ONLY_AGENTS = {"thought", "action input", "final answer", "tool call", "tool input", "tool output"}
_TOOL_RESULT = re.compile(
    r"^[ \t]{0,8}+[\[<({]?(?:tool|function)[ _](?:call[ _])?(?:result|response|output|return)s?"
    r"(?: [^\n:]{0,60})?[\]>)}]?[ \t]{0,2}[:\uff1a>]",
    re.I | re.M,
)
_TOOL_ELEMENT = re.compile(
    r"<(?:tool_calls?|tool_results?|tool_response|function_calls?|function_results?|invoke)"
    r"(?:\s[^<>]{0,200})?>(?=\s{0,20}[^\s<])",
    re.I,
)
_NEW_TASK = (
    r"\s{0,20}+[#*>\[(-]{0,4}+\s?+(?=[a-z])"
    r"(?:(?:new|updated?|real|actual|your)\s(?:\w{1,20}\s)?(?:task|instruct"
    r"|rule|order|prompt|goal|system)|(?:now|instead|then|next),?\s(?:ignore|reply|respond|answer|say"
    r"|print|output|write|translate|act|reveal|approve|classify|rate|mark|label|summari|list|give|tell"
    r"|send|show|forget|treat)|you\sare\s(?:now|no)|system\b"
    r"|ignore\s|disregard\s|instructions?\s?:|instead\b)"
)
_DELIMITED = tuple(
    re.compile(rf"(?:{separator})(?={_NEW_TASK})", re.I | re.M)
    for separator in (
        r"^[ \t]*(?:[-=#*_~]{3,}+|\]\]>|-->|\"{3}|'{3}|`{3}|</[a-z_-]{1,20}>)[ \t]*$",
        r"^[ \t]*#{1,4}[ \t]+(?=(?:new|updated?|real|actual|your) )",
        r"^[^\"\n]{0,400}(?:\"[^\"\n]{0,400}\"[^\"\n]{0,400}){0,3}\"[.,]?[ \t]*\n",
    )
)
"""Lines, headings and closing quotation marks with a new task behind them."""
_SETTING = re.compile(r"\s*[\w.-]{1,40}\s?[:=]")


def find_special_tokens(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Special tokens of chat templates; one that is only mentioned is a signal."""
    found = list(_TOKEN.finditer(text))
    several = len({match.group().lower() for match in found}) > 1
    for match in found:
        used = several or _ROLE_AFTER.match(text, match.end()) or _is_alone(text, *match.span())
        yield Finding(
            "special-tokens", *match.span(), "flag" if used else "signal",
            "a special token of a chat template", match.group(), "", _broken(match.group()),
        )  # fmt: skip


def _is_alone(text: str, start: int, end: int) -> bool:
    """Whether a token has a line of its own between others, as no person quotes it."""
    before, after = text[max(0, start - 300) : start], text[end : end + 300]
    return (
        before.endswith("\n")
        and after.startswith(("\n", "\r\n"))
        and bool(before.strip() and after.strip())
        and "```" not in before
    )


def _broken(token: str) -> str:
    """The token with a space in it, so that no tokeniser takes it for one."""
    return f"{token[0]} {token[1:]}"


def without_tokens(text: str) -> str:
    """The text with a space in every special token."""
    return _TOKEN.sub(lambda found: _broken(found[0]), text)


def find_delimiters(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """What ends the part of a prompt that a value is in.

    The application's own delimiters are flagged. Without knowing them, a tag that closes what was
    never opened is one, and a line such as `--- end of document ---` is a signal.
    """
    rule = "delimiters"
    for delimiter in policy.delimiters:
        at = text.find(delimiter) if delimiter else -1
        while at >= 0:
            end = at + len(delimiter)
            yield Finding(
                rule, at, end, "flag", "the delimiter of the prompt", visible(delimiter), "",
                " ".join(delimiter),
            )  # fmt: skip
            at = text.find(delimiter, end)
    open_now: dict[str, int] = {}
    for found in _TAG.finditer(text):
        name = found[2].lower()
        if name not in _NAMES and (
            name in _USUAL_TAGS or not text[found.end() : found.end() + 200].strip()
        ):
            continue
        if not found[1]:
            open_now[name] = open_now.get(name, 0) + 1
        elif open_now.get(name, 0):
            open_now[name] -= 1
        else:
            yield Finding(
                rule, *found.span(), "flag", "a tag that closes what was not opened",
                visible(found[0]), "", _broken(found[0]),
            )  # fmt: skip
    for match in _END_MARK.finditer(text):
        told = has_command(text[match.end() : match.end() + 200])
        yield Finding(
            rule, *match.span(), "flag" if told else "signal",
            "says that a document ends" + (", and gives an order" if told else ""),
            visible(match[0]),
        )  # fmt: skip
    yield from _closing_fences(text)


def _closing_fences(text: str) -> Iterator[Finding]:
    """A fence or quotation mark that closes what was not opened, with an order behind it."""
    for pattern in _DELIMITED:
        for found in pattern.finditer(text):
            yield Finding(
                "delimiters", *found.span(), "flag", "a delimiter, and a new task behind it",
                visible(text[found.start() : found.end() + 60]),
            )  # fmt: skip
    for mark in ('"""', "```", "'''", "~~~"):
        if text.count(mark) % 2:
            at = text.rfind(mark)
            behind = text[at + 3 : at + 203]
            if behind[:1].isspace() and has_command(behind):
                yield Finding(
                    "delimiters", at, at + 3, "flag",
                    "a fence that closes what was not opened, and an order behind it",
                    visible(text[at : at + 60]), "", " ".join(mark),
                )  # fmt: skip


def without_delimiters(text: str, delimiters: Iterable[str]) -> str:
    """The text with a space in every delimiter and every tag that closes a value."""
    for delimiter in filter(None, delimiters):
        text = text.replace(delimiter, " ".join(delimiter))
    return _TAG.sub(lambda tag: _broken(tag[0]) if _closes_a_value(tag) else tag[0], text)


def _closes_a_value(tag: re.Match[str]) -> bool:
    name = tag[2].lower()
    return bool(tag[1]) and (name in _NAMES or name not in _USUAL_TAGS)


def find_role_lines(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Lines that claim to be the system's; with an order behind them they are flagged.

    A transcript of a conversation has lines of user and assistant as well, without orders.
    """
    for match in _ROLE_LINE.finditer(text):
        line = _said_after(text, match.end())
        order = has_order(line[:160])
        severe = match[1].lower() in ("system", "developer") and order
        yield Finding(
            "role-lines", *match.span(), "flag" if severe else "signal",
            f"a line of the role {match[1].lower()}", visible(match[0].strip() + " " + line),
        )  # fmt: skip

    yield from _role_forms(text)


def _role_forms(text: str) -> Iterator[Finding]:
    """Roles in other forms than a line in English."""
    rule = "role-lines"
    opened = _OPEN_TURN.search(text)
    if opened and text[: opened.start()].strip():
        yield Finding(
            rule, *opened.span(), "flag", "a turn of the assistant that is left to be completed",
            visible(opened[0].strip()),
        )  # fmt: skip
    message = _MESSAGE_OBJECT.match(text)
    if message:
        yield Finding(
            rule, *message.span(), "flag", "a system message of a chat API", visible(message[0])
        )
    headings = list(_HEADING.finditer(text))
    if {"assistant", "response"} & {found[1].lower() for found in headings[1:]}:
        yield Finding(
            rule, *headings[0].span(), "flag", "headings of a chat template",
            visible(headings[0][0]),
        )  # fmt: skip
    for system, others in _TRANSLATED if _ANY_TRANSLATED.search(text) else ():
        for found in system.finditer(text):
            line = _said_after(text, found.end())
            told = has_command(line) and others.search(text) is not None
            yield Finding(
                rule, *found.span(), "flag" if told else "signal", "a line of the system's role",
                visible(text[found.start() : found.start() + 60]),
            )  # fmt: skip
    for found in _SYSTEM_ELEMENT.finditer(text):
        if _SENTENCE.search(found[1]):
            yield Finding(
                rule, *found.span(), "flag", "an element that claims to be the system's",
                visible(found[0]),
            )  # fmt: skip
    steps = {found[1].lower(): found for found in _AGENT_STEP.finditer(text)}
    if len(steps) >= 2 and steps.keys() & _ONLY_AGENTS:
        first = min(found.start() for found in steps.values())
        yield Finding(
            rule, first, first + 1, "flag", "steps of an agent's loop",
            visible(", ".join(steps)), text[first],
        )  # fmt: skip
    for found in _TOOL_RESULT.finditer(text):
        told = has_order(text[found.end() : found.end() + 300])
        yield Finding(
            rule, *found.span(), "flag" if told else "signal", "claims to be a tool's result",
            visible(text[found.start() : found.start() + 60]),
        )  # fmt: skip

    for found in _TOOL_ELEMENT.finditer(text):
        if text.count("`", max(0, found.start() - 200), found.start()) % 2 == 0:
            yield Finding(
                rule, *found.span(), "flag", "an element of a tool's call or result",
                visible(text[found.start() : found.start() + 60]),
            )  # fmt: skip


def _said_after(text: str, at: int) -> str:
    """What follows a role: the rest of its line, else the next one unless that is a setting."""
    rest = text[at : at + 300].lstrip(" \t")
    line, _, more = rest.partition("\n")
    if line.strip():
        return line.strip()
    line = more.lstrip("\n").partition("\n")[0]
    return "" if line.startswith((" ", "\t", "-")) or _SETTING.match(line) else line.strip()
