"""Cron's fields against a reading that only counts."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pex
from pex.batch.schedule.cron import parse

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """A star, numbers, a range, a range with a step."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted)
    return st.one_of(
        st.just("*"),
        st.lists(number, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found))),
        span.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(span, st.integers(1, 9)).map(lambda it: f"{it[0][0]}-{it[0][1]}/{it[1]}"),
    )


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(
    " ".join
)
MOMENTS = st.datetimes(datetime.datetime(2024, 1, 1), datetime.datetime(2028, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def fits(text: str, moment: datetime.datetime) -> bool:
    """Whether a minute fits, number by number, as the manual of cron says it."""

    def one(field: str, value: int) -> bool:
        for part in field.split(","):
            span, _, step = part.partition("/")
            low, _, high = span.partition("-")
            inside = span == "*" or int(low) <= value <= int(high or low)
            if inside and (span == "*" or (value - int(low)) % int(step or 1) == 0):
                return True
        return False

    minute, hour, day, month, weekday = text.split(" ")
    today = moment.isoweekday() % 7
    in_week = one(weekday, today) or (today == 0 and one(weekday, 7))
    on_date = one(day, moment.day)
    days = on_date and in_week if "*" in (day, weekday) else on_date or in_week
    return (
        days and one(minute, moment.minute) and one(hour, moment.hour) and one(month, moment.month)
    )


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_the_next_start_is_the_first_minute_that_fits(text: str, moment: datetime.datetime) -> None:
    coming = next(parse(text).coming(moment, UTC))
    assert coming > moment
    assert fits(text, coming)
    minute = moment.replace(second=0, microsecond=0)
    # Every minute up to the start, or the first thousands of them.
    for _ in range(3000):
        minute += datetime.timedelta(minutes=1)
        if minute >= coming:
            return
        assert not fits(text, minute)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_the_latest_start_comes_right_before_the_next(text: str, moment: datetime.datetime) -> None:
    cron = parse(text)
    latest = cron.latest(moment, UTC)
    assert latest <= moment
    assert next(cron.coming(latest, UTC)) > moment
    assert next(cron.coming(latest - datetime.timedelta(seconds=1), UTC)) == latest


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_the_plain_writing_means_the_same(text: str, moment: datetime.datetime) -> None:
    cron = parse(text)
    assert parse(str(cron)) == cron
    assert fits(str(cron), moment) == fits(text, moment)


@settings(max_examples=150, deadline=None)
@given(field(0, 59), field(0, 23), field(0, 7), st.integers(-24 * 4, 24 * 4), MOMENTS)
def test_shifted_times_start_at_the_same_moments(
    minute: str, hour: str, weekday: str, quarters: int, moment: datetime.datetime
) -> None:
    text = f"{minute} {hour} * * {weekday}"
    shift = 15 * quarters
    ahead = moment + datetime.timedelta(minutes=shift)
    lines = parse(text).shifted(shift)
    assert any(fits(line, ahead) for line in lines) == fits(text, moment)
    coming = next(parse(text).coming(moment, UTC)) + datetime.timedelta(minutes=shift)
    assert any(fits(line, coming) for line in lines)


def test_a_time_that_the_clocks_leave_out_is_the_first_after_the_gap() -> None:
    spring = datetime.datetime(2026, 3, 29, 0, tzinfo=BERLIN)
    start = next(parse("30 2 * * *").coming(spring, BERLIN))
    assert start.isoformat() == "2026-03-29T03:00:00+02:00"
    assert parse("30 2 * * *").latest(start, BERLIN) == start


def test_a_time_that_the_clocks_show_twice_starts_once() -> None:
    autumn = datetime.datetime(2026, 10, 25, 0, tzinfo=BERLIN)
    starts = parse("30 2 * * *").coming(autumn, BERLIN)
    assert next(starts).isoformat() == "2026-10-25T02:30:00+02:00"
    assert next(starts).day == 26


def test_a_leap_day_may_be_eight_years_away() -> None:
    after = datetime.datetime(2096, 3, 1, tzinfo=UTC)
    assert next(parse("0 0 29 2 *").coming(after, UTC)).year == 2104


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected five fields .* got 0"),
        ("0 2 * *", "got 4\n  every night at two"),
        ("0 0 2 * * *", "got 6"),
        ("60 2 * * *", "minute 60: expected 0 to 59\n  did you mean '59'"),
        ("0 2 0 * *", "day of the month 0: expected 1 to 31\n  did you mean '1'"),
        ("0 2 * 13 *", "month 13: expected 1 to 12"),
        ("0 2 * * 8", "day of the week 8: expected 0 to 7"),
        ("0 2 * * mno", "day of the week 'mno': .*\n  did you mean 'mon'"),
        ("0 2 * janu *", "month 'janu': .*\n  did you mean 'jan'"),
        ("0 2 L * *", "day of the month 'L': expected 1 to 31"),
        ("0 -2 * * *", "hour '': expected 0 to 23"),
        ("0 2.5 * * *", "hour '2.5'"),
        ("0 22-4 * * *", "ends before it begins\n  did you mean '22-23,0-4'"),
        ("0 2 * * fri-mon", "ends before it begins"),
        ("*/0 2 * * *", "a step is a number from 1"),
        ("5/15 2 * * *", "a step needs a range\n  did you mean '5-59/15'"),
        ("0 2 30 2 *", "there is no such day: 30 Feb"),
        ("0 2 */2 * mon", "means different days to different schedulers"),
        ("@nightly", "unknown word\n  did you mean '@midnight'"),
        ("@reboot", "unknown word"),
        ("٣ 2 * * *", "minute '٣'"),
        ("0 2 * * * ; rm -rf /", "got 9"),
    ],
)
def test_wrong_times_are_named(text: str, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        parse(text)


def test_names_words_and_sundays() -> None:
    assert parse("0 2 * JAN-Mar SUN") == parse("0 2 * 1-3 7")
    assert str(parse("@weekly")) == "0 0 * * 0"
    assert str(parse(" 0\t2 * *   5-7 ")) == "0 2 * * 0,5,6"
    assert str(parse("0 2 1-31 * mon")) == "0 2 1-31 * 1"


def test_days_of_the_month_are_not_moved_over_midnight() -> None:
    assert parse("0 12 1 * *").shifted(-60) == ["0 11 1 * *"]
    with pytest.raises(pex.PexError, match="fall on another day"):
        parse("30 0 1 * *").shifted(-60)
