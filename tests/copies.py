"""A copy of the project that a test may change, and Python that runs in it instead of in ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("schemas", "embed", "expectations", "release", "etl")


def copy_rooms(folder: Path) -> Path:
    """Copy the code, in the layout of an installed package; returns the folder of the rooms."""
    package = folder / "routerset"
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "routerset" / "__init__.py", package)
    return package


def run_in(folder: Path, code: str, *arguments: str) -> str:
    """What Python code prints that imports the copy in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")
