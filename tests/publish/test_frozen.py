"""`[groups] freeze` and `[release] previous` on the Hub: what is kept is what was published there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from routerset.etl.groups.frozen import FrozenError
from routerset.release.errors import ReleaseInputError
from tests.groups.test_frozen import NEW, OLD, make
from tests.publish.clients import in_process, without_waiting
from tests.publish.conftest import REPOSITORY
from tests.publish.hub_store import Action, Fault, Hub
from tests.publish.test_hub import run

METHODS = ("greedy", "universe")
KEPT = ("groups.parquet", "limits.parquet", "data/gsm8k/train.parquet")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the models that came first."""
    return make(tmp_path_factory.mktemp("first"), "out", range(OLD), methods=METHODS) / "release"


@pytest.fixture
def on_hub(hub: Hub, release: Path) -> Hub:
    """A Hub where it is v1.0.0."""
    assert run(release).code == 0
    hub.requests.clear()
    return hub


def after(folder: Path, freeze: str, previous: str | None) -> Path | tuple[str, int, str]:
    """A release of all models that keeps groups, or what was said, with the exit code."""
    without_waiting()
    try:
        given = range(OLD + NEW)
        return make(folder, "out", given, methods=METHODS, freeze=freeze, previous=previous) / "release"
    except (FrozenError, ReleaseInputError) as error:
        return type(error).__name__, error.exit_code, str(error)


@pytest.mark.parametrize(
    ("freeze", "previous"),
    [
        ("v1.0.0", REPOSITORY),
        ("1.0.0", f"{REPOSITORY}@v1.0.0"),
        (REPOSITORY, REPOSITORY),
        (f"{REPOSITORY}@v1.0.0", None),
    ],
)
def test_groups_published_on_the_hub_stay(
    on_hub: Hub, release: Path, tmp_path: Path, freeze: str, previous: str | None
) -> None:
    made = in_process(after, tmp_path, freeze, previous)
    assert isinstance(made, Path), made
    assert [path for path in KEPT if (made / path).read_bytes() != (release / path).read_bytes()] == []
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["release"]["version"] == ("1.1.0" if previous else "1.0.0")
    assert manifest["frozen"]["version"] == "1.0.0"
    fetched = Counter(
        r.path.split("/resolve/")[1] for r in on_hub.requests if r.method == "GET" and "/resolve/" in r.path
    )
    assert "groups.parquet" in {Path(path).name for path in fetched}
    assert set(fetched.values()) == {1}


@pytest.mark.parametrize(
    ("freeze", "previous", "error", "code", "said"),
    [
        ("v9.9.9", REPOSITORY, "ReleaseInputError", 3, "found versions v1.0.0, expected v9.9.9"),
        (f"{REPOSITORY}@v2.0.0", None, "ReleaseInputError", 3, "found versions v1.0.0, expected v2.0.0"),
        ("hf://datasets/org/nothing", None, "FrozenError", 2, "found no release 'hf://datasets/org/nothing'"),
    ],
)
def test_what_the_hub_does_not_have_is_told(
    on_hub: Hub, tmp_path: Path, freeze: str, previous: str | None, error: str, code: int, said: str
) -> None:
    told = in_process(after, tmp_path, freeze, previous)
    assert isinstance(told, tuple)
    assert told[:2] == (error, code)
    assert said in told[2]


@pytest.mark.parametrize(("times", "kept"), [(1, True), (1000, False)])
def test_groups_that_arrive_changed_are_fetched_again_and_never_kept(
    on_hub: Hub, release: Path, tmp_path: Path, times: int, kept: bool
) -> None:
    on_hub.faults.append(Fault("GET", "/resolve/.*/groups.parquet", Action.CORRUPT, times))
    made = in_process(after, tmp_path, "v1.0.0", REPOSITORY)
    if kept:
        assert isinstance(made, Path), made
        assert (made / "groups.parquet").read_bytes() == (release / "groups.parquet").read_bytes()
    else:
        assert isinstance(made, tuple)
        assert made[:2] == ("ReleaseInputError", 3)
        assert "differs from its SHA256SUMS" in made[2]
    asked = [
        request
        for request in on_hub.requests
        if "/resolve/" in request.path and "/groups.parquet" in request.path
    ]
    assert len([request for request in asked if request.method == "GET"]) == 2
