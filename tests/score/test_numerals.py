"""The value of a number and not a piece of it, in the many ways in which numbers are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.cases import Case
from pex.score.build import build
from pex.score.number import find_number
from pex.score.numerals import Numeral, as_typed, numerals
from tests.helpers.scores import score, value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        # fractions
        ("3/4", 0.75), ("about 3/4 cup", 0.75), ("3 / 4", 0.75), ("1 1/2", 1.5), ("2-1/2 in", 2.5),
        ("1 and 1/2", 1.5), ("½", 0.5), ("1½", 1.5), ("1 ½ cups", 1.5), ("3⁄4", 0.75),
        ("-3/4", -0.75), ("-1 1/2", -1.5), ("1,000/8", 125), ("12/4 = 3", 3), ("5/0", None),
        ("km/h 60", 60), ("60 km/h", 60), ("2⅔", 8 / 3),
        # powers
        ("1.2e-3", 0.0012), ("1.2E+5", 120000), ("1.2×10^3", 1200), ("1.2 x 10^3", 1200),
        ("1.2 * 10**3", 1200), ("6.02·10²³", 6.02e23), ("10^6", 1e6), ("10⁻³", 0.001),
        ("2^10", 1024), ("10**-2", 0.01), ("2 × 10^−3", 0.002), ("5 m^2", 5), ("x^2", None),
        ("5 cm² ", 5), ("9^999999999", None), ("1 x 10^999", None), ("25 m2", 25), ("4 × 10", 10),
        # LaTeX
        (r"\boxed{42}", 42), (r"so \boxed{\frac{3}{4}} of 8", 0.75), (r"\frac{3}{4}", 0.75),
        (r"$\dfrac{1}{8}$", 0.125), (r"1\frac{1}{2}", 1.5), (r"-\frac{1}{2}", -0.5),
        (r"\frac34", 0.75), ("1{,}234", 1234), ("$1{,}234$", 1234), (r"1\,234\,567", 1234567),
        (r"\$1,234.50", 1234.5), (r"42\%", 42), (r"1.2\times10^{3}", 1200), (r"42^\circ", 42),
        (r"\boxed{12\text{ cm}}", 12), (r"$x = 5$", 5), (r"2\cdot 10^{-3}", 0.002),
        (r"\sqrt{2}", None), ("3√2", None), ("2π", None), (r"\frac{\pi}{2}", None),
        (r"\boxed{3} and 7 more", 3), (r"\(7\)", 7),
        (r"\cfrac{1}{2}", 0.5), (r"\nicefrac34", 0.75), (r"\sqrt[3]{8}", None),
        (r"\frac{1}{2}\pi", None), ("10 ^ 6", 1e6), ("1.5 × 10 ^ 6", 1.5e6), ("2 ** 3", 8),
        ("5 **3**", 3),
        # scales
        ("1.2k", 1200), ("3M", 3e6), ("4bn", 4e9), ("$2.5B", 2.5e9), ("5 million", 5e6),
        ("1.5 billion people", 1.5e9), ("3 Mio.", 3e6), ("2 hundred thousand", 200000),
        ("2,5 Millionen", 2.5e6), ("7 thousand", 7000), ("3万", 30000), ("1.5亿元", 1.5e8),
        ("5 lakh", 500000), ("5 kg", 5), ("5kg", 5), ("20 km", 20), ("300 K", 300), ("5 m", 5),
        ("8 MB", 8), ("8MB", 8), ("10k-15k", 15000), ("-1.5k", -1500), ("½ million", 500000),
        # separators
        ("1\u2009234\u2009567", 1234567), ("12\u202f345,6", 12345.6), ("1,23,45,678", 12345678),
        ("１，２３４", 1234), ("٣٫٥", 3.5), ("٣٬٠٠٠", 3000), ("−1.234,5", -1234.5),
        ("–7 °C", -7), ("5–7", 7), ("minus 5", -5), ("negative 3.5", -3.5), ("10 minus 4", 4),
        ("EUR12", 12), ("12.-", 12), ("99.9%", 99.9), ("yes,5", 5),
        # what is no number
        ("2024-05-01", None), ("on 2024-05-01T12:30:00Z", None), ("01.05.2024", None),
        ("1.5.24", None), ("5/1/2024", None), ("2024/05/01", None), ("2024-05", None),
        ("May 1, 2024", None), ("1 May 2024", None), ("the 1st of May 2024", None),
        ("12:30", None), ("12:30:45.5", None), ("at 9:05 pm", None), ("3:1", None),
        ("1.2.3", None), ("v2.0.1", None), ("version 10.4.2-beta", None), ("192.168.1.1", None),
        ("10.0.0.0/8", None), ("192.168.100.200", None), ("+49 30 1234567", None),
        ("+1 (555) 123-4567", None), ("555-123-4567", None), ("(555) 123-4567", None),
        ("030 1234567", None), ("+44 20 7946 0958", None), ("555-0199", None),
        ("(030) 1234567", None), ("5 pm", None), ("7.30 p.m.", None), ("3 Tsd. Euro", 3000),
        ("I am 5", 5),
        ("978-3-16-148410-0", None), ("550e8400-e29b-41d4-a716-446655440000", None),
        ("4111 1111 1111 1111", None), ("1920x1080", None), ("12ab34", None), ("0x1F", None),
        ("1h 30m", None), ("1 hour and 30 minutes", None), ("12h30", None), ("2 min 5 s", None),
        ("5'10\"", None), ("5 ft 10 in", None), ("6 feet, 2 inches", None), ("3 lb 4 oz", None),
        ("40° 26′ 46″", None), ("5 o'clock", None), ("14.30 Uhr", None), ("um 14 Uhr", None),
        ("1011_2", None), (r"$1011_{2}$", None), ("3 hours, 5 apples", 5), ("2 h", 2),
        ("90 min", 90), ("5 ft", 5), ("40°", 40), ("1h 30m, so 90 minutes", 90), ("3 m 20 cm", 20),
        ("https://a.org/3/4", None), ("2023/24", None),
        ("5. Mai 2024", None), ("1er janvier 2024", None), ("5 de mayo de 2024", None),
        ("01-May-2024", None), ("1-Dec-24", None), ("2024-W05", None), ("2024年5月1日", None),
        ("5月1日", None), ("2024년 5월 1일", None), ("10時30分", None), ("于12:30开始", None),
        ("+1-555-123-4567", None), ("+15551234567", None), ("555 123 4567", None),
        # beside scripts without spaces
        ("第3", 3), ("共5个", 5), ("答えは42です", 42), ("3人4个", 4), ("약 1,234원", 1234),
        ("มี5คน", 5), ("气温-5度", -5), ("约3/4杯", 0.75), ("5万人", 50000), ("室B2", None),
        # what stands beside them
        ("42, on 2024-05-01", 42), ("42 at 12:30", 42), ("It took 7 (1.2.3)", 7),
        ("a 5-year-old", 5), ("the 3rd", 3), ("10-12", 12), ("in May 1990", 1990),
        ("2020 2021 2022", 2022), ("10, 20 and 30", 30), ("+1,234", 1234), ("+5", 5),
        ("Call 555-123-4567 for 3 days", 3), ("Section 3.1", 3.1),
        # which one counts
        ("The answer is 5. I used 2 apples.", 5), ("Answer: 12\n\nThere were 3 steps.", 12),
        ("**Answer:** 1,200 (3 × 400)", 1200), ("**Final answer**: $7", 7), ("#### 72\n(2)", 72),
        ("#### 2. Multiply\n3 × 4 = 12", 12), ("The answer is 3 + 4 = 7. Step 2", 7),
        ("Answer: x = -4, from step 2", -4), ("The answer is about 10 of 12", 10),
        ("The answer is simple: 2 and 3 make 5", 5), ("The answer is not 5 but 6", 6),
        ("Answer: 3\nWait, no.\nAnswer: 4 (2 tries)", 4), ('{"answer": 5, "steps": 2}', 5),
        ("Antwort: 3,5 aus 2 Schritten", 3.5),
    ],
)  # fmt: skip
def test_the_value_and_not_a_piece_of_it(text: str, number: float | None) -> None:
    found = find_number(text)
    assert found == (number if number is None else pytest.approx(number, rel=1e-12))


def _grouped(digits: str, separator: str, sizes: tuple[int, ...] = (3,)) -> str:
    parts, step = [], 0
    while digits:
        size = sizes[min(step, len(sizes) - 1)]
        parts.append(digits[-size:])
        digits, step = digits[:-size], step + 1
    return separator.join(reversed(parts))


LOCALES = {
    "plain": ("", ".", (3,)), "en": (",", ".", (3,)), "de": (".", ",", (3,)),
    "fr": ("\u202f", ",", (3,)), "sv": ("\u00a0", ",", (3,)), "ch": ("’", ".", (3,)),
    "si": ("\u2009", ".", (3,)), "space": (" ", ",", (3,)), "in": (",", ".", (3, 2)),
    "python": ("_", ".", (3,)),
}  # fmt: skip


@given(
    whole=st.integers(0, 10**12),
    decimals=st.one_of(
        st.just(""), st.from_regex(r"\A[0-9]{1,2}\Z"), st.from_regex(r"\A[0-9]{4}\Z")
    ),
    negative=st.booleans(),
    locale=st.sampled_from(sorted(LOCALES)),
    around=st.sampled_from(["{}", "It is {}.", "**{}**", "{} €", "${}", "= {} kg", "({})", "{},"]),
)
def test_what_is_written_in_any_locale_is_read(
    whole: int, decimals: str, negative: bool, locale: str, around: str
) -> None:
    decimals = decimals.strip()
    separator, point, sizes = LOCALES[locale]
    text = "-" * negative + _grouped(str(whole), separator, sizes)
    text += point + decimals if decimals else ""
    (found,) = numerals(as_typed(around.format(text)))
    assert isinstance(found, Numeral), found
    wanted = float(f"{'-' * negative}{whole}.{decimals or 0}")
    assert wanted in {
        float(found.value),
        float(found.value if found.other is None else found.other),
    }


def test_both_readings_of_one_separator_count_in_an_answer() -> None:
    assert find_number("1,234") == 1234
    assert find_number("1.234") == 1.234
    assert value("number", "1.234", 1234) is True
    assert value("number", "1,234", 1.234) is True
    assert value("number", "1.234 Stück", "1234") is True
    assert value("number", "1234", 1.234) is False
    assert value("number", "1.2345", 12345) is False
    assert score("number", "1.234", 5)["number"].reason == "reads 1.234, expected 5"


def test_large_whole_numbers_are_compared_exactly() -> None:
    assert value("number", "9007199254740993", 9007199254740993) is True
    assert value("number", "9007199254740993", 9007199254740992) is False
    assert value("number", "9,007,199,254,740,993", "9007199254740993") is True
    assert value("number", "1/3", 1 / 3) is True


@pytest.mark.parametrize(
    "expected",
    [
        "2024-05-01",
        "12:30",
        "1.2.3",
        "3 or 4",
        "5, on 2024-05-01",
        "B2",
        "",
        "n/a",
        [1, 2],
        {"a": "x"},
    ],
)
def test_an_expected_value_that_is_not_one_number_is_refused(expected: Any) -> None:
    with pytest.raises(pex.PexError, match=r"case 'b' expects"):
        build(["number"], [Case("a", {}, 1), Case("b", {}, expected)])


@pytest.mark.parametrize(
    "expected", ["$1,234", "42 apples", "3/4", "12 + 30 = 42\n#### 42", "5 million", 3.5]
)
def test_an_expected_value_that_is_one_number_is_taken(expected: Any) -> None:
    assert build(["number"], [Case("a", {}, expected)])


def test_the_reason_says_what_was_not_read() -> None:
    assert score("number", "On 2024-05-01.", 1)["number"].reason == (
        "no number in the answer: '2024-05-01' is not read as one"
    )


@pytest.mark.parametrize(
    "piece",
    ["1,11", "1.", "1-1", "a-1-", "1/", r"\frac{", r"\boxed{", "answer is ", "#### ", "1^", "1√",
     "{,}", "1 hundred ", "+1 ", "minus ", "1:", "½", "$", "1e", " ", "https://"],
)  # fmt: skip
def test_a_hostile_answer_is_read_in_steps_that_grow_with_its_length(piece: str) -> None:
    # Nothing is timed: a pattern that backtracks would not end within the test's time-out.
    find_number(piece * 20_000)
