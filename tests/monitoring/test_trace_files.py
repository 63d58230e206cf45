"""Which files of traces are deleted through a tracking server, and what a refusal says."""

from __future__ import annotations

import types

import pytest

from pex.core.errors import PexError
from pex.monitoring import trace_files

SERVER = "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("place", "served"),
    [
        ("mlflow-artifacts:/1/traces/tr-1/artifacts", True),
        ("mlflow-artifacts://127.0.0.1:5000/1/traces/tr-1/artifacts", True),
        ("mlflow-artifacts:/1/traces/tr-2/artifacts", False),
        ("mlflow-artifacts:/1/traces/tr-1/../tr-2/artifacts", False),
        ("mlflow-artifacts://elsewhere/1/traces/tr-1/artifacts", False),
        ("s3://bucket/1/traces/tr-1/artifacts", False),
        ("file:///srv/1/traces/tr-1/artifacts", False),
    ],
)
def test_only_a_folder_of_this_trace_alone_is_deleted_by_the_server(
    place: str, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []

    def repository(folder: str, tracking_uri: str) -> object:
        assert tracking_uri == SERVER
        return types.SimpleNamespace(
            list_artifacts=lambda: ["traces.json"], delete_artifacts=lambda: deleted.append(folder)
        )

    registry = "mlflow.store.artifact.artifact_repository_registry.get_artifact_repository"
    monkeypatch.setattr(registry, repository)
    monkeypatch.setattr(trace_files, "_places", lambda uri, ids: [("tr-1", place)])
    trace_files.delete_files(SERVER, ["tr-1"])
    assert deleted == [place.removesuffix("/artifacts")] * served
    left = trace_files.out_of_reach(SERVER, ["tr-1"])
    assert list(left.values()) == [1] * (not served)


def test_a_refusal_names_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("403 Client Error: FORBIDDEN")

    repository = types.SimpleNamespace(
        list_artifacts=lambda: ["traces.json"], delete_artifacts=refuse
    )
    registry = "mlflow.store.artifact.artifact_repository_registry.get_artifact_repository"
    monkeypatch.setattr(registry, lambda folder, tracking_uri: repository)
    place = "mlflow-artifacts:/1/traces/tr-1/artifacts"
    monkeypatch.setattr(trace_files, "_places", lambda uri, ids: [("tr-1", place)])
    with pytest.raises(PexError, match=r"'tr-1' in mlflow-artifacts:/1/traces/tr-1: 403"):
        trace_files.delete_files(SERVER, ["tr-1"])
