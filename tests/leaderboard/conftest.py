from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import Release, load_release
from tests.evaluator.releases import Fixture, random_fixture, write_release
from tests.leaderboard.handed import always, answers, hand_in

WEAK, STRONG = 0.2, 0.8
"""How often the first and the last candidate of each group are right."""


def told_apart(name: str, seed: int) -> Fixture:
    """600 items, on which each model of a group is better than the one before it."""
    fixture = random_fixture(name, n_models=12, sizes={name: 600}, ms=(3, 5), seed=seed)
    rng = np.random.default_rng(seed)
    chance = np.linspace(WEAK, STRONG, 12)[:, None]
    fixture.scores = (rng.random((12, 600)) < chance).astype(np.float32)
    fixture.groups = {key: np.linspace(0, 11, key[1]).astype(int) for key in fixture.groups}
    return fixture


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of two benchmarks, with 60 test items each."""
    folder = tmp_path_factory.mktemp("release")
    return load_release(write_release(folder, [told_apart("one", 1), told_apart("two", 2)]))


@pytest.fixture
def handed_in(opened: Release, tmp_path: Path) -> Path:
    """Three honest submissions: two that cannot be told apart, and a worse one."""
    folder = tmp_path / "submissions"
    hand_in(folder / "strong", answers(opened, always(-1)))
    hand_in(folder / "weak", answers(opened, always(0)))
    hand_in(folder / "twin", answers(opened, lambda group, item: group.m - 1 - (item == 3)))
    return folder
