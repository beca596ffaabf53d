"""docs/quickstart.md, as a stranger would follow it: its blocks, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from routerset.etl.config import load_config
from tests.examples import names_of, names_used, unknown

PAGE = (Path(__file__).resolve().parent.parent / "docs/quickstart.md").read_text("utf-8")


def test_the_whole_way_from_logs_to_scores(tmp_path: Path) -> None:
    bin = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}", "HF_HOME": str(tmp_path / "hf")}
    told = []
    for language, block in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL):
        command = ["bash", "-eu", "-c", block] if language == "sh" else [sys.executable, "-c", block]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        told.append(done.stdout)
    _, _, dry, built, stands, loaded, scores = told
    assert "version: 1.0.0" in stands
    assert [line.split()[:3] for line in dry.splitlines()[2:4]] == [["1", "lm_eval", "3"], ["2", "long", "1"]]
    assert re.search(r"^total +2,400 +2,400 +0 +0$", built, re.MULTILINE)
    assert "asks for help. [" in loaded
    assert re.search(r"org/\w+ 0.0\d", loaded)
    assert {"oracle*", "best_single", "support", "gsm8k"} <= set(scores.split())
    assert unknown(PAGE, names_of(tmp_path / "build/release")) == []
    assert len([*names_used(PAGE)]) > 5
    config = load_config(tmp_path / "mine.toml")
    assert config.registry["support"].range == (0.0, 10.0)
