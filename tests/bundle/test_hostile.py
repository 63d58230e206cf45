"""Bundles of a stranger: each is refused with a clear error, and nothing is written."""

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pex.bundle import unpack as unpacking
from pex.bundle.manifest import FORMAT
from pex.bundle.unpack import unpack
from pex.core.errors import PexError

Change = Callable[[dict[str, bytes], dict[str, Any]], None]


def crafted(path: Path, files: dict[str, bytes], /, **changes: Any) -> Path:
    """A bundle with a right manifest, except for the changes."""
    manifest = {
        "kind": "pex-bundle", "format": FORMAT, "project": "p", "created_at": "2026-11-30",
        "versions": {}, "experiments": [], "counts": {}, "left_out": [],
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
    } | changes  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("manifest.json", json.dumps(manifest))
        for name, data in files.items():
            bundle.writestr(name, data)
    return path


def refused(folder: Path, bundle: Path, match: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(PexError, match=match):
        unpack(bundle, folder / "to")
    assert sorted(folder.iterdir()) == before


def rows(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


RUN = {
    "run_uuid": "a" * 32,
    "experiment_id": "0",
    "status": "FINISHED",
    "lifecycle_stage": "active",
}


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("files/../../out.txt", "the path leads out of its folder"),
        ("/etc/passwd", "the path leads out of its folder"),
        ("files/a\\..\\..\\b", "not a name that a file can have on every system"),
        ("files/c:/b", "not a name that a file can have on every system"),
        ("files/nul.txt", "not a name that a file can have on every system"),
        ("files/a./b", "not a name that a file can have on every system"),
        ("files/" + "a" * 1200, "not a name that a file can have on every system"),
        ("files/.git/hooks/post-checkout", "may not bring such a folder"),
        ("files/.PEX/keys.env", "may not bring such a folder"),
        ("files/mlruns/mlflow.db", "may not bring such a folder"),
        ("mlflow/files/mlflow.db", "has no such file"),
        ("ratings/keys.env", "has no such file"),
        ("keys/a", "has no such folder"),
    ],
)
def test_names(tmp_path: Path, name: str, match: str) -> None:
    refused(tmp_path, crafted(tmp_path / "b.zip", {name: b"x"}), match)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"files/pex.toml": b'[journal]\npath = "../up"\n'}, "pex.toml|journal"),
        ({"files/pex.toml": b'[journal]\npath = "s"\n', "files/s/journal.db": b"x"},
         "may not bring a database"),
        ({"files/pex.toml": b'[record]\ntracking_uri = "sqlite:///s/m.db"\n', "files/s/m.db": b"x"},
         "may not bring a database"),
        ({"files/a": b"x", "files/A": b"x"}, "the same file twice"),
        ({"files/a": b"x", "files/a/b": b"x"}, "the same place twice|the same file"),
        ({"journal/answers.jsonl": b"{]\n"}, "answers.jsonl, line 1: expected an object"),
        ({"journal/answers.jsonl": rows({"key": {"a": 1}})}, "line 1: expected an object"),
        ({"journal/answers.jsonl": rows({"key": "a"})}, "not rows of the journal"),
        ({"journal/leases.jsonl": rows({"owner": "a"})}, "not rows of the journal"),
        ({"mlflow/rows/secrets.jsonl": rows({"secret_id": "a"})}, "no such table or column"),
        ({"mlflow/rows/runs.jsonl": rows(RUN | {"x\" --": 1})}, "no such table or column"),
        ({"mlflow/rows/runs.jsonl": rows(RUN | {"artifact_uri": "s3://evil/x"})},
         "not a place in the bundle"),
        ({"mlflow/rows/runs.jsonl": rows(RUN | {"artifact_uri": "bundle:../../x"})},
         "not a place in the bundle"),
        ({"mlflow/rows/runs.jsonl": rows(RUN | {"artifact_uri": "bundle:a", "experiment_id": 99})},
         "refers to one that is missing"),
    ],
)  # fmt: skip
def test_contents(tmp_path: Path, files: dict[str, bytes], match: str) -> None:
    refused(tmp_path, crafted(tmp_path / "b.zip", files), match)


def test_links_bombs_and_changed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = crafted(tmp_path / "b.zip", {"files/a": b"x"})
    with zipfile.ZipFile(bundle) as file:
        manifest = file.read("manifest.json")
    link = zipfile.ZipInfo("files/a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", manifest)
        file.writestr(link, b"x")
    refused(tmp_path, bundle, "a link or a special file")
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", manifest)
        file.writestr("files/a", b"y")
    refused(tmp_path, bundle, "changed since it was packed")
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", manifest)
        file.writestr("files/a", b"yy")
    refused(tmp_path, bundle, "2 bytes, the manifest says 1")
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", manifest)
    refused(tmp_path, bundle, "in the manifest, but not in the bundle")
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", manifest)
        file.writestr("files/a", b"x")
        file.writestr("files/b", b"x")
    refused(tmp_path, bundle, "'files/b': not in the manifest")
    monkeypatch.setattr(unpacking, "_LARGE", 1_000_000)
    bomb = crafted(tmp_path / "bomb.zip", {"files/a": b"\0" * 5_000_000})
    refused(tmp_path, bomb, "more than 200 times as large")
    # The directory says less than what the data become.
    data = bomb.read_bytes().replace((5_000_000).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    bomb.write_bytes(data.replace(b'"size": 5000000', b'"size": 9      '))
    refused(tmp_path, bomb, "larger than it says|damaged|not a bundle|valid JSON|the manifest says")
    monkeypatch.setattr(unpacking, "MOST_FILES", 1)
    refused(tmp_path, crafted(tmp_path / "n.zip", {"files/a": b""}), "at most 1 are unpacked")


def test_manifests(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path / "no.zip", "there is no such file")
    path = tmp_path / "b.zip"
    path.write_bytes(b"PK no zip")
    refused(tmp_path, path, "not a bundle of pex")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "x")
    refused(tmp_path, path, "it has no manifest.json")
    refused(tmp_path, crafted(path, {}, format=FORMAT + 1), f"this pex reads up to {FORMAT}")
    refused(tmp_path, crafted(path, {}, kind="other"), "manifest.json: kind: ")
    refused(tmp_path, crafted(path, {}, extra=1), "manifest.json: extra: ")
    refused(tmp_path, crafted(path, {}, files={"files/a": {"size": -1, "sha256": "x"}}), "files")
    whole = crafted(path, {"files/a": b"x" * 10_000}).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, path, "not a bundle of pex")
