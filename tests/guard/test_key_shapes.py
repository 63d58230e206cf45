"""Prose stays as it is, keys go: by their shape, in any sentence, and whatever stands around."""

import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.guard import redact
from pex.guard.key_shapes import MASK

PROSE = """
You need a basic understanding of the topic.
Basic authentication is off.
basic arithmetic, basic Python3.11 knowledge, Basic English
a bearer of bad news
The bearer certificates were returned.
Bearer authentication is required for this page.
Bearer tokens are described in RFC6750.
the token limit is 8192 tokens
max_tokens: 1024, max_completion_tokens: 16384
token: must not be empty
Token usage: 12345678 prompt tokens
password: must be long
password: at least 12 characters
Password=required
The password is checked twice.
secret: keep it
secret ingredients: butter, sugar
Key: 42
key: customer_id
unknown key 'providers.lab.base_ulr'
the API key: see the documentation
api_key_env = "OPENAI_API_KEY"
api_key: OPENAI_API_KEY
api key: <your key here>
API_KEY=your-key-here
export OPENAI_API_KEY=… in the shell that starts Jupyter
export OPENAI_API_KEY=$(cat key.txt)
Authorization: Bearer $OPENAI_API_KEY
Authorization: Bearer YOUR_API_KEY
Authorization: Bearer <token>
Authorization: required
authorization: the user must sign in
curl -H 'api-key: ${AZURE_KEY}' https://example.com/v1
request_key: 3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d2e13b4d7a5b2f0c9d8e7f6
primary_key=order_12345678
cache_key: user-1234-abcd5678
sort key: created_at
idempotency-key: 2026-11-28-a1
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
550e8400-e29b-41d4-a716-446655440000
run 0a1b2c3d4e5f60718293a4b5c6d7e8f9 was not found
sk-learn-contrib-projects and scikit-learn
the task-1234567890abcdef1234 is done
risk-assessment-framework-2024-edition
a disk-12345678901234567890 image
https://medium.com/@user/a-post-about-keys
https://example.com/path?page=2&sort=key&monkey=banana
https://example.com/?next_page_token_count=3&max_tokens=512
https://example.com/search?q=token+limit&lang=en
write to mailto:someone@example.com or a.b@example.org
ssh://git@github.com/owner/repository.git
postgresql://reader@db.example.com:5432/pex
git@github.com:owner/repository.git
model gpt-4.1-mini-2025-04-14 of openai/gpt-4.1-mini
claude-3-5-sonnet-20241022
eyJ is how a JWT begins
AKIA is a prefix
ghp_ and hf_ are prefixes
HTTP 401: Incorrect API key provided
the credential: ask your administrator
signature: Jane Doe, 2026-11-28
eos_token: </s>12345678
pad_token = 'endoftext99abc'
cookie: chocolate chip
The author: secretary-general
one=two&three=four
ratio 1:100000000 and time 12:34:56
Donaudampfschifffahrtsgesellschaftskapitän
""".strip().splitlines()


def _random(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    dice = random.Random(length)
    return "a1B" + "".join(dice.choice(letters) for _ in range(length - 3))


HEX32 = "0123456789abcdef0123456789abcdef"
LOGIN = base64.b64encode(b"user:pass-word").decode()

KEYS = [
    f"sk-{_random(48)}",
    f"sk-proj-{_random(40)}-{_random(40)}_{_random(30)}",
    f"sk-svcacct-{_random(60)}",
    f"sk-admin-{_random(60)}",
    f"sk-ant-api03-{_random(90)}-abcdefAA",
    f"sk-ant-admin01-{_random(90)}",
    f"sk-or-v1-{HEX32}{HEX32}",
    f"sk-{HEX32}",
    "sk-lf-01234567-89ab-cdef-0123-456789abcdef",
    "sk-abcd********************wxyz",
    "sk-abcdefghijklmnopqrstuvwx",
    f"AIza{_random(35)}",
    f"ya29.{_random(60)}",
    f"GOCSPX-{_random(28)}",
    f"ghp_{_random(36)}",
    f"gho_{_random(36)}",
    f"ghs_{_random(36)}",
    f"github_pat_{_random(22)}_{_random(59)}",
    f"glpat-{_random(20)}",
    "xoxb-123456789012-123456789012-abcDEF123456",
    "xoxp-123456789012-123456789012-abcDEF123456",
    "xapp-1-A0123-456-abcDEF123456",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    f"ABSK{_random(100)}=",
    f"hf_{_random(34)}",
    f"gsk_{_random(52)}",
    f"xai-{_random(80)}",
    f"pplx-{_random(48)}",
    f"csk-{_random(48)}",
    f"r8_{_random(37)}",
    f"nvapi-{_random(64)}",
    f"tgp_v1_{_random(43)}",
    f"fw_{_random(24)}",
    f"tvly-{_random(32)}",
    f"jina_{_random(40)}",
    f"lsv2_pt_{HEX32}_0123456789",
    f"pcsk_{_random(60)}",
    f"dapi{HEX32}",
    f"sk_live_{_random(24)}",
    f"rk_test_{_random(24)}",
    f"whsec_{_random(32)}",
    f"npm_{_random(36)}",
    f"pypi-AgE{_random(60)}",
    f"SG.{_random(22)}.{_random(43)}",
    f"SK{HEX32}",
    f"shpat_{HEX32}",
    f"hvs.{_random(90)}",
    f"dckr_pat_{_random(27)}",
    f"dop_v1_{HEX32}{HEX32}",
    f"eyJhbGciOiJIUzI1NiJ9.{_random(40)}.{_random(43)}",
    f"123456789:{_random(35)}",
]

PLACES = [  # what goes out stands between « and »
    "Authorization: Bearer «abc.def-ghi_123»",
    "authorization: bearer «0123abcd»",
    "'Authorization': 'Bearer «abcdEFGH1234»'",
    '{"Authorization": "«abcdEFGH1234»"}',
    "Authorization=Token «9944b09199c62bcf9418ad846dd0e4bb»",
    f"Authorization: Basic «{LOGIN}»",
    f"Proxy-Authorization: Basic «{LOGIN}»",
    f"Basic «{LOGIN}»",
    "with Bearer «abcdefgh1234» sent",
    f"api-key: «{HEX32}»",
    f"'api-key': '«{HEX32}»'",
    f"b'api-key: «{HEX32}»'",
    f"Ocp-Apim-Subscription-Key: «{HEX32}»",
    f"x-goog-api-key=«{_random(20)}»",
    "X-API-Key: «s3cr3t-v4lue»",
    '"apiKey": "«abc123def456»"',
    'api_key="«abc123def456»"',
    "api key: «abc123def456»",
    "Incorrect API key provided: «abc123def456».",
    "OPENAI_API_KEY=«abc123def456»",
    "export LAB_KEY='«abc123def456»'",
    "AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»",
    "aws_session_token => «FwoGZXIvYXdzEBYaDAxyz123»",
    "AccountName=x;AccountKey=«abc123def456ghi789==»;EndpointSuffix=core",
    "client_secret: «Q8~abc123def456»",
    "password: «Tr0ub4dor3»",
    "DB_PASSWORD=«Tr0ub4dor3»",
    "https://«TOKEN»@host/v1",
    "https://«user:pass»@host/v1",
    "http://«user:p@ss»@host:8080/v1",
    "HTTPS://«user:»@host",
    "postgresql://«user:pass»@db/pex",
    "socks5://«user:pass»@127.0.0.1:1080",
    "GET https://host/v1/models?api_key=«abc» failed",
    "https://host/v1?api-version=1&api-key=«abc»&x=1",
    "https://host/v1?key=«AbC123dEf456»",
    "https://host/v1?access_token=«abc»#top",
    "https://x.blob.core.windows.net/a?sv=2024&sig=«aBc123%2Fdef456%3D»",
    "https://s3.test/a?X-Amz-Credential=«abc%2F2026»&X-Amz-Signature=«0123abcd»",
    "https://hooks.slack.com/services/«T0000/B0000/abcDEF123»",
    "https://discord.com/api/webhooks/«1234/abcDEF123»",
    "Cookie: «session_id=abc123def456»",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_not_touched(text: str) -> None:
    assert redact.redact(text) == text


@pytest.mark.parametrize("around", ["{}", "({})", "key: {}.", "'{}'", '"{}",', "a={};b", "\n{}\n"])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_taken_out_by_its_shape(key: str, around: str) -> None:
    assert redact.redact(around.format(key)) == around.format(MASK)


@pytest.mark.parametrize("text", PLACES)
def test_a_key_is_taken_out_by_its_place(text: str) -> None:
    assert "«" in text
    secret = text.replace("«", "").replace("»", "")
    clean, inside = "", False
    for char in text:
        if char in "«»":
            clean += MASK if char == "«" else ""
            inside = char == "«"
        elif not inside:
            clean += char
    assert redact.redact(secret) == clean


def test_the_tables_are_large() -> None:
    assert len(PROSE) >= 60
    assert len(KEYS) + len(PLACES) >= 60


def test_a_private_key_in_a_log() -> None:
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"
    assert redact.redact(f"read\n{pem}\nfailed") == f"read\n{MASK}\nfailed"


@given(st.text(alphabet="sk-:=/@?&.[]'\"aZ09 \n", max_size=300))
def test_it_is_done_once_and_never_fails(text: str) -> None:
    once = redact.redact(text)
    assert redact.redact(once) == once


@pytest.mark.parametrize(
    "piece", ["a-", "sk-", "://", "://a:", "eyJaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "a_b=",
              "?a=", "Bearer ", "authorization: ", "api-key: ", "1234567890:", "a.", "@", "AAAA"],
)  # fmt: skip
def test_a_long_text_is_no_trap(piece: str) -> None:
    """A pattern that tries everything again and again would run into the tests' time-out."""
    text = piece * (400_000 // len(piece))
    assert isinstance(redact.redact(text), str)
