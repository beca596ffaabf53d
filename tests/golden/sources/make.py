"""Writes the golden dumps of a format: `python tests/golden/sources/make.py FORMAT`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(form: str) -> None:
    """Write the dumps of all cases of a format; `files()` maps case -> file -> bytes."""
    for case, members in runpy.run_path(str(HERE / form / "make.py"))["files"]().items():
        for file, data in members.items():
            path = HERE / form / case / "dump" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
