"""Every benchmark of `benchmarks/run.py` runs: at a small size, from the command line, with exit code 0."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.run import BENCHMARKS, HERE, RELEASE, SCRATCH

SECONDS = {
    "audit": "--models 40 --items 60",
    "clusters": "--workers 2 --pieces 8 --seconds .02",
    "groups": "--models 60 --items 80",
    "jsonl": "--megabytes 1 --repeat 1",
    "publish-bytes": "--models 12",
    "validate": "--share .001",
}
"""Arguments that make a benchmark a matter of seconds."""
MINUTE = {
    "costs": "--models 3",
    "embed": "--texts 8 --rounds 1 --device cpu",
    "limits": "--benchmarks ifeval --processes 1",
    "publish-rebuild": "--models 12",
    "stages": "--models 3 --layouts details_new",
    "workers": "--models 1 --texts 16 --workers 1",
}
"""Arguments that make it a matter of a minute."""
LEFT_OUT = {
    "coverage": "what it finds at a small size is chance",
    "coverage-costs": "what it finds at a small size is chance",
    "doubling": "is `stages`, twice",
    "evaluate": "needs a release with vectors",
    "full": "is `stages`, of all models",
    "groups-all": "is `groups`, of all benchmarks",
    "rasch": "has one size, of minutes",
    "routers": "needs a release with vectors",
    "twins": "has one size, of 70 million scores",
}


def run(name: str, arguments: str, scratch: Path) -> None:
    words = [str(scratch) if word == SCRATCH else word for word in BENCHMARKS[name]]
    command = [sys.executable, str(HERE / words[0]), *words[1:], *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SECONDS)
def test_a_benchmark_runs(tmp_path: Path, name: str) -> None:
    run(name, SECONDS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", MINUTE)
def test_a_benchmark_of_a_minute_runs(tmp_path: Path, name: str) -> None:
    run(name, MINUTE[name], tmp_path)


def test_every_benchmark_runs_or_is_excused() -> None:
    assert {*SECONDS, *MINUTE, *LEFT_OUT} == {*BENCHMARKS}
    assert all(RELEASE in BENCHMARKS[name] for name in LEFT_OUT if "release" in LEFT_OUT[name])
