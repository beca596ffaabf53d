"""A release in which every checksum, count and paper was made anew after a corruption is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

import routerset
from routerset.etl.groups.check import check_groups
from routerset.expectations.validate import validate
from routerset.release.errors import ReleaseError
from routerset.release.files import read_checksums
from routerset.release.manifest import read_manifest
from routerset.release.reporting.check import check_report
from routerset.release.runs import check_runs
from routerset.release.vectors import check_vectors
from routerset.release.verify import CHECKS, Check, Recomputation
from routerset.release.verifying.files import verify_checksums
from routerset.release.verifying.problem import Opened, attempt
from tests.attacks.attacks import attacks
from tests.attacks.forge import Attack
from tests.attacks.target import make_release

SUITES = ("manifest", "layout", "release", "models", "items", "scores", "embeddings")

Tell = Callable[[Path], Iterable[str]]
"""What is wrong in a release, by a tool or a part of one."""


def _whole(release: Path) -> Iterator[str]:
    yield from map(str, routerset.verify(release))


def _checked(check: Check, release: Path) -> Iterator[str]:
    try:
        opened = Opened(release, read_manifest(release), read_checksums(release))
    except ReleaseError as error:
        yield str(error)
    else:
        yield from map(str, attempt("", partial(check, opened)))


def _computed(again: Recomputation, release: Path) -> Iterator[str]:
    yield from map(str, attempt("", partial(again, release)))


def _validated(release: Path, suites: Sequence[str] = SUITES) -> Iterator[str]:
    try:
        outcome = validate(release, suites=suites)
    except Exception as error:  # what the gate cannot read, it says
        yield str(error)
    else:
        yield from (f"{f.suite}, {f.expectation}: {f.unexpected}" for f in outcome.errors)


WHOLE: dict[str, list[Tell]] = {"verify": [_whole], "validate": [_validated]}
"""The tools, as one runs them."""
PARTS: dict[str, list[Tell]] = {
    "verify": [
        partial(_checked, lambda opened: verify_checksums(opened.root, opened.sums)),
        *(partial(_checked, check) for _, check in CHECKS),
        *(partial(_computed, again) for again in (check_groups, check_runs, check_vectors, check_report)),
    ],
    "validate": [partial(_validated, suites=[suite]) for suite in SUITES],
}
"""All that they do. A tool tells what one of its parts tells, and to ask the right one first costs little."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that nothing is wrong with; not to be changed."""
    return make_release(tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def all_attacks(good: Path) -> list[Attack]:
    return attacks(json.loads((good / "manifest.json").read_text("utf-8")))


def missed(tools: Sequence[Tell], chosen: Iterable[Attack], good: Path, folder: Path) -> list[str]:
    """Names of corruptions that none of some tools tells; the one that told the last is asked first."""
    known = {tell: set(tell(good)) for tell in tools}
    asked, found = list(tools), []
    for number, attack in enumerate(chosen):
        forged = attack.on(good, folder / str(number))
        teller = next((tell for tell in asked if any(p not in known[tell] for p in tell(forged))), None)
        if teller is None:
            found.append(attack.name)
        else:
            asked.remove(teller)
            asked.insert(0, teller)
        shutil.rmtree(forged)
    return found


@pytest.mark.parametrize(("tool", "step"), [("verify", 1), ("validate", 4)])
def test_every_corruption_is_told(
    tool: str, step: int, all_attacks: list[Attack], good: Path, tmp_path: Path
) -> None:
    """step: of those that a tool must tell, every so many."""
    assert missed(PARTS[tool], [a for a in all_attacks if tool in a.tools][::step], good, tmp_path) == []


@pytest.mark.parametrize(
    ("tool", "step"),
    [
        ("verify", 10),
        ("validate", 32),
        *(pytest.param(tool, 1, marks=pytest.mark.slow) for tool in ("verify", "validate")),
    ],
)
def test_a_whole_run_tells_what_its_parts_tell(
    tool: str, step: int, all_attacks: list[Attack], good: Path, tmp_path: Path
) -> None:
    """It ends with what it found, too: a shape that nobody wrote ends no check."""
    assert missed(WHOLE[tool], [a for a in all_attacks if tool in a.tools][::step], good, tmp_path) == []


def test_there_are_enough_of_them(all_attacks: list[Attack]) -> None:
    assert len({attack.name for attack in all_attacks}) == len(all_attacks) >= 250


def test_nothing_is_told_of_a_forgery_that_changes_nothing(good: Path, tmp_path: Path) -> None:
    nothing = Attack("nothing", lambda _: None)
    assert [*_whole(nothing.on(good, tmp_path / "whole"))] == []
    assert missed(PARTS["verify"], [nothing], good, tmp_path) == ["nothing"]
