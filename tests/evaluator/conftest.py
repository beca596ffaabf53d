from __future__ import annotations

from pathlib import Path

import pytest

from routerset.release.evaluator import Release, load_release
from routerset.release.evaluator.routers import mlp
from tests.evaluator.releases import random_fixture, write_release


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks, one binary and one continuous, with groups by two methods and two split schemes."""
    return write_release(
        tmp_path_factory.mktemp("release"),
        [
            random_fixture("toy", methods=("paper", "greedy"), encoders=("minilm", "sbert"), ms=(3, 5, 10)),
            random_fixture("soft", binary=False, seed=1),
        ],
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Router mlp, small and hasty."""
    monkeypatch.setattr(mlp, "EPOCHS", 2)
    monkeypatch.setattr(mlp, "HIDDEN", 16)


@pytest.fixture(scope="session")
def toy(toy_folder: Path) -> Release:
    return load_release(toy_folder)
