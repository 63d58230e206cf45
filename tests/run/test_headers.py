"""Headers of a provider whose values are in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

import pex
from pex.project.settings import FromEnvironment, load_settings
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.run.test_runner import experiment


def settings(project: Path, endpoint: FaultyEndpoint, value: str) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\nfree = true\n'
        f'[providers.lab.headers]\nX-Team = "research"\nX-Door = {value}\n'
    )


def test_a_headers_value_is_taken_from_a_variable_and_never_shown(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DOOR", " opensesame\n")  # a plain word: the variable makes it a key
    settings(project, endpoint, '{env = "MY_DOOR"}')
    exp = experiment(1)
    exp.run(record=False, show=False)
    assert endpoint.headers[0]["X-Door"] == "opensesame"
    assert endpoint.headers[0]["X-Team"] == "research"
    given = load_settings(project)
    assert given.providers["lab"].headers["X-Door"] == FromEnvironment(env="MY_DOOR")
    assert given.providers["lab"].variables == ["MY_DOOR"]
    doctor = pexlab("doctor", folder=project)
    exp.save(project / "experiment.yaml")
    everything = [repr(given), doctor.stdout, doctor.stderr]
    everything += [file.read_text() for file in project.rglob("*.yaml")]
    assert not [text for text in everything if "opensesame" in text]


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "MY_DOOR is not set"), ("  ", "MY_DOOR is not set"), ("a\nb-12345678", "a line break")],
)
def test_a_variable_that_is_no_header_stops_before_any_call(
    value: str | None,
    says: str,
    project: Path,
    endpoint: FaultyEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MY_DOOR", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_DOOR", value)
    settings(project, endpoint, '{env = "MY_DOOR"}')
    with pytest.raises(pex.PexError) as caught:
        experiment(1).run(record=False, show=False)
    assert "pex.toml: [providers.lab.headers] X-Door" in str(caught.value)
    assert says in str(caught.value)
    assert "12345678" not in str(caught.value)
    assert endpoint.calls == 0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{environment = "MY_DOOR"}', 'X-Door: expected a string, or { env = "NAME" } with'),
        ('{env = "MY_DOOR", x = 1}', 'X-Door: expected a string, or { env = "NAME" } with'),
        ("{}", 'X-Door: expected a string, or { env = "NAME" } with'),
        ('{env = "sk-secret-1234567"}', "X-Door: env must be the name of an environment variable"),
        ("{env = 7}", "X-Door: env must be the name of an environment variable"),
        ('["MY_DOOR"]', "X-Door: expected a string"),
        ("true", "X-Door: expected a string"),
    ],
)
def test_another_form_is_refused(
    value: str, says: str, project: Path, endpoint: FaultyEndpoint
) -> None:
    settings(project, endpoint, value)
    with pytest.raises(pex.PexError) as caught:
        load_settings(project)
    assert "pex.toml, line 6: providers.lab.headers." in str(caught.value)
    assert says in str(caught.value)
    assert "sk-secret" not in str(caught.value)
