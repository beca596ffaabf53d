"""Publishing withheld texts to a Hub that speaks real HTTP: never where anyone reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from routerset.release.build import write_release
from routerset.release.companion import write_companion
from tests.publish.conftest import REPOSITORY
from tests.publish.hub_store import Hub
from tests.publish.test_hub import NAME, changed, content, refused, run
from tests.release.builds import options, small_benches, write_build


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The companion of a release."""
    build = write_build(tmp_path_factory.mktemp("gated"), small_benches()[2:4])
    write_release(build, build / "release", options(accounting=(), skipped_groups=()))
    assert write_companion(build, build / "release", build / "release-gated")
    return build / "release-gated"


def test_a_new_repository_is_private(hub: Hub, gated: Path) -> None:
    told = run(gated, trusting=False)
    assert (told.code, told.message) == (0, "")
    assert hub.repos[NAME].private
    assert hub.read(NAME, "v1.0.0") == hub.read(NAME, "main") == content(gated)
    assert "loaded 1 of 1 configs" in told.steps
    hub.requests.clear()
    assert run(gated).code == 0
    assert changed(hub) == []


@pytest.mark.parametrize(("private", "gate"), [(True, False), (False, "manual"), (False, "auto")])
def test_a_private_or_gated_repository_takes_it(
    hub: Hub, gated: Path, private: bool, gate: str | bool
) -> None:
    hub.add(NAME, {".gitattributes": b""})
    hub.repos[NAME].private, hub.repos[NAME].gated = private, gate
    assert run(gated).code == 0
    assert hub.read(NAME, "v1.0.0") == content(gated)


@pytest.mark.parametrize("changes", [{}, {"dry_run": True}, {"overwrite": True}])
def test_a_public_one_is_refused_and_gets_no_byte(hub: Hub, gated: Path, changes: dict[str, object]) -> None:
    hub.add(NAME, {".gitattributes": b""})
    hub.requests.clear()
    told = run(gated, **changes)
    refused(told, 2, f"{REPOSITORY}: found a public repository without a gate", "turn on access requests")
    assert changed(hub) == []


def test_a_repository_that_becomes_public_gets_no_version(hub: Hub, gated: Path) -> None:
    assert run(gated).code == 0
    hub.repos[NAME].private = False
    refused(run(gated), 2, "found a public repository without a gate")
