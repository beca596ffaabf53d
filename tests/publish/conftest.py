from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from routerset.release.build import write_release
from tests.publish.clients import Order, Publisher
from tests.publish.hub_server import serve
from tests.publish.hub_store import WRITER, Hub, Repo
from tests.release.builds import Bench, binary, model_names, options, write_build

REPOSITORY = "hf://datasets/org/tiny"
Repository = tuple[dict[str, Repo], dict[str, bytes]]


@dataclass(frozen=True)
class Versions:
    """Folders of three releases: a first one, one with one more model after it, and another first one."""

    first: Path
    second: Path
    other: Path


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Releases of a few KB; not to be changed."""
    root = tmp_path_factory.mktemp("versions")
    given = {"accounting": (), "skipped_groups": ()}

    def build(name: str, n_models: int, seed: int, previous: Path | None = None) -> Path:
        benches = [
            Bench("arc", binary(8, 12, 1), sizes=(3,)),
            Bench("gsm8k", binary(10, 12, seed)[:n_models], sizes=(), encoders={}),
        ]
        folder = write_build(root / name, benches, model_names(10))
        write_release(folder, folder / "release", options(previous=previous, **given))
        return folder / "release"

    first = build("first", 9, 2)
    return Versions(first, build("second", 10, 2, first), build("other", 9, 3))


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub for all tests, and the environment of its clients, which read it once, when they are imported."""
    changed = {
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    before = {name: os.environ.get(name) for name in (*changed, "HF_ENDPOINT", "HF_TOKEN")}
    with serve() as hub:
        os.environ.update(changed | {"HF_ENDPOINT": hub.endpoint})
        os.environ.pop("HF_TOKEN", None)
        try:
            yield hub
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _empty(server: Hub) -> Hub:
    with server.lock:
        for state in (server.repos, server.store, server.faults, server.requests):
            state.clear()
    return server


@pytest.fixture
def hub(server: Hub) -> Hub:
    """That Hub, without repositories and faults."""
    return _empty(server)


@pytest.fixture(scope="session")
def first_published(server: Hub, versions: Versions) -> Repository:
    """What the Hub holds once v1.0.0 is published."""
    _empty(server)
    told = Publisher(Order(versions.first, REPOSITORY, WRITER)).wait()
    assert told.code == 0
    return copy.deepcopy((server.repos, server.store))


@pytest.fixture
def published(hub: Hub, first_published: Repository) -> Hub:
    """A Hub with v1.0.0."""
    repos, store = copy.deepcopy(first_published)
    hub.repos.update(repos)
    hub.store.update(store)
    return hub
