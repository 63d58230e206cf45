import pex
from pex.improvement.cases.audit import audit_cases
from tests.helpers.endpoint import completion

LONG = "My parcel has not arrived although it was sent two weeks ago, please help"


def kinds(found):
    return {finding.kind: finding for finding in found.findings}


def test_what_is_found_in_cases_alone():
    rows = [
        {"q": LONG, "expected": "a"},
        {"q": LONG.upper() + "!", "expected": "b"},
        {"q": LONG + ".", "expected": "a"},
        {"q": "write to ada@firm.org", "expected": "a"},
        *({"q": f"{chr(97 + n) * 9} thing {n * 77}", "expected": "a"} for n in range(8)),
    ]
    found = audit_cases(rows)
    assert found.count == 12
    by_kind = kinds(found)
    assert set(by_kind) == {
        "nearly equal inputs", "contradicting labels", "few cases", "personal data",
    }  # fmt: skip
    assert by_kind["few cases"].detail == "expected 'b': 1 of 12"
    personal = by_kind["personal data"]
    assert personal.detail == "e-mail address a…@….org in 'q', characters 10 to 21"
    assert "ada@firm.org" not in repr(found)
    assert "ada@firm.org" not in found._repr_html_()
    assert list(found.frame.columns) == ["kind", "case_ids", "detail", "to_do"]
    assert audit_cases([{"q": "one"}, {"q": "another"}]).summary == "2 cases: nothing found"


def test_what_is_found_with_prompts_sets_and_results(lab):
    cases = [
        {"q": f"{LONG} {number}" if number < 8 else f"{chr(97 + number) * 20} {number}",
         "expected": "a" if number % 3 else "b", "case_id": str(number)}
        for number in range(20)
    ]  # fmt: skip
    cases.append({"q": "<b>nobody</b> gets this one right", "expected": "a", "case_id": "hard"})
    prompts = [
        pex.Prompt("{{ q }}? a or b", name="one"),
        pex.Prompt(f"Like {LONG} 0. {{{{ q }}}}? a or b", name="two", examples=["1"]),
    ]

    def reply(body, number):
        text = str(body["messages"][-1]["content"])
        wrong = "nobody" in text or (text.startswith("Like") and " 9?" in text)
        known = {case["q"]: case["expected"] for case in cases}
        right = next(label for q, label in known.items() if f"{q}?" in text)
        return completion({"a": "b", "b": "a"}[right] if wrong else right)

    lab.reply = reply
    variants = pex.grid(prompts, "lab/m1", params=[{"max_tokens": 4}])
    exp = pex.Experiment("audited", variants, cases, ["label"])
    calls = lab.calls
    assert "there are no results" in audit_cases(exp).notes[0]
    assert lab.calls == calls
    exp.run(record=False)
    found = audit_cases(exp)
    by_kind = kinds(found)
    assert by_kind["in a prompt"].case_ids == ("0",)
    assert by_kind["none passes"].case_ids == ("hard",)
    # Of 21, not `9` and `hard`, and not `1`: its own prompt has no score on its example.
    assert len(by_kind["no variant fails"].case_ids) == 18
    assert "leak between sets" not in by_kind  # `pex.improve` keeps near-duplicates together
    sets = [case | {"split": "train" if n % 2 else "confirm"} for n, case in enumerate(cases)]
    leaking = kinds(audit_cases(pex.Experiment("audited", variants, sets, ["label"]), exp.results))
    assert leaking["leak between sets"].detail == "one in confirm, one in train"
    assert "&lt;b&gt;" in found._repr_html_() or "<b>" not in found._repr_html_()
    grouped = [case | {"group": "x" if n < 8 else str(n)} for n, case in enumerate(cases)]
    kept = audit_cases(pex.Experiment("audited", variants, grouped, ["label"]), exp.results)
    assert not {"leak between sets", "nearly equal inputs"} & set(kinds(kept))


SHORT = "My parcel has not arrived yet"
COPIES = [
    {"no": "17", "text": SHORT, "product": "kettle", "split": "train", "stars": "1"},
    {"no": "18", "text": "Where is the lamp?", "product": "lamp", "split": "train", "stars": "2"},
    {"no": "19", "text": SHORT, "product": "an electric toaster", "split": "test", "stars": "4"},
]
COLUMNS = {"id": "no", "group": "product"}


def asking(*texts, cases=COPIES, **options):
    variants = pex.grid([pex.Prompt(text, name=f"p{n}") for n, text in enumerate(texts)], "lab/m1")
    return pex.Experiment("copies", variants, cases, [], columns=COLUMNS, **options)


def test_copies_are_found_by_what_the_prompts_read(lab):
    """Not by the id, the group or the set, in which copies differ."""
    found = audit_cases(asking("Sort: {{ text }}"))
    assert [(f.kind, f.case_ids) for f in found.findings if f.kind != "few cases"] == [
        ("equal inputs", ("17", "19")), ("leak between sets", ("17", "19")),
    ]  # fmt: skip
    assert kinds(found)["leak between sets"].detail == "one in train, one in test"
    # What any of the prompts reads makes another case, also the group and what looks like an id.
    assert not {"equal inputs", "nearly equal inputs"} & set(
        kinds(audit_cases(asking("Sort: {{ text }}", "Of {{ product }}: {{ text }}")))
    )


def test_copies_are_found_in_a_file_without_its_experiment(tmp_path):
    """Then the columns without a role count; an id is known by its name."""
    rows = [
        "Ticket no,text,product,split",
        f"a-1,{SHORT},kettle,train",
        "a-2,Where is the lamp?,lamp,train",
        f"a-3,{SHORT},an electric toaster,test",
    ]
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(rows))
    assert audit_cases(path).findings == []  # the product may matter: nothing says it does not
    path.write_text("\n".join(row.replace(",an electric toaster", ",kettle") for row in rows))
    assert set(kinds(audit_cases(path))) == {"equal inputs", "leak between sets"}
    path.write_text("\n".join(rows))
    (tmp_path / "p.prompty").write_text("---\nname: p\n---\n{{ text }}\n")
    (tmp_path / "experiment.yaml").write_text(
        "name: e\ncases: cases.csv\ncolumns: {id: Ticket no, group: product}\n"
        "prompts: [p.prompty]\nmodels: [local/smollm2]\nscorers: []\n"
    )
    found = kinds(audit_cases(path))
    assert found["equal inputs"].case_ids == ("a-1", "a-3")


def test_a_group_in_two_sets_is_a_leak_that_names_its_cases():
    rows = [
        {"q": word * 5, "group": "Ada", "split": name, "case_id": word}
        for word, name in (("ab", "train"), ("cd", "test"), ("ef", "Test "))
    ]
    leak = kinds(audit_cases(rows))["leak between sets"]
    assert (leak.case_ids, leak.detail) == (("ab", "cd"), "group 'Ada' is in train and test")


def test_sets_that_cannot_be_made_are_a_note_and_no_finding(lab):
    """A line of a finding always begins with its cases."""
    cases = [case | {"split": "dev"} for case in COPIES]
    spoilt = asking(
        "{{ text }}", cases=[{k: v for k, v in c.items() if k != "split"} for c in cases]
    )
    spoilt._spec.splits = {"train": 2.0}
    found = audit_cases(spoilt)
    assert "leak between sets" not in kinds(found)
    assert any(note.startswith("Not checked: leaks between sets; splits") for note in found.notes)
    for audit in (found, audit_cases(asking("{{ text }}", cases=cases))):
        assert not any(line.lstrip().startswith(":") for line in repr(audit).splitlines())
