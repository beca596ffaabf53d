"""The commands of docs/pools.md run as they stand there, and its table has every detector."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from routerset.release.auditing.detectors import DETECTORS

PAGE = (Path(__file__).resolve().parents[2] / "docs/pools.md").read_text("utf-8")


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "audit.json").read_text())["benchmarks"].values()
    assert (one["models"], one["items"]) == (12, 400)
    assert (tmp_path / "pool/audit.html").is_file()
    assert "USD per million tokens" in done.stdout


def test_the_page_has_every_question() -> None:
    table = PAGE.partition("| question | number |")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]] == [*DETECTORS]
