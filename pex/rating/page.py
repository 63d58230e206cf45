"""The rating as one HTML file for raters without Jupyter: same view, same keys, nothing fetched.

The file has cases and answers but no names of variants, so even a curious rater cannot look them
up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import clean
from pex.rating.form import PAIRS, Form
from pex.rating.order import Answer, Pair, presentation_order
from pex.rating.widget import pair_for_view, start_texts
from pex.report.script_page import script_page
from pex.widgets import shared

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "pex ratings 1"
PLANS = 32
"""Orders that are in the file; a rater's name decides which one they get."""

_STYLE = """
main.pex.pex-kit { max-width: 1400px; margin: 0 auto; padding: 16px 20px; font-size: 15px; min-height: 100vh; }
#rating { font-size: 15px; }
#rating:focus-visible { outline: none; } /* keys work wherever the focus is */
h1 { font-size: 20px; margin: 0 0 8px; overflow-wrap: anywhere; }
"""  # noqa: E501 - a style sheet


def rating_page(
    frame: pd.DataFrame,
    pairs: Sequence[Pair | Answer],
    reasons: Sequence[str],
    seed: int,
    about: dict[str, Any],
    instructions: str,
    form: Form = PAIRS,
) -> str:
    """The text of the file.

    Args:
        frame: the long frame.
        pairs: the pairs to rate.
        reasons: the tags.
        seed: of the orders.
        about: experiment and run_id, which come back in the raters' files.
        instructions: the task, and what makes an answer better.
        form: what a rater is asked, and the choices.
    """
    ids = "".join(pair.id for pair in pairs)
    number_of = {pair.id: number for number, pair in enumerate(pairs)}
    plans = [
        [
            number_of[shown.pair.id] * 4 + shown.swapped * 2 + shown.second_look
            for shown in presentation_order(pairs, f"page {plan}", seed)
        ]
        for plan in range(PLANS)
    ]
    kept = (
        "Your ratings stay in this browser, so a reload loses nothing. Nothing is sent anywhere: "
        "'Save my ratings' makes a file that you send back yourself."
    )
    title = str(about["experiment"])
    data = {
        **about,
        "format": FORMAT,
        "page": hashlib.sha256((ids + "".join(form.names)).encode()).hexdigest()[:12],
        "begin": start_texts(title, instructions, pairs, reasons, "", kept, form),
        "pairs": [{"id": pair.id, **pair_for_view(frame, pair)} for pair in pairs],
        "plans": plans,
    }
    question = form.question[0].lower() + form.question[1:]
    return script_page(
        f"{clean(title)}: blind rating",
        f"{clean(title)}: {question}",
        '<div id="rating"></div>',
        shared.styles("rating/rating") + _STYLE,
        shared.script("rating/page"),
        data,
    )
