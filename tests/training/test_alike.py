"""Which texts are like others: the quick first looks leave out nothing that is alike."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from pex.training import alike
from pex.training.alike import HeldOutTexts, SeenTexts, shared_keys, text_keys


def _texts(count: int, words: int, seed: int = 3) -> list[str]:
    dice = random.Random(seed)
    known = ["".join(dice.choices("aeioulmnrst", k=dice.randint(2, 8))) for _ in range(400)]
    return [" ".join(dice.choices(known, k=words)) for _ in range(count)]


def _edited(text: str, dice: random.Random) -> str:
    letters = list(text)
    for _ in range(len(text) // 40):
        letters[dice.randrange(len(letters))] = dice.choice("xyz ")
    return "".join(letters)


@pytest.mark.parametrize("words", [12, 55, 400])
def test_a_first_look_at_fewer_buckets_finds_what_the_whole_look_finds(
    words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(words)
    texts = _texts(60, words)
    held = [_edited(text, dice) for text in texts[:20]]
    quick = HeldOutTexts(held).find(texts)
    assert sum(match is not None for match in quick) >= 18
    monkeypatch.setattr(alike, "_MOST_FOLDED", 0)
    assert HeldOutTexts(held).find(texts) == quick


def test_each_text_that_is_like_an_earlier_one_names_it() -> None:
    dice = random.Random(5)
    texts = _texts(40, 30)
    texts += [_edited(text, dice) for text in texts]
    exact, keys = text_keys(texts)
    seen = SeenTexts(shared_keys(keys))
    found = [seen.add(at, exact[at], lambda at=at: texts[at]) for at in range(len(texts))]  # type: ignore[misc]
    assert found == [None] * 40 + list(range(40))


def test_of_texts_that_are_like_no_other_little_is_remembered() -> None:
    dice = random.Random(9)
    texts = ["".join(map(chr, dice.choices(range(97, 3000), k=300))) for _ in range(1000)]
    exact, keys = text_keys(texts)
    shared = shared_keys(keys)
    tracemalloc.start()
    try:
        seen = SeenTexts(shared)
        for at, text in enumerate(texts):
            seen.add(at, exact[at], lambda text=text: text)  # type: ignore[misc]
        assert tracemalloc.get_traced_memory()[0] < sum(map(len, texts)) / 2
    finally:
        tracemalloc.stop()
