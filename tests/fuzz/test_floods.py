"""Memory stays bounded however many records of a file are bad, and every one of them is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.floods import FLOODS
from tests.fuzz.test_bombs import LIMIT, ROOT

SCALE = 0.01
"""Of the full size, in tests that are not slow."""
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")


def stage(name: str, folder: Path, scale: float) -> dict[str, object]:
    FLOODS[name].write(folder / "dumps", int(FLOODS[name].records * scale))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.floods", str(folder), name, str(scale)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name", ["bad lines", "bad cells of one model", "bad rows", "empty objects", "empty lists"]
)
def test_bad_records_cost_no_memory_each(tmp_path: Path, name: str) -> None:
    """One row of quarantine stands for all but the first thousand of a file, and all are counted."""
    n = int(FLOODS[name].records * SCALE)
    found = stage(name, tmp_path / "folder", SCALE)
    n_read, rows = int(str(found["n_read"])), int(str(found["rows"]))
    assert n <= n_read <= n + 2
    assert 1 <= rows <= 3 * 1001 + 1
    assert int(str(found["peak"])) < LIMIT // 2


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_memory_is_bounded_at_full_size(tmp_path: Path, name: str) -> None:
    assert int(str(stage(name, tmp_path / "folder", 1.0)["peak"])) < LIMIT
