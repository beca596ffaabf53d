"""Ctrl-C at any moment ends a build: with 130, one line, no traceback, and no process left behind."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clusters import ROOT, Done, build_command, finish, start, until
from tests.dumps import truth, write_config, write_items, write_wide

RUNS = {
    "direct-1": ("--only", "ingest"),
    "direct-2": ("--workers", "2", "--only", "ingest"),
    "dask-2": ("--runner", "dask", "--workers", "2", "--only", "ingest"),
}
SAID = "interrupted; the same command goes on where it stopped"
LIMIT = 15.0
"""Seconds in which a build must have ended."""


@dataclass(frozen=True)
class Case:
    """A build, and seconds that it takes from its start to its end, by runner."""

    config: Path
    takes: dict[str, float]

    def start(self, folder: Path, name: str, **environment: str) -> subprocess.Popen[str]:
        """Start a build into an empty folder, and wait until it has begun."""
        mark = folder / "started"
        command = build_command(folder, self.config, folder / "out", *RUNS[name])
        process = start(command, None, STARTED=str(mark), **environment)
        until(mark.exists)
        return process


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("interrupts")
    known = truth(12, 25)
    write_wide(folder / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(folder / "items.csv", known.keys)
    case = Case(write_config(folder / "x.toml"), {})
    for name in RUNS:
        (folder / name).mkdir()
        process = case.start(folder / name, name)
        begun = time.monotonic()
        assert finish(process).code == 0
        case.takes[name] = time.monotonic() - begun
    return case


def interrupt(process: subprocess.Popen[str], after: float, again: float | None = None) -> Done:
    """Send Ctrl-C after some seconds, as a terminal does: to a process and to all that it started."""
    time.sleep(after)
    for pause in (0.0, again):
        if pause is not None and process.poll() is None:
            time.sleep(pause)
            os.killpg(process.pid, signal.SIGINT)
    return finish(process, LIMIT)


def assert_ended(done: Done, group: int) -> None:
    """An interrupted build left one line and no process; one that was done before is no error.

    Python that has nothing left to do dies of the signal, which a shell calls 130, too.
    """
    assert "Traceback" not in done.said, done.said
    lines = [
        line for line in done.said.splitlines() if not re.match(r"ingest   running$| +2 processes of ", line)
    ]
    assert (done.code, lines) in [(0, []), (130, [SAID]), (-signal.SIGINT, [])], done.said
    until(lambda: not alive(group), 5)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def at_moments(case: Case, name: str, folder: Path, n: int, seed: int = 0) -> None:
    """Interrupt n builds, at moments spread over all that they do; every second one twice."""
    chance = random.Random(seed)
    ended = []
    for place in range(n):
        (folder / str(place)).mkdir()
        process = case.start(folder / str(place), name)
        moment = case.takes[name] * (place + chance.random()) / n
        done = interrupt(process, moment, chance.random() if place % 2 else None)
        assert_ended(done, process.pid)
        ended.append(done.code)
    assert {130, -signal.SIGINT} & set(ended), "every build was faster than the one that was timed"


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupt_at_some_moments(case: Case, tmp_path: Path, name: str) -> None:
    at_moments(case, name, tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_an_interrupt_at_many_moments(case: Case, tmp_path: Path, name: str) -> None:
    at_moments(case, name, tmp_path, 20, seed=1)


STUBBORN = """
import atexit, threading, time
from routerset.etl.stages import splits
from routerset.etl import build
def stubborn(*_):
    open({mark!r}, "w").close()
    {how}
build.STAGES = (build.replace(build.STAGES[0], run=stubborn),)
"""
HOWS = {
    "swallowed": """
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass""",
    "taken-for-an-error": """
    try:
        time.sleep(60)
    except BaseException:
        raise ValueError("a library's own words") from None""",
    "lost-where-nothing-can-be-raised": """
    class Last:
        def __del__(self):
            time.sleep(60)
    Last()""",
    "a-thread-that-goes-on": """
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)""",
    "slow-to-tidy": """
    atexit.register(time.sleep, 60)
    time.sleep(60)""",
}


@pytest.mark.parametrize("again", [None, 1.0], ids=["once", "twice"])
@pytest.mark.parametrize("how", HOWS)
def test_an_interrupt_that_a_library_keeps_for_itself(
    case: Case, tmp_path: Path, how: str, again: float | None
) -> None:
    mark = tmp_path / "at-work"
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(mark=str(mark), how=HOWS[how]))
    process = case.start(
        tmp_path, "direct-1", PYTHONPATH=f"{tmp_path}:{ROOT}", ROUTERSET_TEST_PRELOAD="stubborn"
    )
    until(mark.exists)
    begun = time.monotonic()
    done = interrupt(process, 0.3, again)
    assert done.code == 130, done.said
    assert_ended(done, process.pid)
    if again:
        assert time.monotonic() - begun < 4
