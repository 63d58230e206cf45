"""What keys look like: the prefixes that vendors give them, and the places they appear in.

A new kind of key is one more line in `_PREFIXED`. A key without a prefix is recognised only by its
place: the login in an address, a query parameter, a header, an assignment to a name such as
`api_key`. There a value counts as a key if it looks random, so "password: must be long" is kept.
Every pattern has bounded repeats, so the time is proportional to the length of the text.

Sources of the prefixes: the vendors' documentation, GitHub's list of secret scanning patterns,
gitleaks' rules (all read in 2026).
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable, Iterator, Sequence

MASK = "[redacted]"

_PREFIXED = (
    r"gh[opsur]_[A-Za-z0-9]{20,255}",
    r"github_pat_[A-Za-z0-9_]{20,255}",
    r"gl(?:pat|dt|rt|ptt|cbt|ft|soat|agent|oas|ffct|imt)-[A-Za-z0-9_.-]{20,255}(?<!\.)",
    r"AIza[A-Za-z0-9_-]{30,60}",
    r"AQ\.[A-Za-z0-9_-]{30,120}",  # Google AI Studio, since 2026
    r"ya29\.[A-Za-z0-9_.-]{20,2000}(?<!\.)",
    r"GOCSPX-[A-Za-z0-9_-]{20,60}",
    r"1//0[A-Za-z0-9_-]{30,200}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    r"ABSK[A-Za-z0-9+/]{40,300}={0,2}",
    r"bedrock-api-key-[A-Za-z0-9+/=_-]{20,2000}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    r"xoxe\.xox[bp]-\d-[A-Za-z0-9-]{10,255}",
    r"xapp-\d-[A-Za-z0-9-]{10,255}",
    r"(?:hf|gsk|fw|npm|rnd|figd|nfp|jina)_[A-Za-z0-9_-]{20,255}",
    r"api_org_[A-Za-z0-9]{20,60}",
    r"r8_[A-Za-z0-9]{20,60}",
    r"(?:xai|pplx|csk|nvapi|tvly|PMAK)-[A-Za-z0-9_-]{20,255}",
    r"tgp_v1_[A-Za-z0-9_-]{20,120}",
    r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,255}",
    r"whsec_[A-Za-z0-9+/=]{20,120}",
    r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{30,120}",
    r"pcsk_[A-Za-z0-9_]{20,120}",
    r"dapi[a-f0-9]{32}(?:-\d{1,3})?",
    r"do[opr]_v1_[a-f0-9]{40,80}",
    r"pypi-AgE[A-Za-z0-9_-]{30,500}",
    r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,80}",
    r"key-[0-9a-f]{32}",
    r"SK[0-9a-f]{32}",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    r"hv[sbr]\.[A-Za-z0-9_-]{20,300}",
    r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,60}",
    r"ATATT3[A-Za-z0-9_=-]{40,300}",
    r"lin_api_[A-Za-z0-9]{20,60}",
    r"(?:ntn|secret)_[A-Za-z0-9]{40,60}",
    r"sntr(?:ys|yu)_[A-Za-z0-9+/=_]{30,300}",
    r"gl(?:sa|c)_[A-Za-z0-9+/=_]{20,300}",
    r"ph[cx]_[A-Za-z0-9]{30,60}",
    r"sq0(?:atp|csp)-[A-Za-z0-9_-]{20,60}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{40,80}",
    r"eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{1,8000}){0,3}",
)  # fmt: skip
KEY_MARKS = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-",
    "glcbt-", "glft-", "glsoat-", "glagent-", "gloas-", "glffct-", "glimt-", "AIza", "AQ.", "ya29.",
    "GOCSPX-", "1//0", "AKIA", "ASIA", "ABIA", "ACCA", "ABSK", "bedrock-api-key-", "xoxa-", "xoxb-",
    "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxe.", "xapp-", "hf_", "gsk_", "fw_", "npm_",
    "rnd_", "figd_", "nfp_", "jina_", "api_org_", "r8_", "xai-", "pplx-", "csk-", "nvapi-", "tvly-",
    "PMAK-", "tgp_v1_", "_live_", "_test_", "_prod_", "whsec_", "lsv2_", "pcsk_", "dapi", "do_v1_",
    "dop_v1_", "doo_v1_", "dor_v1_", "pypi-AgE", "SG.", "key-", "SK", "shpat_", "shpca_", "shppa_",
    "shpss_", "hvs.", "hvb.", "hvr.", "dckr_", "ATATT3", "lin_api_", "ntn_", "secret_", "sntrys_",
    "sntryu_", "glsa_", "glc_", "phc_", "phx_", "sq0", "AGE-SECRET-KEY-", "eyJ",
)  # fmt: skip
"""One of these is in every key with a prefix; a test compares them with the list above."""
_SIGNS = ("_", "-", ".", "A", "")
_MARKS_BY_SIGN = {
    sign: [mark for mark in KEY_MARKS if next(one for one in _SIGNS if one in mark) == sign]
    for sign in _SIGNS
}
"""The same by the first of these characters that they have: without it there is none of them."""
_KEY = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_PREFIXED)})(?![A-Za-z0-9])")
_SK = re.compile(r"(?<![A-Za-z0-9_])(?:sk|pk)-[A-Za-z0-9_*-]{12,400}")
"""OpenAI, Anthropic, DeepSeek, OpenRouter, Langfuse …; also keys shown with a masked middle."""

_PRIVATE = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----.{0,8000}?"
    r"-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----",
    re.DOTALL,
)
_LOGIN = re.compile(r"(?<![A-Za-z])([A-Za-z][A-Za-z0-9+.-]{1,30})://([^\s/?#\"'<>`]{1,2000})@")
_HOOK = re.compile(
    r"(?i)(?<=://)(hooks\.slack\.com/(?:services|workflows|triggers)"
    r"|(?:canary\.|ptb\.)?discord(?:app)?\.com/api/webhooks"
    r"|[a-z0-9-]{1,60}\.webhook\.office\.com/webhookb2)/[^\s\"'<>]{8,500}"
)
_BOT = re.compile(r"(?<![A-Za-z0-9])(?:bot)?\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")
_LONG_NUMBER = re.compile(r"\d{8}:")
_QUERY = re.compile(r"([?&;])([A-Za-z][A-Za-z0-9_.-]{0,60})=([^&;#\s\"'<>\[\]]{1,2000})")
_AUTHORIZATION = re.compile(
    r"(?i)((?:proxy-)?authorization[\"']{0,2}\s{0,3}[:=]\s{0,3}[\"']{0,2}\s{0,3}"
    r"(?:(?:bearer|basic|token|apikey|api-key|key|digest)\s{1,3})?)"
    r"([A-Za-z0-9._~+/=:-]{8,8000})"
)
_SCHEME = re.compile(r"(?i)(?<![A-Za-z0-9])(bearer|basic)(\s{1,3})([A-Za-z0-9._~+/=-]{8,8000})")
_ASSIGNED = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_-]{1,60}|[Aa][Pp][Ii] [Kk]ey(?: provided)?)"
    r"([\"']{0,2}\s{0,3}(?:=>|[:=])\s{0,3}[\"']{0,2})"
    r"([^\s\"'`,;&<>()\[\]{}|]{8,8000})"
)

_MARKS = {
    _PRIVATE: ("private key-----",),
    _LOGIN: ("://",),
    _HOOK: ("://",),
    _QUERY: ("=",),
    _SK: ("sk-", "pk-"),
    _BOT: (":",),
    _AUTHORIZATION: ("authorization",),
    _SCHEME: ("bearer", "basic"),
    _ASSIGNED: (
        "token",
        "secret",
        "passw",
        "passphrase",
        "pwd",
        "pw",
        "key",
        "credential",
        "signature",
        "sig",
        "sas",
        "jwt",
        "cookie",
        "auth",
        "session",
        "sid",
        "bearer",
    ),
}
"""Every match contains one of these, in lower case: most texts have none."""

_SECRETS = frozenset(
    ("token", "secret", "password", "passwd", "passphrase", "pwd", "pw", "apikey", "accesskey",
     "secretkey", "authkey", "credential", "credentials", "signature", "sig", "sas", "jwt",
     "cookie", "auth", "authorization", "accesstoken", "authtoken", "sessionid", "sid", "bearer")
)  # fmt: skip
_KEYS = frozenset(
    ("api", "access", "secret", "subscription", "private", "account", "auth", "shared", "master",
     "service", "encryption", "signing", "client", "admin", "functions", "function", "goog",
     "storage", "deploy", "license", "server", "user", "project", "org", "gateway", "proxy", "x")
)  # fmt: skip
"""Words before "key" that make it a secret: a private key is one, a primary key is not."""

NOT_SECRET = frozenset(
    ("eos", "bos", "pad", "unk", "stop", "page", "next", "end", "start", "special", "mask", "sep",
     "cls")
)  # fmt: skip
"""Words before "token" that make it a secret."""

_WORDY = re.compile(r"[A-Za-z]+\d{0,2}|[A-Z]{2,6}\d{1,5}|v?\d{1,4}|")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[*x.…<>$%{}_-]+.*", re.DOTALL)


@functools.lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a value assigned to this name is a secret.

    Example:
        >>> [names_a_secret(name) for name in ("x-api-key", "clientSecret", "max_tokens", "key")]
        [True, True, False, False]
    """
    parts = _parts(name)
    if not parts:
        return False
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last == "key":
        # LAB_KEY is an environment variable and holds a key; request_key does not.
        return before in _KEYS or (bool(before) and name.isupper())
    if last == "id":
        return parts[-3:-1] == ["access", "key"] or before == "session"
    return last in _SECRETS and before not in NOT_SECRET


def looks_random(value: str) -> bool:
    """Whether a value looks like a key rather than a word, a version or a placeholder.

    Example:
        >>> [looks_random(text) for text in ("s3cr3tv4lue", "must-be-long", "gpt-4.1-mini")]
        [True, False, False]
    """
    if len(value) < 8 or _PLACEHOLDER.fullmatch(value):
        return False
    pieces = re.split(r"[-_./+=:~@!?*]", value)
    if all(_WORDY.fullmatch(piece) for piece in pieces):
        # No word of any language is that long without a hyphen, or has capitals throughout.
        longest = max(pieces, key=len)
        return len(longest) >= 40 or (len(longest) >= 16 and _mixed(longest))
    return any(char.isdigit() for char in value)


def redact_shapes(text: str) -> str:
    """`text` without anything that looks like a key.

    Example:
        >>> redact_shapes("x-api-key: 0123456789abcdef0123456789abcdef; see sk-learn-contrib-tools")
        'x-api-key: [redacted]; see sk-learn-contrib-tools'
    """
    for _, pattern, replacement in _shapes():
        if pattern not in (_LOGIN, _HOOK) or "://" in text:
            text = pattern.sub(replacement, text)
    return text


def find_shapes(text: str) -> Iterator[tuple[str, int, int]]:
    """The position of everything that looks like a key: kind, start, end; two can overlap.

    Example:
        >>> text = "x-api-key: 0123456789abcdef0123456789abcdef"
        >>> list(find_shapes(text)) == [("value of a secret setting", 11, len(text))]
        True
    """
    low = text.lower()
    for kind, pattern, replacement in _shapes():
        if pattern is _ASSIGNED and "=" not in text and ":" not in text:
            continue  # its words are in many texts, assignments are not
        if not (_has_key_mark(text) if pattern is _KEY else _has_mark(low, _MARKS[pattern])):
            continue
        if pattern is _BOT and not _LONG_NUMBER.search(text):
            continue
        for found in pattern.finditer(text):
            masked = (
                found.expand(replacement) if isinstance(replacement, str) else replacement(found)
            )
            if masked != found[0]:
                head, _, tail = masked.partition(MASK)
                yield kind, found.start() + len(head), found.end() - len(tail)


def _has_key_mark(text: str) -> bool:
    return any(sign in text and _has_mark(text, marks) for sign, marks in _MARKS_BY_SIGN.items())


def _has_mark(text: str, marks: Sequence[str]) -> bool:
    for mark in marks:  # noqa: SIM110 - any() with a generator takes three times as long
        if mark in text:
            return True
    return False


def _shapes() -> tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]:
    """Kinds of keys, in the order in which they are replaced."""
    return (
        ("private key", _PRIVATE, MASK),
        ("login in an address", _LOGIN, _login),
        ("address of a webhook", _HOOK, rf"\1/{MASK}"),
        ("key in an address", _QUERY, _query),
        ("key of a known service", _KEY, MASK),
        ("key of a known service", _SK, _sk),
        ("token of a bot", _BOT, MASK),
        ("authorization header", _AUTHORIZATION, _authorization),
        ("authorization header", _SCHEME, _scheme),
        ("value of a secret setting", _ASSIGNED, _assigned),
    )


def _login(found: re.Match[str]) -> str:
    scheme, login = found.groups()
    # `ssh://git@host` and `postgresql://me@host` name a user; in a web address this is a token.
    if ":" not in login and scheme.lower() not in ("http", "https", "ws", "wss"):
        return found[0]
    return f"{scheme}://{MASK}@"


def is_secret_parameter(name: str, value: str) -> bool:
    """Whether a query parameter of an address is a key.

    Example:
        >>> is_secret_parameter("api_key", "abc"), is_secret_parameter("code", "de")
        (True, False)
    """
    plain = name.lower() in ("key", "sig", "auth", "code", "sid", "signature")
    secret = looks_random(value) if plain else names_a_secret(name)
    return bool(value) and secret and not _PLACEHOLDER.fullmatch(value)


def _query(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={MASK}" if is_secret_parameter(name, value) else found[0]


def _sk(found: re.Match[str]) -> str:
    """Hyphenated words can also begin with sk-: a key has digits, stars or one long piece."""
    rest = found[0][3:]
    long = max(map(len, re.split(r"[-_]", rest))) >= 16
    return MASK if long or re.search(r"[\d*]", rest) else found[0]


def _authorization(found: re.Match[str]) -> str:
    head, value = found.groups()
    key = re.search(r"\d", value) or len(value) >= 20 or _mixed(value)
    return f"{head}{MASK}" if key and not _PLACEHOLDER.fullmatch(value) else found[0]


def _scheme(found: re.Match[str]) -> str:
    word, space, value = found.groups()
    secret = _is_login(value) if word.lower() == "basic" else looks_random(value)
    return f"{word}{space}{MASK}" if secret else found[0]


def _assigned(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    secret = names_a_secret(name.removesuffix(" provided").replace(" ", "_"))
    key = value.rstrip(".:!?")  # a full stop belongs to the sentence
    if not (secret and looks_random(key)):
        return found[0]
    return f"{name}{between}{MASK}{value[len(key) :]}"


def _parts(name: str) -> list[str]:
    """The words of a name in any style, in lower case."""
    if not name.isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [part.lower() for part in re.split(r"[-_.]", name) if part]


def _mixed(value: str) -> bool:
    """Whether capitals are scattered, more of them than in a name such as ClientError."""
    changes = len(re.findall(r"[a-z][A-Z]|[A-Z][a-z]", value))
    return changes * 3 >= len(value)


def _is_login(value: str) -> bool:
    """Whether this is `user:password` as encoded by Basic authentication."""
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in text and text.isascii() and text.decode().isprintable()
