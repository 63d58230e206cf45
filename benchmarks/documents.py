"""How long pages of PDF files take: as text and as images, first made and then from what is kept.

The files are the invoices of the example, copied under other digests. Beside them: PDFium alone,
which draws each page and keeps nothing.

Run: python benchmarks/documents.py [--files 60] [--of a.pdf]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pypdfium2
from figures import figure

from pex.core.pdf import DPI, Pdf, page_image, read_pdf, text_of

INVOICES = Path(__file__).parents[1] / "experiments" / "invoices" / "pdf"


def copies(sources: list[Path], count: int, folder: Path) -> list[Path]:
    """As many files, none equal to another: a comment at the end changes a file's digest only."""
    made = []
    for number in range(count):
        path = folder / f"{number}.pdf"
        path.write_bytes(sources[number % len(sources)].read_bytes() + b"\n%% %d\n" % number)
        made.append(path)
    return made


def measured(what: str, pages: int, work: Callable[[], object]) -> float:
    """Print seconds of wall and processor time, and pages per second; processor time of a page."""
    began, before = time.perf_counter(), time.process_time()
    work()
    took, cpu = time.perf_counter() - began, time.process_time() - before
    print(f"{what:32} {took:7.2f} s {cpu:7.2f} CPU s {pages / cpu:9,.0f} pages per CPU second")
    return 1000 * cpu / pages


def numbered(files: Iterable[Pdf]) -> list[tuple[Pdf, int]]:
    return [(pdf, number) for pdf in files for number in range(1, len(pdf.pages) + 1)]


def draw(paths: list[Path]) -> None:
    """PDFium alone: every page as a picture in memory."""
    for path in paths:
        document = pypdfium2.PdfDocument(path.read_bytes())
        for page in document:
            page.render(scale=DPI / 72).to_pil()
        document.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--of", type=Path, nargs="+", default=sorted(INVOICES.glob("*.pdf")))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths, kept = copies(given.of, given.files, Path(folder)), Path(folder, "kept")
        files = [read_pdf(path) for path in paths]
        pages = numbered(files)
        size = sum(pdf.size for pdf in files) / 1e6
        print(f"{len(files):,} files, {len(pages):,} pages, {size:.1f} MB")
        bare = measured("PDFium alone, without a file", len(pages), lambda: draw(paths))
        for word in ("images, first made", "images, kept"):
            cpu = measured(word, len(pages), lambda: [page_image(p, n, kept) for p, n in pages])
            figure(f"a page of {word}", cpu, "CPU ms", floor=bare, floor_name="PDFium alone")
        for word in ("texts, first made", "texts, kept"):
            cpu = measured(word, len(pages), lambda: [text_of(p, [n], kept) for p, n in pages])
            figure(f"a page of {word}", cpu, "CPU ms")
            _forget()
        total = sum(path.stat().st_size for path in kept.iterdir()) / 1e6
        print(f"kept: {total:.1f} MB")


def _forget() -> None:
    """Forget texts that this process has in memory: another process starts without them."""
    from pex.core.pdf import _texts

    _texts.cache_clear()


if __name__ == "__main__":
    main()
