"""The grammar that is put off: notebooks are checked as before, and so are addresses."""

import subprocess
import sys

CHECK = """
import sys
{first}
import jsonschema, nbformat
print('rfc3987_syntax' in sys.modules)
cell = {{'cell_type': 'code', 'metadata': {{}}, 'source': 1, 'outputs': [], 'id': 'a b'}}
book = {{'cells': [cell], 'metadata': {{'kernelspec': 3}}, 'nbformat': 4, 'nbformat_minor': 5}}
found = [error.message for error in nbformat.validator.iter_validate(book)]
print(len(found), sorted(found))
checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
print(sorted(checker.checkers))
for address in ('http://ü.example/ä', 'no address', 'a b', '//x/%zz', 3):
    print([checker.conforms(address, kind) for kind in ('iri', 'iri-reference', 'uri')])
"""
PUT_OFF = "from pex.batch.kernels.lazy_rfc3986 import put_off; put_off()"


def printed(first: str, after: str = "") -> list[str]:
    code = CHECK.format(first=first) + after
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_notebooks_and_addresses_are_checked_as_without_it() -> None:
    built, *ordinary = printed("")
    put_off, *ours = printed(PUT_OFF)
    assert (built, put_off) == ("True", "False")
    assert ours == ordinary
    assert ours[0].startswith("2 ")
    assert "'iri', 'iri-reference'" in ours[1]


def test_whoever_imports_the_package_itself_gets_the_real_one() -> None:
    after = "import rfc3987_syntax\nprint(rfc3987_syntax.parse('iri', 'a:b').data)"
    assert printed(PUT_OFF, after)[-1] == "iri"


def test_nothing_changes_where_jsonschema_is_imported_already() -> None:
    assert printed("import jsonschema\n" + PUT_OFF)[0] == "True"
