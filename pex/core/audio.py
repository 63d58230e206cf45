"""Recordings in a request: WAV and MP3, and how long they are."""

from __future__ import annotations

import io
import struct

from pex.core.errors import PexError

LARGEST_MB = 20

_MP3_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = (44100, 48000, 32000)


def audio_kind(content: bytes) -> str | None:
    """The media type of a recording that providers take; None if it is something else.

    Example:
        >>> audio_kind(b"RIFF....WAVEfmt "), audio_kind(b"ID3..."), audio_kind(b"OggS")
        ('audio/wav', 'audio/mp3', None)
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "audio/wav"
    if content[:3] == b"ID3" or _frame(content, 0) is not None:
        return "audio/mp3"
    return None


def seconds_of(content: bytes, where: str) -> float:
    """How long a recording is.

    Raises:
        PexError: it is not a WAV or MP3 file, or has no sound.
    """
    kind = audio_kind(content)
    if kind is None:
        raise PexError(f"{where} is not a recording that models accept: expected WAV or MP3")
    seconds = _wav_seconds(content) if kind == "audio/wav" else _mp3_seconds(content)
    if not seconds:
        raise PexError(f"{where} is a broken {kind[6:].upper()} file, or has no sound")
    return seconds


def _wav_seconds(content: bytes) -> float:
    import wave

    try:
        with wave.open(io.BytesIO(content)) as sound:
            rate = sound.getframerate()
            return sound.getnframes() / rate if rate else 0.0
    except (wave.Error, EOFError, struct.error):
        return _odd_wav_seconds(content)


def _odd_wav_seconds(content: bytes) -> float:
    """The length of a WAV with numbers that Python's reader does not know, such as floats."""
    at, per_second = 12, 0
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 20 <= len(content):
            per_second = int.from_bytes(content[at + 16 : at + 20], "little")
        if name == b"data":
            return min(size, len(content) - at - 8) / per_second if per_second else 0.0
        at += 8 + size + size % 2
    return 0.0


def _mp3_seconds(content: bytes) -> float:
    """The length by the first frame: by its count of frames if it has one, else by its rate."""
    at = 0
    if content[:3] == b"ID3" and len(content) > 10:
        at = 10 + sum(
            (byte & 0x7F) << shift
            for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True)
        )
    at = next((n for n in range(at, min(at + 65536, len(content) - 4)) if _frame(content, n)), -1)
    frame = _frame(content, at) if at >= 0 else None
    if frame is None:
        return 0.0
    bits_per_second, hertz, samples = frame
    head = content[at : at + 200]
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place > 0 and head[place + 7 : place + 8] and head[place + 7] & 1:
        frames = int.from_bytes(head[place + 8 : place + 12], "big")
        return frames * samples / hertz
    return (len(content) - at) * 8 / bits_per_second


def _frame(content: bytes, at: int) -> tuple[int, int, int] | None:
    """Bits per second, samples per second and samples of an MP3 frame; None if it is not one."""
    if len(content) < at + 4 or content[at] != 0xFF or content[at + 1] & 0xE6 != 0xE2:
        return None
    version, rate, hertz = content[at + 1] >> 3 & 3, content[at + 2] >> 4, content[at + 2] >> 2 & 3
    if version == 1 or rate in (0, 15) or hertz == 3:
        return None
    first = version == 3
    bits = (_MP3_RATES if first else _MP3_RATES_2)[rate] * 1000
    return bits, _HERTZ[hertz] >> (3 - version if version else 2), 1152 if first else 576
