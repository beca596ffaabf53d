"""A release in which every checksum, count and paper was made anew after a corruption is found out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import routerset
from routerset.expectations.validate import validate
from tests.attacks.attacks import attacks
from tests.attacks.forge import Attack
from tests.attacks.target import make_release

SUITES = ("manifest", "layout", "release", "models", "items", "scores", "embeddings")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that nothing is wrong with; not to be changed."""
    return make_release(tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def all_attacks(good: Path) -> list[Attack]:
    return attacks(json.loads((good / "manifest.json").read_text("utf-8")))


def missed(tool: str, chosen: list[Attack], good: Path, folder: Path) -> list[str]:
    """Names of corruptions that a tool does not tell, or that end it."""
    tell = {"verify": routerset.verify, "validate": _validated}[tool]
    known = set(map(str, tell(good)))
    found = []
    for number, attack in enumerate(chosen):
        forged = attack.on(good, folder / str(number))
        try:
            told = set(map(str, tell(forged))) - known
        except Exception as error:
            told = set() if tool == "verify" else {str(error)}
        if not told:
            found.append(attack.name)
        shutil.rmtree(forged)
    return found


def _validated(release: Path) -> list[object]:
    outcome = validate(release, suites=SUITES)
    return [(f.suite, f.expectation, f.unexpected) for f in outcome.errors]


@pytest.mark.parametrize(
    ("tool", "step"), [("verify", 1), ("validate", 4), pytest.param("validate", 1, marks=pytest.mark.slow)]
)
def test_every_corruption_is_told(
    tool: str, step: int, all_attacks: list[Attack], good: Path, tmp_path: Path
) -> None:
    """step: of those that a tool must tell, every so many; the gate takes a second for each."""
    assert missed(tool, [a for a in all_attacks if tool in a.tools][::step], good, tmp_path) == []


def test_there_are_enough_of_them(all_attacks: list[Attack]) -> None:
    assert len({attack.name for attack in all_attacks}) == len(all_attacks) >= 250


def test_nothing_is_told_of_a_forgery_that_changes_nothing(good: Path, tmp_path: Path) -> None:
    assert missed("verify", [Attack("nothing", lambda _: None)], good, tmp_path) == ["nothing"]
