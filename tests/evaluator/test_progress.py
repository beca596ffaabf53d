"""How far work is: a bar that moves every second for who watches, few lines in a log."""

from __future__ import annotations

import sys
import time

import pytest

from routerset.release.evaluator import Release, evaluate
from routerset.release.evaluator import progress as module
from routerset.release.evaluator.progress import Progress


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.0)


def test_a_log_has_no_line_where_nothing_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK", 60.0)
    with Progress("checking") as progress:
        for done in range(3):
            progress(done, 3, f"suite {done}")
    assert capsys.readouterr().err == ""


def test_a_log_tells_what_takes_long_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("checking") as progress:
        progress(1, 3, "scores\x1b[31m")
        time.sleep(0.4)
        progress.detail("ninety")
        time.sleep(0.4)
    assert capsys.readouterr().err.splitlines() == [
        "checking scores\\x1b[31m (2 of 3)",
        "checking scores\\x1b[31m: ninety (2 of 3)",
    ]


def test_a_bar_moves_by_itself_and_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("verifying") as progress:
        progress(1, 2, "tables " * 40)
        time.sleep(0.4)
        progress.note("a note")
    drawn = capsys.readouterr().err.split("\r\x1b[K")
    assert len(drawn) > 4
    assert drawn[1].startswith("[############            ] 1/2 0s verifying tables ")
    assert max(map(len, drawn)) < 80
    assert "a note\n" in drawn
    assert drawn[-1] == ""


def test_an_error_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), Progress("verifying") as progress:
        raise ValueError("x")
    assert not progress._thread.is_alive()


def test_an_evaluation_tells_every_router_and_its_groups(toy: Release) -> None:
    told: list[str] = []
    evaluate(toy, ["oracle", "knn"], benchmarks=["toy"], sizes=[3], resamples=0, detail=told.append)
    n = sum(words.startswith("knn") for words in told) - 1
    assert n >= 1
    assert told[0] == f"oracle, {n} groups"
    assert f"knn, {n} of {n} groups done" in told
    assert told[-1] == "scores and intervals"
