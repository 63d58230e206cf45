"""Labels that are single letters: the letter that is meant, and not the word that looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.scores import score, value

FOUR = ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ("B", "B"), ("b", "B"), ("B.", "B"), ("b.", "B"), ("(B)", "B"), ("(b)", "B"), ("B)", "B"),
        ("b)", "B"), ("[B]", "B"), ("**B**", "B"), ("__B__", "B"), ("*b*", "B"), ("`B`", "B"),
        ('"B"', "B"), ("'B'", "B"), ("B:", "B"), (" B \n", "B"), ("a", "A"), ("A", "A"),
        ("Answer: B", "B"), ("answer: b", "B"), ("**Answer:** B", "B"), ("**Answer: B**", "B"),
        ("The answer is B", "B"), ("The answer is B.", "B"), ("the answer is b.", "B"),
        ("The correct answer is (C).", "C"), ("The answer is option D.", "D"), ("Option B", "B"),
        ("option b", "B"), ("Option A describes it.", "A"), ("I choose B.", "B"),
        ("I'd say D", "D"),
        (r"\boxed{C}", "C"), (r"\boxed{\text{C}}", "C"), (r"$\boxed{(c)}$", "C"),
        ("Final answer: **A**", "A"), ("Antwort: C", "C"), ("Ответ: B", "B"),
        ("B, because a whale is a mammal", "B"), ("B because A is wrong", "B"),
        ("B - because C is a fish", "B"), ("B\n\nA is wrong: it is a fish.", "B"),
        ("A is wrong, and so is C.\n\nAnswer: B", "B"), ("A whale is a mammal: C", "C"),
        ("A because it is a mammal", "A"), ("A is correct", "A"), ("A, since it swims", "A"),
        ("A. It is a mammal.", "A"), ("A) Whale", "A"), ("(A) a whale", "A"), ("B: a whale", "B"),
        ("I think it is A.", "A"), ("I think A", "A"), ("I'm sure it's D", "D"),
        ("It is a whale.", None), ("A whale is a mammal.", None), ("a whale", None),
        ("A WHALE", None), ("an A-level question", None), ("A.I. says so", None), ("Q&A", None),
        ("D'accord", None), ("C++", None), ("C#", None), ("", None), ("whale", None), ("AB", None),
        ("A's", None), ("vitamin b12", None), ("The answer is a whale.", None),
        ("The answer is A whale", None), ("e.g. a fish", None),
        ("A or B?", "A B"), ("A, B", "A B"), ("A/B", "A B"), ("A and C", "A C"),
        ("Answer: A and B", "A B"), ("The answer is A or B.", "A B"), ("Answer: A/C", "A C"),
        ("**Answer:** A, B and C", "A B C"), ("Answer: B, A is wrong", "B"),
        ("Answer: B, A whale is not one.", "B"), ("Answer: B and A is wrong", "B"),
        ("Correct option: B. A is a fish.", "B"), ("Option: a", "A"), ("Solution: C, not A", "C"),
        ("The correct letter is C. A is wrong.", "C"), ("Grade: A", "A"),
        ("Verdict: B (not A)", "B"),
        ("a) and c)", "A C"), ("a, c", "A C"), ("answer: b, d", "B D"), ("a, a whale", "A"),
        ("A B", "A B"), ("A B C", "A B C"), ("A D-shaped one", None), ("N/A", None),
        ("Ⓑ", "B"), ("𝐁", "B"), ("답은 B입니다", "B"), ("คำตอบคือBครับ", "B"),
        ("A) Whale\nB) Fish", "A B"), ("Answer: A\nAnswer: B", "A B"), ("not A, but B", "A B"),
        ('{"answer": "b"}', "B"), ('{"why": "A whale is a mammal", "answer": "B"}', "B"),
        ('{"answer": "B", "why": "A is a fish"}', "B"), ('["A", "B"]', "A B"),
        ('```json\n{"answer": "C"}\n```', "C"),
        ("В", "B"), ("А)", "A"), ("Ответ: С", "C"), ("Β", "B"), ("Ｂ", "B"),
        ("答案是B。", "B"), ("选Ｃ", "C"), ("答案：A，因为B是鱼", "A"),
    ],
)  # fmt: skip
def test_which_letter_is_named(output: str, named: str | None) -> None:
    reason = score("label", output, "B", labels=FOUR)["label"].reason
    if named is None:
        assert reason == "names none of the 4 labels"
    else:
        assert reason == "names " + " and ".join(f"'{letter}'" for letter in named.split())


@pytest.mark.parametrize(
    ("output", "expected", "others", "right"),
    [
        ("I", "I", ["II", "III"], True),
        ("Option II", "I", ["II", "III"], False),
        ("I think II", "II", ["I", "III"], True),
        ("Y", "Y", ["N"], True),
        ("n", "N", ["Y"], True),
        ("T", "T", ["F"], True),
        ("A+", "A+", ["A", "B"], True),
        ("A", "A+", ["A", "B"], False),
        ("None of them", "none", ["A", "B"], True),
        ("А", "А", ["Б", "В", "Г"], True),
        ("В океане живёт кит: Б", "Б", ["А", "В", "Г"], True),
        ("A", "А", ["Б", "В"], True),
        ("b", "b", ["a", "c"], True),
        ("B", "b", ["a", "c"], True),
        ("it is a b.", "b", ["a", "c"], False),
        ("是", "是", ["否"], True),
        ("3", "3", ["1", "2"], True),
    ],
)
def test_letters_of_other_kinds(output: str, expected: Any, others: list, right: bool) -> None:
    assert value("label", output, expected, labels=others) is right


@pytest.mark.parametrize(
    "piece",
    ["A ", "answer: ", "answer: A, ", "option: ", "(a", "_A_", "A\n", r"\boxed{", "I think "],
)
def test_a_hostile_answer_with_letters(piece: str) -> None:
    score("label", piece * 20_000, "B", labels=FOUR)
