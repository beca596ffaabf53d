"""`routerset status` of a dataset repository on a Hub that speaks real HTTP."""

from __future__ import annotations

import contextlib
import io
import json
from types import SimpleNamespace

import pytest

from routerset.etl.cli import main
from routerset.release.publish import client
from tests.publish.clients import in_process, without_waiting
from tests.publish.conftest import REPOSITORY, Versions
from tests.publish.hub_store import Action, Fault, Hub
from tests.publish.test_hub import NAME, run


def asked(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, in a fresh client of the Hub."""

    return in_process(_asked, *words)  # type: ignore[return-value]


def _asked(*words: str) -> tuple[int, str, str]:
    without_waiting()
    client.time = SimpleNamespace(sleep=lambda _: None)  # type: ignore[assignment]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["status", *words])
    return code, out.getvalue(), err.getvalue()


def facts(place: str = REPOSITORY) -> dict[str, object]:
    code, out, err = asked(place, "--format", "json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


def test_a_repository_tells_its_versions_and_the_next_command(published: Hub, versions: Versions) -> None:
    found = facts()
    assert (found["what"], found["place"], found["version"]) == ("published releases", REPOSITORY, "1.0.0")
    assert (found["cut off"], found["next"]) == ("nothing", f"routerset diff {REPOSITORY} BUILD")
    assert found["versions"] == [{"version": "1.0.0"}]
    assert run(versions.second).code == 0
    found = facts(f"{REPOSITORY}/")
    assert found["version"] == "1.1.0"
    assert found["versions"] == [{"version": "1.0.0"}, {"version": "1.1.0"}]
    assert found["next"] == f"routerset diff {REPOSITORY}@v1.0.0 {REPOSITORY}@v1.1.0"
    code, out, _ = asked(REPOSITORY)
    assert code == 0
    assert out.splitlines()[:2] == ["what: published releases", f"place: {REPOSITORY}"]
    assert max(map(len, out.splitlines())) <= 80
    published.requests.clear()
    facts()
    assert {request.method for request in published.requests} == {"GET"}


def test_what_was_cut_off_is_told(published: Hub, versions: Versions) -> None:
    published.faults.append(Fault("POST", "/commit/publish-v1.1.0", Action.ERROR, times=99))
    assert run(versions.second).code != 0
    found = facts()
    assert found["version"] == "1.0.0"
    assert found["cut off"] == "publish-v1.1.0"
    assert found["next"] == "run the last `routerset publish` again"


def test_a_repository_without_versions_says_so(hub: Hub) -> None:
    hub.add(NAME, {".gitattributes": b""})
    found = facts()
    assert (found["version"], found["versions"]) == ("none", [])
    assert found["next"] == f"routerset publish BUILD --to {REPOSITORY}"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (REPOSITORY, "found no repository, expected one that releases are published to"),
        (f"{REPOSITORY}@v1.0.0", "found a version, expected the place alone, hf://datasets/org/tiny"),
        ("hf://datasets/tiny", "expected hf://datasets/ORG/NAME"),
    ],
)
def test_what_is_no_place_is_told(hub: Hub, place: str, said: str) -> None:
    code, out, err = asked(place)
    assert (code, out) == (3, "")
    assert said in err


def test_a_hub_that_does_not_answer_is_waited_for_and_then_told(published: Hub) -> None:
    published.faults.append(Fault("GET", "/refs", Action.ERROR))
    code, out, err = asked(REPOSITORY)
    assert code == 0
    assert "version: 1.0.0" in out
    assert err
    published.faults.append(Fault("GET", "/refs", Action.ERROR, times=99))
    code, out, err = asked(REPOSITORY)
    assert (code, out) == (75, "")
    assert err.splitlines()[-1].startswith(f"routerset: {REPOSITORY}: ")
