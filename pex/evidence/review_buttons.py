"""A review in a notebook: what is asked, what changed, and two buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.report.safe_html import escaped
from pex.report.theme import style

if TYPE_CHECKING:
    from pex.evidence.reviews import Review


def show(review: Review) -> None:
    """Show a review; the buttons are there while it is open."""
    from IPython.display import HTML, display

    display(HTML(review._repr_html_() + _page(review)))
    if review.decision is None:
        display(buttons(review))


def buttons(review: Review) -> Any:
    """A field for a reason and the buttons Accept and Refuse."""
    import ipywidgets

    because = ipywidgets.Text(placeholder="why (needed for a refusal)", description="Because")
    accept = ipywidgets.Button(description="Accept", button_style="success")
    refuse = ipywidgets.Button(description="Refuse")
    said = ipywidgets.HTML()

    def decide(button: Any) -> None:
        try:
            if button is accept:
                text = review.accept(because.value).sentence
            else:
                text = review.refuse(because.value).sentence
        except PexError as error:
            said.value = f"<p>{escaped(str(error))}</p>"
            return
        said.value = f"<p><strong>{escaped(text)}</strong></p>"
        accept.disabled = refuse.disabled = because.disabled = True

    accept.on_click(decide)
    refuse.on_click(decide)
    return ipywidgets.VBox([because, ipywidgets.HBox([accept, refuse]), said])


def _page(review: Review) -> str:
    """The contents of its page, made anew: the file in the project is not trusted to be HTML."""
    from pex.evidence.review_page import STYLE, review_body
    from pex.evidence.reviews import material

    try:
        body = review_body(review.request, *material(review))
    except PexError as error:
        return f"<p>What changes cannot be shown: {escaped(error.message)}</p>"
    return f'<style>{style()}{STYLE}</style><div class="pex pex-review">{body}</div>'
