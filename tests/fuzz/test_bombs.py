"""Memory stays bounded whatever a small file claims to hold, or unfolds to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1 << 30  # bytes, with the libraries


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from Linux's /proc")
def test_memory_is_bounded(tmp_path: Path) -> None:
    """In a process of its own, whose peak is the bombs' alone; each ends in quarantine or as scores."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.bombs", str(tmp_path / "folder")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    found = {each["bomb"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert {name: each["reasons"] for name, each in found.items()} == EXPECTED
    assert {name: each["peak"] for name, each in found.items() if each["peak"] > LIMIT} == {}


EXPECTED = {
    "zip": ["unreadable_file"],
    "zip that lies about its size": ["unreadable_file"],
    "a large sample": ["malformed_row"],
    "samples that share their bytes": ["malformed_row"],
    "a log that goes on": ["malformed_row"],
    "a log of empty lists": ["malformed_row"],
    "a run of HELM": [],
    "gzip": ["unreadable_file"],
    "gzip of an endless line": ["unreadable_file"],
    "zstd of an endless line": ["unreadable_file"],
    "gzip of blank lines": ["unreadable_file"],
    "zstd of blank lines": ["unreadable_file"],
    "gzip of an endless element": ["malformed_row"],
    "zstd of an endless element": ["malformed_row"],
    "long lines": [],
    "one endless line": ["malformed_row"],
    "Parquet": ["unreadable_file"],
    "pickle": ["unreadable_file"],
}
