"""The page of a review: the prompts' difference, the verdict, the answers that changed, a form.

One HTML file that fetches nothing. The form makes a small file with the decision, to be sent back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.evidence.card.run_facts import PRIVATE
from pex.evidence.promotion.gate_evidence import Evidence
from pex.guard.redact import redact
from pex.library.metadata import metadata_of
from pex.report.safe_html import escaped
from pex.report.sides import side_by_side_table
from pex.report.theme import page_style, style
from pex.report.word_difference import word_difference
from pex.score.frame import percentages
from pex.widgets.shared import script

if TYPE_CHECKING:
    import pandas as pd

MAX_CASES = 50
_MAX_CHARS = 2000
_MAX_BYTES = 1_000_000
_MAX_TEXT = 40_000
_AROUND = 1_000
"""Characters that are shown before and after a change if the whole text is too long."""
STYLE = """
main.pex-review { max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px; font-size: 14px;
  background: var(--pex-back); }
.pex-review h1 { font-size: 22px; margin: 0 0 8px; overflow-wrap: anywhere; }
.pex-review h2 { font-size: 17px; margin: 30px 0 8px; }
.pex-review p, .pex-review li { max-width: 76ch; overflow-wrap: anywhere; }
.pex-review .answer { font-size: 16px; padding: 12px 16px; margin: 12px 0;
  background: var(--pex-band); border-left: 6px solid var(--pex-mark); border-radius: var(--pex-radius); }
.pex-review pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 10px 12px;
  font-size: 13px; background: var(--pex-band); border: 1px solid var(--pex-line); border-radius: 6px; }
.pex-review ins { color: var(--pex-good); text-decoration: underline; }
.pex-review del { color: var(--pex-bad); text-decoration: line-through; }
.pex-review ul { list-style: none; padding: 0; }
.pex-review form { display: grid; gap: 12px; max-width: 60ch; }
.pex-review form[hidden] { display: none; }
.pex-review fieldset { border: 1px solid var(--pex-line); border-radius: 6px; padding: 8px 12px; }
.pex-review label { display: block; }
.pex-review input[type=text], .pex-review textarea, .pex-review button {
  font: inherit; color: inherit; padding: 6px 10px; background: var(--pex-back); border: 1px solid var(--pex-soft); border-radius: 6px; }
.pex-review input[type=text], .pex-review textarea { box-sizing: border-box; width: 100%; }
.pex-review button { cursor: pointer; justify-self: start; }
.pex-review :focus-visible { outline: 2px solid var(--pex-mark); outline-offset: 2px; }
@media print { .pex-review form { display: none; } }
@media screen and (max-width: 600px) {
  main.pex-review { padding: 14px 12px 40px; }
  .pex-review table.pex-sides { min-width: 0 !important; }
  .pex-review .pex-sides thead { display: none; }
  .pex-review .pex-sides tr, .pex-review table.pex-table.pex-sides td { display: block; border: 0; padding: 3px 0; }
  .pex-review .pex-sides tr { border-bottom: 1px solid var(--pex-line); padding: 6px 0; }
  .pex-review .pex-sides td[data-side]::before { content: attr(data-side); color: var(--pex-soft); font-size: var(--pex-size-small); }
}
"""  # noqa: E501 - a style sheet


def review_page(
    request: Mapping[str, Any],
    digest: str,
    new: Prompt,
    old: Prompt | None,
    evidence: Evidence,
    frame: pd.DataFrame | None,
) -> str:
    """The text of the page.

    Args:
        request: the review request as in its file.
        digest: the hash of that file, which comes back with the decision.
        new: the prompt of the version that is proposed.
        old: the prompt of the version that is used now, if there is one.
        evidence: what the runs say.
        frame: the answers of the run that is the evidence.
    """
    title = f"{request['alias']} of {request['prompt']}: {_change(request)}"
    body = [review_body(request, new, old, evidence, frame), _form(request)]
    data = {"format": request["format"], "review": request["id"], "request": digest}
    # JSON without "<" cannot close the element that contains it.
    text = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    sheet, code = style() + page_style() + STYLE, script("evidence/review/review_page")
    # The side-by-side table has widths of its own.
    policy = (
        f"default-src 'none'; script-src {_hash(code)}; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Review: {escaped(title)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f'<main class="pex pex-review">{redact("".join(body))}</main>\n'
        f'<script type="application/json" id="data">{text}</script>\n'
        f"<script>{code}</script>\n</body>\n</html>\n"
    )


def review_body(
    request: Mapping[str, Any],
    new: Prompt,
    old: Prompt | None,
    evidence: Evidence,
    frame: pd.DataFrame | None,
) -> str:
    """The page's contents without its form, for a notebook too; the arguments are the page's."""
    title = f"{request['alias']} of {request['prompt']}: {_change(request)}"
    return "".join(
        [
            f"<h1>{escaped(title)}</h1>",
            f"<p>{escaped(request['by'])} asks for a second opinion, "
            f"{escaped(_time(request['at']))}.</p>",
            _verdict(request, evidence),
            f"<h2>What changes in the prompt</h2>{difference_html(new, old)}",
            answers_html(frame, evidence.pairs, _is_private(new)),
        ]
    )


def _change(request: Mapping[str, Any]) -> str:
    if request["from"] is None:
        return f"version {request['to']}, as the first one"
    return f"from version {request['from']} to {request['to']}"


def _time(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"


def _verdict(request: Mapping[str, Any], evidence: Evidence) -> str:
    parts = ['<h2>What the measurements say</h2><div class="answer">']
    parts.append(escaped(evidence.sentence or "No run has compared them."))
    parts.append("</div><ul>")
    for check in evidence.checks:
        kind, sign = ("pex-good", "✓") if check.met else ("pex-bad", "✗")
        parts.append(f'<li><span class="{kind}">{sign}</span> {escaped(check.text)}</li>')
    parts.append("</ul>")
    if request["because"]:
        label = "The reason given" if evidence.enough else "The reason to move it all the same"
        parts.append(f"<p><strong>{label}:</strong> {escaped(request['because'])}</p>")
    return "".join(parts)


def difference_html(new: Prompt, old: Prompt | None) -> str:
    """The files of two prompts compared word by word, as HTML."""
    text = _file(new)
    if old is None:
        return _shown([("same", text)])
    before = _file(old)
    if text == before:
        return "<p>Nothing in the prompt's file.</p>"
    pieces = word_difference(text, before)
    if pieces is None:
        said = "<p>The two are too different to compare word by word. The proposed one:</p>"
        return said + _shown([("same", text)])
    legend = "<p><ins>underlined</ins> is new, <del>struck through</del> is gone.</p>"
    if sum(len(piece) for _, piece in pieces) > _MAX_TEXT:
        pieces = [(kind, _shortened(piece) if kind == "same" else piece) for kind, piece in pieces]
        legend += "<p>Long parts that stay as they are have been left out.</p>"
    return legend + _shown(pieces)


def _shortened(text: str) -> str:
    """The ends of a long text that is not changed."""
    left_out = len(text) - 2 * _AROUND
    if left_out <= 0:
        return text
    return f"{text[:_AROUND]}\n[… {left_out:,} characters, not changed …]\n{text[-_AROUND:]}"


def _shown(pieces: Sequence[tuple[str, str]]) -> str:
    """The pieces of a text as HTML, at most so many characters; what is cut off is said."""
    marks = {"same": ("", ""), "new": ("<ins>", "</ins>"), "gone": ("<del>", "</del>")}
    parts, room = [], _MAX_TEXT
    for kind, piece in pieces:
        if room > 0:
            parts.append(f"{marks[kind][0]}{escaped(piece[:room])}{marks[kind][1]}")
        room -= len(piece)
    html = f'<pre tabindex="0">{"".join(parts)}</pre>'
    if room >= 0:
        return html
    return (
        f'{html}<p class="pex-bad">The last {-room:,} characters are not shown: look at them with '
        "<code>pexlab library diff</code>.</p>"
    )


def _file(prompt: Prompt) -> str:
    try:
        return prompt.to_prompty()
    except PexError:  # no file can hold it
        return prompt.text


def answers_html(
    frame: pd.DataFrame | None, pairs: Sequence[tuple[str, str]], private: bool = False
) -> str:
    """The cases whose answers differ, side by side: where the new one is worse comes first.

    Args:
        frame: the answers.
        pairs: the variants of the new version, each with the one that it is compared with.
        private: show no case at all, as the prompt's metadata say; else those with the tag.
    """
    if frame is None or not pairs:
        return ""
    names = list(dict.fromkeys(name for pair in reversed(pairs) for name in reversed(pair)))
    rows = frame[frame["variant"].isin(names)]
    changed = changed_cases(rows, pairs)
    title = "<h2>The answers that changed</h2>"
    if not changed:
        return f"{title}<p>None: every answer is the same.</p>"
    hidden = {
        str(case)
        for case, tags in zip(rows["case_id"], rows["tags"], strict=True)
        if private or any(str(tag).casefold() == PRIVATE for tag in tags or ())
    } & changed
    said = f"{len(changed):,} of {frame['case_id'].nunique():,} cases."
    if hidden:
        said += f" {len(hidden):,} of them marked private: not shown."
    if hidden == changed:
        return f"{title}<p>{said}</p>"
    rows = rows[rows["case_id"].astype(str).isin(changed - hidden)]
    table = side_by_side_table(
        rows, percentages(frame), MAX_CASES, _MAX_CHARS, baseline=pairs[0][1], max_bytes=_MAX_BYTES
    )
    table = table.replace('<div class="pex-scroll">', '<div class="pex-scroll" tabindex="0">', 1)
    return f"{title}<p>{said}</p>{table}"


def _is_private(prompt: Prompt) -> bool:
    """Whether the prompt's metadata keep its case data to itself; also if they cannot be read."""
    found = attempt(lambda: metadata_of(prompt))
    return isinstance(found, PexError) or found.private


def changed_cases(frame: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> set[str]:
    """The cases in which a variant of a pair answers otherwise than the other."""
    answers: dict[str, dict[tuple[str, int], str]] = {}
    for variant, case, repeat, output, error in zip(
        frame["variant"], frame["case_id"], frame["repeat"], frame["output"], frame["error"],
        strict=True,
    ):  # fmt: skip
        answers.setdefault(str(variant), {})[str(case), int(repeat)] = f"{output}\n{error}"
    found = set()
    for one, other in pairs:
        sides = answers.get(one, {}), answers.get(other, {})
        found |= {
            key[0] for key in {*sides[0], *sides[1]} if sides[0].get(key) != sides[1].get(key)
        }
    return found


def _form(request: Mapping[str, Any]) -> str:
    choices = "".join(
        f'<label><input type="radio" name="decision" value="{value}" required> {text}</label>'
        for value, text in (
            ("accept", f"Accept: {request['alias']} moves to version {request['to']}"),
            ("refuse", "Refuse: it stays where it is"),
        )
    )
    return (
        "<h2>Your decision</h2>"
        "<p>Nothing is sent anywhere: the button makes a file that you send back. With pex: "
        f"<code>pexlab library review accept {escaped(request['id'])}</code>, or "
        "<code>refuse</code>.</p><noscript><p>The form needs JavaScript.</p></noscript>"
        '<form id="decision" hidden>'
        '<label for="by">Your name</label>'
        '<input type="text" id="by" name="by" autocomplete="name">'
        f"<fieldset><legend>Decision</legend>{choices}</fieldset>"
        '<label for="because">Why (needed for a refusal)</label>'
        '<textarea id="because" name="because" rows="4"></textarea>'
        "<button>Save my decision</button>"
        '<p id="said" role="status"></p></form>'
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
