"""Small PDF files and recordings, made here."""

import io
import struct
import wave


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF with a line of text on each page; a page of "" has none, as a scan."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    kids = []
    for text in pages:
        shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        lines = " ".join(f"({line}) Tj 0 -20 Td" for line in shown.split("\n"))
        stream = f"BT /F1 14 Tf 60 760 Td {lines} ET" if text else "0.8 g 60 60 400 600 re f"
        number = len(objects) + 1
        kids.append(f"{number} 0 R")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (number + 1)
        )
        data = stream.encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data))
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return written(objects)


def written(objects: list[bytes]) -> bytes:
    """A PDF of these objects, the first of which is its catalogue."""
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (
        len(places) + 1, table, len(places) + 1,
    ) + b"startxref\n%d\n%%%%EOF\n" % len(out)  # fmt: skip


def locked(content: bytes) -> bytes:
    """The same PDF, of which it says that it is encrypted with a password that nobody knows."""
    words = "<" + "ab" * 32 + ">"
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {words} /U {words} /P -4 >>"
    ids = f"/ID [<{'00' * 16}> <{'00' * 16}>]"
    return content.replace(b"/Root 1 0 R", f"/Root 1 0 R {encrypt} {ids}".encode())


def wav(seconds: float = 1.0, rate: int = 8000) -> bytes:
    """A silent recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\x00\x00" * round(seconds * rate))
    return out.getvalue()


def mp3(frames: int = 100) -> bytes:
    """An MP3 of silent frames: 128 kbit/s, 44.1 kHz, 26 ms each."""
    frame = struct.pack(">I", 0xFFFB9064) + bytes(413)
    return frame * frames
