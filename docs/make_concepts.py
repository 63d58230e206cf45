"""The pictures of docs/concepts.md, docs/journal.md and docs/mlflow.md.

`python docs/make_concepts.py` makes them anew; a test says when that is due.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"
WIDTH, BOX, ROW, LEFT = 640, 44, 66, 40
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.name { font-weight: 600; }
.note { fill: #59636e; font-size: 12.5px; }
.paper { fill: #ffffff; }
.box { fill: #f6f8fa; stroke: #8c959f; }
.kept { fill: #ddf4ff; stroke: #0969da; }
.line { stroke: #59636e; fill: none; stroke-width: 1.5; }
.zero { stroke: #59636e; stroke-dasharray: 4 3; }
.better { stroke: #1a7f37; fill: #1a7f37; }
.worse { stroke: #cf222e; fill: #cf222e; }
.open { stroke: #59636e; fill: #59636e; }
.bar { stroke-width: 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .note { fill: #9198a1; }
  .paper { fill: #0d1117; }
  .box { fill: #151b23; stroke: #656c76; }
  .kept { fill: #12263f; stroke: #4493f8; }
  .line, .zero { stroke: #9198a1; }
  .better { stroke: #3fb950; fill: #3fb950; }
  .worse { stroke: #f85149; fill: #f85149; }
  .open { stroke: #9198a1; fill: #9198a1; }
}
"""
ARROW = (
    '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0L8 4L0 8z" fill="#59636e"/></marker>'
)

WAY = (
    ("Experiment", "prompts × models × cases × repeats", ""),
    ("Request", "the prompt with the case's values, the parameters, the budget's consent", ""),
    ("Journal: is it there?", "yes: the answer is reused, nothing is spent", "kept"),
    ("Endpoint", "retries, limits, one bad call stays one bad call", ""),
    ("Journal: kept", "synced to disk before anything else sees it", "kept"),
    ("Scores", "rules at once, judges through the same journal and budget", ""),
    ("Frame", "one row for each variant, case and repeat", ""),
    ("Verdict", "case by case: better, worse, no worse, undecided", ""),
    ("MLflow, grid, report", "the same frame, recorded and shown", "kept"),
)
KEY = (
    ("The provider's name", "openai, lab: never the host, never the key", ""),
    ("+ the request as sent", "model, messages, parameters, tools, schema", ""),
    ("+ the number of the repeat", "so that repeats are answers of their own", ""),
    ("= the key of an answer", "same key: reused · anything changed: a new call", "kept"),
)
VERDICTS = (
    ("better", 0.10, 0.04, 0.16, "better", "the interval excludes zero"),
    ("worse", -0.10, -0.16, -0.04, "worse", "the same on the other side"),
    ("no worse", 0.00, -0.018, 0.03, "better", "the lower bound is within the margin"),
    ("undecided", 0.03, -0.06, 0.12, "open", "these cases fit either"),
)
TREE = (
    (0, "Experiment review-sentiment", "MLflow's experiment, one for each of pex's"),
    (1, "Run 28 Nov 17:30 · 2 prompts × 40", "verdict, report, table, prompts, cases"),
    (2, "Child run short", "parameters, score with interval, cost, latency"),
    (2, "Child run strict", "the same, and the difference from short"),
    (1, "Traces", "each case with what was sent, answered, scored"),
    (1, "Dataset", "the cases"),
    (0, "Experiment review-sentiment (scratch)", "what you tried in a Playground or a cell"),
    (0, "Prompts", "the library: versions and aliases, only what you saved"),
)


def pictures() -> dict[str, str]:
    """Each picture by its name."""
    return {
        "way-of-an-answer.svg": _flow("The way of an answer", WAY),
        "key-of-an-answer.svg": _flow("The key of an answer in the journal", KEY),
        "verdicts.svg": _verdicts(),
        "in-mlflow.svg": _tree(),
    }


def _svg(title: str, height: int, parts: list[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f"<defs>{ARROW}</defs>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'


def _flow(title: str, steps: tuple[tuple[str, str, str], ...]) -> str:
    parts = []
    for number, (name, note, kind) in enumerate(steps):
        y = 12 + number * ROW
        parts += [
            f'<rect class="{kind or "box"}" x="{LEFT}" y="{y}" width="{WIDTH - 2 * LEFT}" '
            f'height="{BOX}" rx="6"/>',
            _text(LEFT + 14, y + 19, name, "name"),
            _text(LEFT + 14, y + 36, note, "note"),
        ]
        if number:
            parts.append(
                f'<path class="line" marker-end="url(#a)" '
                f'd="M{WIDTH / 2} {y - ROW + BOX}V{y - 2}"/>'
            )
    return _svg(title, 12 + len(steps) * ROW - ROW + BOX + 12, parts)


def _verdicts() -> str:
    def at(value: float) -> float:
        return 330 + value * 900

    bottom = 40 + len(VERDICTS) * 48
    parts = [
        _text(at(0), 20, "the same", "note", "middle"),
        f'<path class="zero" d="M{at(0)} 28V{bottom}"/>',
        f'<path class="zero" d="M{at(-0.02)} 28V{bottom}"/>',
        _text(at(-0.025), bottom + 16, "−margin", "note", "end"),
        _text(at(-0.16), 20, "← B is worse", "note", "middle"),
        _text(at(0.16), 20, "B is better →", "note", "middle"),
    ]
    for number, (name, middle, low, high, style, why) in enumerate(VERDICTS):
        y = 52 + number * 48
        parts += [
            _text(20, y + 5, name, "name"),
            _text(20, y + 22, why, "note"),
            f'<path class="{style} bar" d="M{at(low)} {y}H{at(high)}"/>',
            f'<circle class="{style}" cx="{at(middle)}" cy="{y}" r="5"/>',
        ]
    return _svg("The verdicts, as intervals of the difference", bottom + 28, parts)


def _tree() -> str:
    parts = []
    for number, (depth, name, note) in enumerate(TREE):
        y = 14 + number * 48
        x = 20 + depth * 34
        kind = "kept" if depth == 0 else "box"
        parts += [
            f'<rect class="{kind}" x="{x}" y="{y}" width="{WIDTH - 20 - x}" height="40" rx="6"/>',
            _text(x + 12, y + 17, name, "name"),
            _text(x + 12, y + 33, note, "note"),
        ]
    return _svg("What is where in MLflow", 14 + len(TREE) * 48 + 4, parts)


def main() -> None:
    """Write the pictures."""
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
