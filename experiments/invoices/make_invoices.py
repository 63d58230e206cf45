"""Makes the invoices of this experiment: PDFs in `pdf/`, and `cases.jsonl` with what is right.

    python experiments/invoices/make_invoices.py

The same files every time, byte for byte. Firms, people and numbers are invented.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

FOLDER = Path(__file__).parent
A4 = (595, 842)


@dataclasses.dataclass
class Invoice:
    """What an invoice says; amounts in cents."""

    id: str
    seller: str
    place: str
    number: str
    date: str
    currency: str
    lines: list[tuple[str, int, int]]
    """Description, quantity, price of one."""
    vat_percent: int
    layout: str = "plain"
    language: str = "en"
    due: str | None = None
    discount: int = 0
    kind: str = "easy"

    @property
    def net(self) -> int:
        """The sum before tax."""
        return sum(count * price for _, count, price in self.lines) - self.discount

    @property
    def vat(self) -> int:
        """The tax."""
        return (self.net * self.vat_percent + 50) // 100

    @property
    def expected(self) -> dict[str, object]:
        """The record to be read from it."""
        return {
            "invoice_number": self.number,
            "date": self.date,
            "due_date": self.due,
            "seller": self.seller,
            "currency": self.currency,
            "total": (self.net + self.vat) / 100,
            "lines": [
                {"description": what, "quantity": count, "amount": count * price / 100}
                for what, count, price in self.lines
            ],
        }


WORDS = {
    "en": {
        "invoice": "Invoice", "number": "Invoice no.", "date": "Date", "due": "Payable by",
        "what": "Description", "count": "Qty", "price": "Unit price", "amount": "Amount",
        "net": "Subtotal", "vat": "VAT", "total": "Total due", "discount": "Discount",
        "to": "Bill to", "page": "Page",
    },
    "de": {
        "invoice": "Rechnung", "number": "Rechnungsnummer", "date": "Rechnungsdatum",
        "due": "Zahlbar bis", "what": "Bezeichnung", "count": "Menge", "price": "Einzelpreis",
        "amount": "Betrag", "net": "Netto", "vat": "MwSt.", "total": "Gesamtbetrag",
        "discount": "Rabatt", "to": "An", "page": "Seite",
    },
    "fr": {
        "invoice": "Facture", "number": "Facture n°", "date": "Date", "due": "À payer avant le",
        "what": "Désignation", "count": "Qté", "price": "Prix unitaire", "amount": "Montant",
        "net": "Total HT", "vat": "TVA", "total": "Total TTC", "discount": "Remise",
        "to": "Destinataire", "page": "Page",
    },
}  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

INVOICES = [
    Invoice("i01", "Brightwater Paper Co.", "Millbrook", "BP-2041", "2026-03-02", "EUR",
            [("Copy paper A4, box", 6, 2400), ("Staples, pack", 12, 800)], 19, due="2026-03-16"),
    Invoice("i02", "Hollow Oak Furniture", "Eastleigh Vale", "HO/118", "2026-03-05", "GBP",
            [("Desk, oak", 1, 42000)], 20),
    Invoice("i03", "Fernhill Bakery", "Fernhill", "7703", "2026-03-09", "GBP",
            [("Rolls, tray of 40", 5, 1850), ("Rye bread", 20, 320), ("Delivery", 1, 900)], 0,
            due="2026-03-23"),
    Invoice("i04", "Quillmark Software", "Port Ansel", "QM-00961", "2026-03-11", "USD",
            [("Licence, 1 year", 8, 11900)], 0, layout="boxed", due="2026-04-10"),
    Invoice("i05", "Nordkamp Werkzeuge", "Altenbruck", "2026-0317", "2026-03-12", "EUR",
            [("Akkuschrauber", 2, 12990), ("Bohrersatz", 1, 3450)], 19, language="de",
            due="2026-03-26", kind="other language"),
    Invoice("i06", "Sonnfeld Gartenbau", "Sonnfeld", "SG 445", "2026-03-14", "EUR",
            [("Hecke schneiden, Stunden", 7, 4800), ("Entsorgung", 1, 6500)], 19, language="de",
            layout="boxed", kind="other language"),
    Invoice("i07", "Atelier Marbeuf", "Saint-Aubray", "F-2026-031", "2026-03-17", "EUR",
            [("Affiche 50 x 70", 150, 210), ("Mise en page", 1, 18000)], 20, language="fr",
            due="2026-04-16", kind="other language"),
    Invoice("i08", "Pinecrest Couriers", "Dunmere", "PC-88120", "2026-03-18", "USD",
            [("Parcel, zone 2", 42, 715), ("Fuel surcharge", 1, 1260)], 0, discount=1500,
            kind="discount"),
    Invoice("i09", "Larkfield Dental Supply", "Larkfield", "LD-5521", "2026-03-20", "GBP",
            [("Gloves, box of 100", 30, 640), ("Masks, box of 50", 25, 410),
             ("Mirror, single use", 400, 12)], 20, layout="boxed", discount=2000, kind="discount"),
    Invoice("i10", "Stillwater Marine", "Cape Orrin", "SM/26/77", "2026-03-23", "USD",
            [("Hull cleaning", 1, 68000), ("Anode, zinc", 4, 2350), ("Antifouling paint, 5 l", 3,
             14900)], 7, due="2026-04-22"),
    Invoice("i11", "Copper Lane Print", "Wexdale", "CL-300", "2026-03-24", "EUR",
            [(f"Business cards, {name}", 250, 9) for name in (
                "A. Ito", "B. Mensah", "C. Novak", "D. Okoro", "E. Petrov", "F. Quist")], 21,
            kind="many lines"),
    Invoice("i12", "Grange & Field Catering", "Oldbarrow", "GF-1207", "2026-03-26", "GBP",
            [(f"Lunch, {day} March", count, 1125) for day, count in (
                (2, 14), (3, 12), (4, 15), (5, 15), (6, 9), (9, 13), (10, 12), (11, 16),
                (12, 14), (13, 8))], 20, due="2026-04-09", kind="many lines"),
    Invoice("i13", "Tallis Archive Services", "Merrow", "TA-0019", "2026-03-27", "EUR",
            [(f"Storage, shelf {number}", 1, 1500 + 25 * number) for number in range(1, 33)], 21,
            kind="two pages"),
    Invoice("i14", "Vantage Cleaning", "Brockford", "VC-2026-14", "2026-03-30", "GBP",
            [("Offices, week 11", 1, 31000), ("Offices, week 12", 1, 31000), ("Windows", 1,
             12500)], 20, layout="letter", due="2026-04-13", kind="letter"),
    Invoice("i15", "Ember & Ash Coffee", "Rookhope", "0000412", "2026-03-31", "EUR",
            [("Coffee beans, 5 kg", 3, 8900), ("Filter papers", 10, 450)], 7, layout="letter",
            kind="letter"),
]  # fmt: skip


def money(cents: int, invoice: Invoice) -> str:
    """An amount as it is written in the invoice's language.

    >>> money(123456, INVOICES[4]), money(123456, INVOICES[0])
    ('1.234,56', '1,234.56')
    """
    text = f"{cents / 100:,.2f}"
    if invoice.language == "de":
        return text.translate(str.maketrans(",.", ".,"))
    return text.replace(",", " ").replace(".", ",") if invoice.language == "fr" else text


def day(date: str, invoice: Invoice) -> str:
    """A date as it is written in the invoice's language and layout."""
    year, month, number = date.split("-")
    if invoice.language == "de":
        return f"{number}.{month}.{year}"
    if invoice.language == "fr":
        return f"{number}/{month}/{year}"
    return f"{int(number)} {MONTHS[int(month) - 1]} {year}"


class Page:
    """The marks of a page, from the top left, in points."""

    def __init__(self) -> None:
        self.marks: list[str] = []

    def text(self, x: float, y: float, text: str, size: int = 10, bold: bool = False) -> None:
        """Write a line of text."""
        safe = "".join(
            chr(byte) if byte < 128 and chr(byte) not in "\\()" else f"\\{byte:03o}"
            for byte in text.encode("cp1252")
        )
        font = "F2" if bold else "F1"
        self.marks.append(f"BT /{font} {size} Tf {x:g} {A4[1] - y:g} Td ({safe}) Tj ET")

    def right(self, x: float, y: float, text: str, size: int = 10, bold: bool = False) -> None:
        """Write text that ends about at x: digits are 0.556 em wide in Helvetica."""
        width = sum(0.278 if char in " ,." else 0.556 for char in text) * size
        self.text(x - width, y, text, size, bold)

    def line(self, y: float) -> None:
        """Draw a line across the page."""
        self.marks.append(f"0.6 w 50 {A4[1] - y:g} m 545 {A4[1] - y:g} l S")

    def box(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a grey box."""
        self.marks.append(f"0.93 g {x:g} {A4[1] - y - height:g} {width:g} {height:g} re f 0 g")


def pages_of(invoice: Invoice) -> list[Page]:
    """An invoice as it is drawn."""
    return letter(invoice) if invoice.layout == "letter" else table(invoice)


def table(invoice: Invoice) -> list[Page]:
    """An invoice with a table of its lines."""
    words, page = WORDS[invoice.language], Page()
    boxed = invoice.layout == "boxed"
    pages = [page]
    if boxed:
        page.box(50, 40, 495, 46)
    page.text(60, 62, invoice.seller, 16, bold=True)
    page.text(60, 78, f"12 Harbour Street, {invoice.place}", 9)
    page.text(60, 130, f"{words['to']}: Redgate Ltd, 4 Mill Row, Ashcombe")
    facts = [("number", invoice.number), ("date", day(invoice.date, invoice))]
    if invoice.due is not None:
        facts.append(("due", day(invoice.due, invoice)))
    page.text(60, 170, words["invoice"], 14, bold=True)
    for row, (name, value) in enumerate(facts):
        page.text(320, 150 + 16 * row, f"{words[name]}:")
        page.text(440, 150 + 16 * row, value)
    y = 220

    def head() -> None:
        if boxed:
            page.box(50, y - 12, 495, 18)
        for x, name in ((60, "what"), (330, "count"), (400, "price"), (480, "amount")):
            page.text(x, y, words[name], 9, bold=True)

    head()
    for what, count, price in invoice.lines:
        y += 20
        if y > 740:
            page.text(270, 800, f"{words['page']} {len(pages)}", 8)
            page = Page()
            pages.append(page)
            y = 60
            page.text(60, 40, f"{words['invoice']} {invoice.number}", 9)
            head()
            y += 20
        page.text(60, y, what)
        page.right(350, y, str(count))
        page.right(450, y, money(price, invoice))
        page.right(535, y, money(count * price, invoice))
    page.line(y + 12)
    sums = [("net", invoice.net + invoice.discount), ("discount", -invoice.discount),
            ("vat", invoice.vat), ("total", invoice.net + invoice.vat)]  # fmt: skip
    for name, amount in sums:
        if name == "discount" and not amount:
            continue
        y += 18
        label = f"{words[name]} {invoice.vat_percent} %" if name == "vat" else words[name]
        total = name == "total"
        shown = f"{money(amount, invoice)} {invoice.currency}" if total else money(amount, invoice)
        page.text(360, y + 10, label, 11 if total else 10, bold=total)
        page.right(540, y + 10, shown, 11 if total else 10, bold=total)
    return pages


def letter(invoice: Invoice) -> list[Page]:
    """An invoice in sentences, without a table."""
    page = Page()
    page.text(60, 62, invoice.seller, 13, bold=True)
    page.text(60, 78, invoice.place, 9)
    page.text(60, 120, day(invoice.date, invoice))
    page.text(60, 150, "Dear Redgate Ltd,")
    page.text(60, 175, f"please find below what we supplied (our reference {invoice.number}).")
    y = 205
    for what, count, price in invoice.lines:
        each = f" at {money(price, invoice)} each" if count > 1 else ""
        amount = money(count * price, invoice)
        page.text(72, y, f"- {what}: {count}{each}, {invoice.currency} {amount}")
        y += 18
    total = money(invoice.net + invoice.vat, invoice)
    page.text(60, y + 14, f"With {invoice.vat_percent} % VAT ({money(invoice.vat, invoice)}) this "
              f"makes {invoice.currency} {total} in all.")  # fmt: skip
    if invoice.due is not None:
        page.text(60, y + 32, f"We kindly ask for payment by {day(invoice.due, invoice)}.")
    page.text(60, y + 62, "Yours sincerely, the accounts office")
    return [page]


def pdf(pages: list[Page]) -> bytes:
    """The bytes of a PDF with these pages."""
    first = 5
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        marks = "\n".join(page.marks)
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {A4[0]} {A4[1]}] "
            f"/Contents {first + 2 * number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            f"<< /Length {len(marks)} >>\nstream\n{marks}\nendstream",
        ]
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("ascii")
    entries = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{entries}{trailer}"
    return out + table.encode("ascii")


def main(folder: Path = FOLDER) -> None:
    """Write the PDFs and the cases."""
    (folder / "pdf").mkdir(parents=True, exist_ok=True)
    rows = []
    for invoice in INVOICES:
        (folder / "pdf" / f"{invoice.id}.pdf").write_bytes(pdf(pages_of(invoice)))
        row = {"invoice_id": invoice.id, "file": f"pdf/{invoice.id}.pdf",
               "expected": invoice.expected, "kind": [invoice.kind]}  # fmt: skip
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "cases.jsonl").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
