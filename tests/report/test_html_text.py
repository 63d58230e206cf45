"""The text beside a table: every word, one line for each row, no markup, bounded."""

from pex.report.html_text import html_text

TABLE = (
    "<style>.a{color:red}</style><table><caption>Two <b>rows</b></caption>"
    "<tr><th>case</th><th>a</th></tr>"
    "<tr><td><div>one\nline</div><div>c1</div></td>"
    '<td>yes<div><span class="pex-chip">cut off</span>'
    '<span class="pex-chip">2 words</span></div></td></tr>'
    "<tr><td></td><td>&lt;script&gt;x&lt;/script&gt; &amp;amp;</td></tr></table><p>after</p>"
)


def test_a_row_is_a_line_and_the_parts_of_a_cell_stay_apart() -> None:
    assert html_text(TABLE).split("\n") == [
        "Two rows",
        "case | a",
        "one line · c1 | yes · cut off · 2 words",
        "| <script>x</script> &amp;",
        "after",
    ]


def test_it_is_bounded_and_says_so() -> None:
    text = html_text("<p>word</p>" * 100_000, max_chars=100)
    assert len(text) < 130
    assert text.endswith("… cut here.")
    picture = f'<img alt="a photo" src="data:image/png;base64,{"A" * 300_000}">'
    assert html_text(f"{picture}<p>end</p>").split() == ["a", "photo", "end"]
