"""Scripts of widgets: modules, joined to one text in which no file sees what it did not import."""

import shutil
import subprocess
from pathlib import Path

import pytest

import pex
from pex.widgets import shared

PEX = Path(pex.__file__).parent
FILES = sorted(path.relative_to(PEX).as_posix() for path in PEX.rglob("*.js"))
ENTRIES = [
    "browser/browser", "evidence/form/form", "improvement/cases/review",
    "monitoring/triage/triage", "playground/widget", "rating/kernel", "rating/page",
    "widgets/grid",
]  # fmt: skip
PAGES = ["evidence/review/review_page.js", "evidence/site/site.js"]
"""The scripts of pages that are no widgets: plain files, which share nothing."""
node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def run(script: str) -> str:
    """What a script prints in Node."""
    done = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=script, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


@node
def test_a_file_has_what_it_imports_and_nothing_else(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        a='import { b, B } from "./b.js";\nimport { c } from "./c.js";\n'
        "const local = 1;\nexport default () => [b(), B, c(), typeof hidden, typeof Hidden];",
        b='import { c } from "./c.js";\nexport const B = 2;\nconst local = 2;\n'
        "export function b() {\n  return [local, c()];\n}\nfunction hidden() {}",
        c="let local = 3;\nexport async function later() {}\n"
        "export function c() {\n  return local++;\n}\nclass Hidden {}",
    )
    script = shared.script("a", files)
    assert script.count("let local = 3") == 1  # one module, however many import it
    main = script.replace("export default ", "const main = ")
    assert run(f"{main}\nconsole.log(JSON.stringify(main()))") == (
        '[[2,3],2,4,"undefined","undefined"]\n'
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": 'import { b } from "./b.js";', "b": "const b = 1;"},
         "a.js imports 'b', which b.js does not export"),
        ({"a": 'import { b } from "./b.js";'}, "a: no file b.js"),
        ({}, "script: no file a.js"),
        ({"a": 'import { b } from "./b.js";', "b": 'import { a } from "./a.js";'},
         "a circle of imports: a -> b -> a"),
        ({"a": 'import { b } from "./b.js";\nexport const c = 1;', "b": "export const [b] = [1];"},
         "b.js, line 1: expected 'import { a, b }"),
        ({"a": 'import { b } from "./b.js";\nimport { c } from "./c.js";',
          "b": "export const b = 1;\nexport const same = 1;",
          "c": "export const c = 1;\nexport function same() {}"},
         "'same' is exported by b.js and by c.js"),
        ({"a": "\n\nimport b from './b.js';"}, "a.js, line 3: expected 'import { a, b }"),
        ({"a": "export { b };"}, "got 'export { b };'"),
        ({"a": "export default 1;\nexport default 2;"}, "'default' is exported twice by a.js"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        shared.script("a", write(tmp_path, **files))
    assert message in str(caught.value)


@node
@pytest.mark.parametrize("name", FILES)
def test_each_file_is_a_module(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "module.mjs"
    copy.write_bytes((PEX / name).read_bytes())
    done = subprocess.run(
        ["node", "--check", copy], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_file_belongs_to_a_widget() -> None:
    whole = "".join(shared.script(entry) for entry in ENTRIES)
    files = [name for name in FILES if name not in PAGES]
    assert [name for name in files if f"const ${name[:-3].replace('/', '$')} =" not in whole] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_makes_no_html_of_text_and_fetches_nothing(name: str) -> None:
    script = (PEX / name).read_text("utf-8")
    for word in ("innerHTML", "insertAdjacentHTML", "fetch(", "http:", "https:", "eval("):
        assert word not in script


@pytest.mark.parametrize("entry", ENTRIES)
def test_text_becomes_html_in_one_place_only_and_nothing_is_fetched(entry: str) -> None:
    script = shared.script(entry).replace('"http://www.w3.org/2000/svg"', "")
    assert script.count("innerHTML") == 1  # HTML that Python has sanitised
    for word in ("import ", "fetch(", "http:", "https:", "eval("):
        assert word not in script
    # Its definition, in the Playground the answers as Markdown, in the browser the card.
    uses = {"browser/browser": 2, "evidence/form/form": 1, "rating/page": 1, "playground/widget": 2}
    assert script.count("sanitised(") == uses.get(entry, script.count("sanitised("))


@pytest.mark.parametrize(
    "name",
    [
        "browser/browser",
        "evidence/form/form",
        "playground/playground",
        "rating/rating",
        "widgets/grid",
    ],
)
def test_styles_fetch_nothing(name: str) -> None:
    style = shared.styles(name)
    assert "http" not in style
    assert "url(" not in style
