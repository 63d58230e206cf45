"""A form as one HTML file: it works without a network, and saves what was typed as a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pex.core.safe_text import clean
from pex.report.script_page import script_page
from pex.widgets import shared

FORMAT = "pex form 1"


def form_page(form: Mapping[str, Any]) -> str:
    """The text of the page.

    Args:
        form: the fields of a `pex.evidence.form.table.Form`, as plain data.
    """
    data = {"format": FORMAT, **form}
    parts = [form[name] for name in ("experiment", "run_id", "kind", "rows", "columns")]
    said = json.dumps(parts)
    data["page"] = hashlib.sha256(said.encode()).hexdigest()[:12]
    return script_page(
        clean(str(form["title"])),
        clean(str(form["title"])),
        '<div id="form"></div>',
        shared.styles("evidence/form/form"),
        shared.script("evidence/form/form"),
        data,
    )
