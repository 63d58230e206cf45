import random

import pytest

from pex.cases import near_duplicates as module
from pex.cases.near_duplicates import clusters, near_duplicates
from pex.core.errors import PexError

WORDS = [chr(97 + n % 26) * (1 + n % 3) + chr(97 + n * 7 % 26) + str(n) for n in range(400)]


def sentences(count, seed=0, size=30):
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=size)) for _ in range(count)]


def changed(text):
    parts = text.split()
    parts[len(parts) // 2] = "other"
    return " ".join(parts)


def test_both_ways_find_the_same_pairs(monkeypatch):
    texts = sentences(120)
    texts += [changed(text) for text in texts[:30]] + [texts[40].upper()]
    exact = near_duplicates(texts)
    assert {(a, b) for a, b, _ in exact} >= {(n, 120 + n) for n in range(30)}
    assert (40, 150, 1.0) in exact
    monkeypatch.setattr(module, "EXACT_UP_TO", 10)
    assert near_duplicates(texts) == exact


def test_comparing_all_pairs_misses_none():
    from rapidfuzz import fuzz

    chance = random.Random(3)
    texts = ["".join(chance.choices("ab ", k=chance.randint(1, 14))) for _ in range(150)]
    plain = [module.normalised(text) for text in texts]
    first = {text: number for number, text in reversed([*enumerate(plain)])}
    different = sorted(first.values())
    wanted = {
        (a, b)
        for a in different
        for b in different
        if a < b and fuzz.ratio(plain[a], plain[b]) >= 80
    }
    found = {(a, b) for a, b, likeness in near_duplicates(texts, 0.8) if likeness < 1}
    assert wanted
    assert found == wanted


@pytest.mark.parametrize("limit", [5000, 0])
def test_any_script_empty_and_very_long_texts(limit, monkeypatch):
    monkeypatch.setattr(module, "EXACT_UP_TO", limit)
    chinese = "我的包裹还没有到，请问什么时候可以送达，我已经等了两个星期了"
    long = "".join(random.Random(1).choices("abcdefgh ", k=60_000))
    texts = [chinese, chinese + "！", "", "  ", long, long + "x", "\ud800", "ok"]
    assert clusters(texts) == [[0, 1], [2, 3], [4, 5]]
    assert near_duplicates(texts, 1.0) == [(2, 3, 1.0)]


def test_a_pair_of_a_short_and_a_longer_text_is_found_across_the_two_indexes(monkeypatch):
    monkeypatch.setattr(module, "EXACT_UP_TO", 0)
    text = sentences(1, size=200)[0][: module._SHORT - 10]
    assert [pair[:2] for pair in near_duplicates([text, text + " and twenty more letters"])] == [
        (0, 1)
    ]


@pytest.mark.parametrize("limit", [5000, 0])
def test_texts_from_one_template_give_few_pairs_and_one_cluster(limit, monkeypatch):
    monkeypatch.setattr(module, "EXACT_UP_TO", limit)
    text = "Please tell me where my order with the number {} is, I wait for it since last week."
    texts = [text.format(1000 + number) for number in range(400)]
    assert len(near_duplicates(texts)) <= 400 * module.MOST_EACH
    assert [len(found) for found in clusters(texts)] == [400]


@pytest.mark.parametrize("at_least", [0.2, 1.01, True])
def test_a_likeness_out_of_bounds_is_refused(at_least):
    with pytest.raises(PexError, match=r"between 0\.5 and 1"):
        near_duplicates(["a"], at_least)
