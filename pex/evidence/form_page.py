"""A form as one HTML file: it works without a network, and saves what was typed as a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from pex.core.safe_text import clean
from pex.report.script_page import script_page
from pex.widgets import shared

if TYPE_CHECKING:
    from pex.evidence.form_table import Form

FORMAT = "pex form 1"


def form_page(form: Form) -> str:
    """The text of the page."""
    data = {"format": FORMAT, **dataclasses.asdict(form)}
    said = json.dumps([form.experiment, form.run_id, form.kind, data["rows"], data["columns"]])
    data["page"] = hashlib.sha256(said.encode()).hexdigest()[:12]
    return script_page(
        clean(form.title),
        clean(form.title),
        '<div id="form"></div>',
        shared.styles("evidence/form"),
        shared.script("evidence/form"),
        data,
    )
