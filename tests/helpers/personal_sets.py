"""Made-up but valid personal data of several countries, and what only looks like it."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator

import phonenumbers
from phonenumbers import PhoneNumberFormat as Format

REGIONS = ("DE", "GB", "FR", "US", "ES", "IT", "AT", "CH", "NL", "PL", "SE", "BR", "IN", "JP", "AU")
IBAN_SHAPES = {
    "DE": "dddddddddddddddddd",
    "GB": "AAAAdddddddddddddd",
    "FR": "ddddddddddddddddddddddd",
    "NL": "AAAAdddddddddd",
    "ES": "dddddddddddddddddddd",
    "IT": "Adddddddddddddddddddddd",
    "CH": "ddddddddddddddddd",
    "PL": "dddddddddddddddddddddddd",
}
SENTENCES = (
    "{}",
    "Please write to {}, thanks.",
    "ref: {}; see below",
    "Bonjour, voici {} !",
    "Mein Eintrag lautet {} und sonst nichts",
    "({})",
    '"{}"',
)


def personal_set(seed: int = 19) -> list[tuple[str, str]]:
    """Sentences with one value each, and the value."""
    chance = random.Random(seed)
    values = [*_emails(chance), *_ibans(chance), *_cards(chance), *_telephones(chance)]
    return [(chance.choice(SENTENCES).format(value), value) for value in values]


def look_alike_set(seed: int = 19) -> list[str]:
    """Sentences with nothing of a person in them."""
    chance = random.Random(seed)
    return [chance.choice(SENTENCES).format(text) for _ in range(40) for text in _alikes(chance)]


def _emails(chance: random.Random) -> Iterator[str]:
    first = (
        "ada",
        "zoë.müller",
        "j.o'neil",
        "Marie-Claire",
        "k_99",
        "søren+shop",
        "li.wei",
        "иван",
    )
    domains = ("firm.org", "mail.firm.co.uk", "müller.de", "example.com", "wp.pl", "uni-x.edu.au")
    for _ in range(80):
        yield f"{chance.choice(first)}{chance.randrange(100)}@{chance.choice(domains)}"


def _ibans(chance: random.Random) -> Iterator[str]:
    for number in range(80):
        country, shape = chance.choice(sorted(IBAN_SHAPES.items()))
        body = "".join(
            chance.choice("0123456789" if sort == "d" else "ABCDEFGHKLMNPRSTUVWX") for sort in shape
        )
        rest = int("".join(str(int(sign, 36)) for sign in f"{body}{country}00")) % 97
        iban = f"{country}{98 - rest:02d}{body}"
        grouped = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
        yield grouped if number % 2 else iban


def _cards(chance: random.Random) -> Iterator[str]:
    for number in range(80):
        digits = chance.choice("45") + "".join(chance.choice("0123456789") for _ in range(14))
        doubled = [int(digit) * (1 if at % 2 else 2) for at, digit in enumerate(digits)]
        total = sum(value - 9 if value > 9 else value for value in doubled)
        card = digits + str(-total % 10)
        between = ("", " ", "-")[number % 3]
        yield between.join(card[at : at + 4] for at in range(0, 16, 4))


def _telephones(chance: random.Random) -> Iterator[str]:
    for number in range(160):
        region = REGIONS[number % len(REGIONS)]
        kind = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
        made = phonenumbers.example_number_for_type(region, kind[number % 2])
        while True:  # other digits at its end, as long as the country has such numbers
            end = chance.randrange(1000)
            made.national_number = made.national_number // 1000 * 1000 + end
            if phonenumbers.is_valid_number(made):
                break
        if number % 3 == 0:
            yield phonenumbers.format_number(made, Format.E164)
        elif number % 3 == 1:
            yield phonenumbers.format_number(made, Format.INTERNATIONAL)
        else:
            yield f"Tel. {phonenumbers.format_number(made, Format.NATIONAL)}"


def _alikes(chance: random.Random) -> Iterator[str]:
    def digits(count: int) -> str:
        return "".join(chance.choice("0123456789") for _ in range(count))

    guid = uuid.UUID(int=chance.getrandbits(128))
    yield str(guid)
    yield guid.hex
    yield f"order {digits(10)}"
    yield f"order no. {digits(4)}-{digits(4)}-{digits(3)}"
    yield f"invoice {digits(3)}/{digits(5)}"
    yield f"2026-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}T10:{digits(2)}:12.123Z"
    yield f"{chance.randrange(1, 29):02d}.{chance.randrange(1, 13):02d}.2026 14:05"
    yield f"{1_600_000_000 + chance.randrange(10**8)}"
    yield f"{1_600_000_000_000 + chance.randrange(10**11)}"
    yield f"v{chance.randrange(30)}.{chance.randrange(30)}.{chance.randrange(3000)}"
    yield f"{chance.randrange(30)}.{chance.randrange(30)}.{chance.randrange(300)}.{digits(4)}"
    yield hashlib.sha256(digits(4).encode()).hexdigest()
    yield hashlib.sha256(digits(4).encode()).hexdigest()[:12]
    yield f"ISBN 978-3-16-{digits(6)}-{digits(1)}"
    yield f"{chance.randrange(1, 10)},{digits(3)},{digits(3)}.{digits(2)} USD"
    yield f"{chance.randrange(1, 10)} {digits(3)},{digits(2)} €"
    yield f"{chance.uniform(-90, 90):.6f}, {chance.uniform(-180, 180):.6f}"
    yield ".".join(str(chance.randrange(256)) for _ in range(4)) + ":8080"
    yield "2001:db8::" + digits(4)
    yield f"@user{digits(5)}"
    yield f"pkg@{chance.randrange(9)}.{chance.randrange(30)}.0"
    yield f"{digits(5)} x {digits(5)}"
    yield f"SKU {digits(4)}-{digits(4)}-{digits(2)}"
    yield f"trace tr-{guid.hex}"
