"""The demo, and the README's own lines on what it leaves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.etl.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with a space in its name, in which the demo ran as the README says."""
    folder = tmp_path_factory.mktemp("a demo")
    assert main(["demo", "--out", str(folder / "out" / "demo")]) == 0
    return folder


def run(code: str, folder: Path) -> str:
    """What Python code prints, run in a folder without any network."""
    environment = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_lines_load_the_demo(folder: Path) -> None:
    (block,) = re.findall(r"```python\n(from datasets.*?)```", README, flags=re.DOTALL)
    found = json.loads(run(block + "\nimport json\nprint(json.dumps([x.shape, y.shape, list(d)]))", folder))
    assert found == [[51, 384], [51, 5], ["train", "validation", "test"]]


def test_every_config_loads(folder: Path) -> None:
    code = """
import json
from datasets import get_dataset_config_names, load_dataset
release = "out/demo/build/release"
print(json.dumps({name: load_dataset(release, name).num_rows for name in get_dataset_config_names(release)}))
"""
    rows = json.loads(run(code, folder).splitlines()[-1])
    assert len(rows) == 1 + 12 * 3 + 4
    assert rows["gsm8k"] == rows["gsm8k-minilm"] == {"train": 51, "validation": 6, "test": 7}
    assert rows["scores-gsm8k"] == {"train": 64 * 60}
    assert rows["models"] == {"train": 60}


def test_the_demo_runs_again_without_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(folder / "out" / "demo")
    assert main(["build", f"{out}/demo.toml", "--out", f"{out}/build"]) == 0
    *stages, made, following = capsys.readouterr().err.splitlines()
    assert {line.split(maxsplit=1)[1] for line in stages} == {"up to date"}
    assert made.endswith(f"{out}/build/release")
    assert "routerset publish" in following


def test_a_changed_byte_is_found_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = folder / "out" / "demo" / "build" / "release"
    path = release / "scores" / "arc.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    try:
        assert main(["verify", str(release)]) == 1
    finally:
        path.write_bytes(whole)
    assert "scores/arc.parquet" in capsys.readouterr().out
    assert main(["verify", str(release)]) == 0
