"""The columns of cases that a red-team run has besides the experiment's own inputs."""

from __future__ import annotations

ATTACK, TWIN, PLAIN = "attack", "twin", "plain"
"""Kinds of cases: an attack, its harmless twin, the case that carries them as it is."""
KIND, CATEGORY, ID, FORM = "redteam_kind", "redteam_category", "redteam_id", "redteam_form"
GOAL, SOUGHT, MARKER, TEXT = "redteam_goal", "redteam_sought", "redteam_marker", "redteam_text"
DONE, CARRIER, QUESTION = "redteam_done", "redteam_case", "redteam_question"
ALL_COLUMNS = (KIND, CATEGORY, ID, FORM, GOAL, SOUGHT, MARKER, TEXT, DONE, CARRIER, QUESTION)
RESISTED, TASK_DONE = "resisted", "task_done"
"""The scores of a red-team run."""
NOT_JUDGED = "not judged"
"""How the reason begins where nothing could decide a score."""
BANNER = (
    "A fixed set of attacks says nothing about an attacker who adapts to your defence. "
    "A low rate here means that these attacks did not work, not that none does."
)
