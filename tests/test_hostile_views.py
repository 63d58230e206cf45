"""Views of what models, users and other tools said, in a browser: nothing in them runs or loads."""

import dataclasses
import json

import pytest

from pex.compare.attacks import ALL, attack_rates
from pex.guard.output_check import check_output
from pex.importers.recorded import import_results
from pex.incidents.overview import overview
from pex.lessons.lesson import Lesson, Try
from pex.lessons.lesson import seen as guard_saw
from pex.redteam.building import attack
from pex.redteam.measure import Measured
from pex.results.results import Results
from tests.helpers.attacked import about_of, frame_of, reviews
from tests.helpers.browser import page

HOST = "http://hostile.invalid"
EVIL = (
    f"</pre></title></style></text><img src={HOST}/a.png onerror='window.PWNED=1'>"
    f"<script>window.PWNED=1</script><svg onload='window.PWNED=1'><a href='javascript:x'>\u202e"
    f"![i]({HOST}/i.png) \x1b[2J"
)


def redteam_report(folder):
    attacked = attack(reviews(), per_category=1)
    frame = frame_of(attacked, lambda case: EVIL)
    frame["variant"] = EVIL
    about = about_of(attacked.experiment, frame, purpose=EVIL, note=EVIL)
    named = [dataclasses.replace(item, name=EVIL) for item in about.variants]
    about = dataclasses.replace(about, variants=named)
    return Results(frame, about).page()


def rates_in_a_notebook(folder):
    attacked = attack(reviews(), per_category=1)
    frame = frame_of(attacked, lambda case: EVIL)
    rows = attack_rates(frame, about_of(attacked.experiment, frame))
    named = [
        dataclasses.replace(row, variant=EVIL, category=ALL if row.category == ALL else EVIL)
        for row in rows
    ]
    return Measured(named)._repr_html_()


def imported_report(folder):
    text = f'<img src=x onerror="window.PWNED=1">{HOST}'
    path = folder / "<img src=x onerror=window.PWNED=1>.jsonl"
    lines = [
        {"entry_type": "init", "garak_version": EVIL, "start_time": EVIL},
        {"entry_type": "start_run setup", "plugins.target_type": text, "plugins.target_name": EVIL},
        {"entry_type": "attempt", "uuid": "u", "status": 2, "probe_classname": EVIL,
         "prompt": f"{EVIL}\u2028{EVIL}", "outputs": [EVIL], "detector_results": {EVIL: [1.0]}},
    ]  # fmt: skip
    # As garak writes it: a line separator of Unicode is not the end of a line.
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    return import_results(path, record=False).page()


def incidents_page(folder):
    (folder / "incidents").mkdir()
    record = f'---\ntitle: "{EVIL[:-4]}"\nseverity: 1\ncase: "{EVIL[:-4]}"\n---\n## Timeline\n- '
    (folder / "incidents" / "a.md").write_text(record + EVIL)
    (folder / "incidents" / "b <img src=x onerror=window.PWNED=1>.md").write_text(EVIL)
    return overview(folder).html()


class HostileLesson(Lesson):
    goal = EVIL

    def play(self, values):
        return Try(EVIL, EVIL, True, EVIL)


def lesson_table(folder):
    lesson = HostileLesson()
    said = guard_saw(check_output(EVIL).findings)
    lesson.tries.append(Try(EVIL, EVIL, True, EVIL, seen=(*said, EVIL)))
    return lesson.table() + lesson.number()._repr_html_()


def preview_with_flagged_cases(folder):
    exp = reviews()
    exp = exp.drafted(exp.variants, [
        dataclasses.replace(case, id=f"{case.id}{EVIL}", inputs={"review": EVIL})
        for case in exp.cases
    ])  # fmt: skip
    preview = exp.preview(journal="off")
    assert preview.flagged
    return preview._repr_html_()


VIEWS = [
    redteam_report, rates_in_a_notebook, imported_report, incidents_page, lesson_table,
    preview_with_flagged_cases,
]  # fmt: skip


@pytest.mark.browser
def test_nothing_hostile_runs_or_loads_in_a_view(project):
    with page() as tab:
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        for view in VIEWS:
            html = view(project)
            path = project / "view.html"
            path.write_text(html if "<html" in html else f"<!doctype html><body>{html}")
            asked.clear()
            tab.goto(path.as_uri())
            tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
            assert tab.evaluate("window.PWNED") is None, view.__name__
            assert asked == [path.as_uri()], view.__name__
            assert "onerror=" in tab.locator("body").inner_text(), "it is there, as text"
            assert "\u202e" not in html, view.__name__
            assert tab.locator("a[href^='javascript']").count() == 0, view.__name__
