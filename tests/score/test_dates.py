"""Dates in the usual ways of writing; one with two readings is never guessed."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.score.dates import Moment, read_date

FORMS = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%a, %d %b %Y",
         "%d-%b-%Y", "%A, %B %d, %Y", "%Y-%m-%dT00:00:00Z"]  # fmt: skip


@settings(max_examples=40)
@given(st.dates(), st.sampled_from(FORMS))
def test_what_is_written_in_a_usual_form_is_read(day: datetime.date, form: str) -> None:
    written = day.strftime(form.replace("%Y", f"{day.year:04d}"))
    assert getattr(read_date(written), "day", None) == day, written


@settings(max_examples=60)
@given(st.dates(), st.sampled_from("/-"))
def test_a_day_that_can_be_a_month_is_not_guessed(day: datetime.date, mark: str) -> None:
    written = f"{day.day}{mark}{day.month}{day.year:04d}".replace(
        f"{day.month}{day.year:04d}", f"{day.month}{mark}{day.year:04d}"
    )
    found = read_date(written)
    assert isinstance(found, Moment) == (day.day > 12 or day.day == day.month), found
    assert getattr(read_date(written, day_first=True), "day", None) == day


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    read_date(text)
    read_date(f"{text} 2024")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1er août 2023", "2023-08-01"),
        ("1 de mayo de 2024", "2024-05-01"),
        ("Mittwoch, 1. Mai 2024", "2024-05-01"),
        ("2024年5月1日", "2024-05-01"),
        ("1.5.24", "2024-05-01"),
        ("May 1st 2024 at 3:05 pm", "2024-05-01T15:05:00"),
        ("2024-05-01T10:00:00.123+02:00", "2024-05-01T10:00:00+02:00"),
        ("31.02.2024", "is not read as a date: there is no such day"),
        ("12 Foo 2024", "is not read as a date: 'Foo' is not a month"),
        ("2024-05-01 25:00", "has a time that does not exist"),
        ("24-05-01", "is 2001-05-24 or 2024-05-01: the year needs four digits"),
        ("01/05/2024", "is 2024-05-01 or 2024-01-05: day_first: true or false decides"),
    ],
)
def test_readings(text: str, wanted: str) -> None:
    assert str(read_date(text)) == wanted
