# ruff: noqa: E501 - a table reads best with several in a line
import random
import time
import uuid

import pytest

from pex.guard.personal import CARD, EMAIL, IBAN, TELEPHONE, personal_data


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("from zoë: zoe.o'x+a@mail.firm.co.uk!", EMAIL, "x+a@mail.firm.co.uk"),
        ("IBAN DE89 3704 0044 0532 0130 00, thanks", IBAN, "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432", IBAN, "GB82WEST12345698765432"),
        ("card 4111 1111 1111 1111 exp 12/29", CARD, "4111 1111 1111 1111"),
        ("amex 378282246310005.", CARD, "378282246310005"),
        ("ring +49 30 901820", TELEPHONE, "+49 30 901820"),
        ("my number is (555) 123-4567", TELEPHONE, "(555) 123-4567"),
        ("Tel.: 030/9018200", TELEPHONE, "030/9018200"),
        ("call me at 5551234567", TELEPHONE, "5551234567"),
        ("dial 0044 20 7946 0958", TELEPHONE, "0044 20 7946 0958"),
        ("Card 4111 1111 1111 1111 123 CVV", CARD, "4111 1111 1111 1111"),
        ("card 4111 1111 1111 1111 12/27", CARD, "4111 1111 1111 1111"),
        (
            "IBAN DE89\u00a03704\u202f0044 0532 0130 00",
            IBAN,
            "DE89\u00a03704\u202f0044 0532 0130 00",
        ),
        ("iban de89 3704 0044 0532 0130 00", IBAN, "de89 3704 0044 0532 0130 00"),
        ("AB12 IBAN DE89370400440532013000 and more", IBAN, "DE89370400440532013000"),
        ("an jürgen@firma.de", EMAIL, "jürgen@firma.de"),
        ("an a@müller.de!", EMAIL, "a@müller.de"),
        ("+14155552671 94105 San Francisco", TELEPHONE, "+14155552671"),
        ("+44 20 7946 0958 2026", TELEPHONE, "+44 20 7946 0958"),
        ("06 12 34 56 78", TELEPHONE, "06 12 34 56 78"),
        ("or 415-555-2671", TELEPHONE, "415-555-2671"),
        ("Telefonnummer: 0301234567", TELEPHONE, "0301234567"),
        ("tel 12.34.56.78", TELEPHONE, "12.34.56.78"),
    ],
)
def test_what_is_found_and_where(text, kind, part):
    assert [(item.kind, text[item.start : item.end]) for item in personal_data(text)] == [
        (kind, part)
    ]
    assert part not in personal_data(text)[0].masked


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com", "user@localhost", "@handle", "a @ b.de", "IBAN DE88 3704 0044 0532 0130 00",
        "4111 1111 1111 1112", "order 100-2345678-9", "2026-11-30 12:30:45", "30.11.2026", "30/11/2026",
        "version 3.14.15.9265", "1,234,567.89 EUR", "$1 299 000", "ISBN 978-3-16-148410-0",
        "127.0.0.1:8080", "10.000.000.000", "1700000000", "ticket 20261130001", "0.30103 0.47712",
        "+1 for this", "3+4 = 7", "0 0 0 0 0 0 0 0 0", "2019-2024", "pp. 1034-1041", "49.4875, 8.4660",
        "1111 2222 3333", "score 12-10, 11-9, 11-7", "SKU 0815-4711-22", "00:12:30 00:14:55",
        "during 2019-2021 we grew", "offering 1500000 USD", "hotel 2024-2025", "string 1234567",
        "scoring 0.8123456 and", "call 2026-11-30 10:15", "handy 12.10.2026 14:00", "tel 192.168.100.12",
        "order 0815/471100", "Order No. 415-555-2671", "+10000000 views", "+20000000 views",
        "06 12 34 36 41 48", "4 06 12 34 36 41", "call 0.8123456", "de89 370 400440532013 000",
    ],
)  # fmt: skip
def test_what_is_no_persons_data(text):
    assert personal_data(text) == []


def test_ids_of_machines_are_not_found():
    chance = random.Random(1)
    for _ in range(2000):
        guid = str(uuid.UUID(int=chance.getrandbits(128)))
        assert personal_data(f"id {guid} {guid.replace('-', '')} {chance.random()}") == []


def test_two_numbers_are_two():
    text = "030 12345678 040 87654321"
    assert [text[item.start : item.end] for item in personal_data(text)] == [text[:12], text[13:]]


@pytest.mark.parametrize("token", ["1" * 60, "AB12" + "A" * 56, "1 " * 30, "a." * 30, "(1)-" * 15])
def test_no_text_takes_much_longer_than_another_of_its_length(token):
    def seconds(text):
        times = []
        for _ in range(3):
            start = time.thread_time()
            personal_data(text)
            times.append(time.thread_time() - start)
        return min(times)

    # A pattern that tries all ways to divide a token takes ten thousand times as long.
    assert seconds(f"{token} " * 50) < 200 * seconds(f"{'word 123456 ' * 5} " * 50)


def test_an_address_at_the_end_of_a_sentence_is_found() -> None:
    [found] = personal_data("Write to ada@firma.de. Thanks")
    assert (found.start, found.end) == (9, 21)
    assert personal_data("a@" * 50_000) == []
