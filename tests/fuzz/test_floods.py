"""Memory stays bounded however many records of a file are bad, and every one of them is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.floods import FLOODS
from tests.fuzz.test_bombs import LIMIT, ROOT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")


def stage(name: str, folder: Path, scale: float) -> dict[str, object]:
    FLOODS[name].write(folder / "dumps", int(FLOODS[name].records * scale))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.floods", str(folder), name, str(scale)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_memory_is_bounded_at_full_size(tmp_path: Path, name: str) -> None:
    started = time.monotonic()
    found = stage(name, tmp_path / "folder", 1.0)
    print(name, found, f"{time.monotonic() - started:.0f} s")
    assert int(str(found["peak"])) < LIMIT
