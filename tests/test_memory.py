"""What ingest holds in memory depends on the largest partition, not on the number of files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES = 1000
INGEST = """
import sys
from pathlib import Path
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
build(load_config(Path(sys.argv[1])), Path(sys.argv[2]), Runner(), lambda *_: None, "ingest")
status = Path("/proc/self/status").read_text()  # not ru_maxrss, which a new process inherits
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def peak_of_ingest(folder: Path, n_files: int) -> float:
    """MiB that a process held at most which ingests so many harness logs of 8 MB and 1000 lines each."""
    line = '{{"doc_id": {0}, "doc": {{"question": "What is {0}?"}}, "exact_match": 1.0, "resps": "{1}"}}\n'
    log = "".join(line.format(i, "x" * 8000) for i in range(LINES))
    for i in range(n_files):
        path = folder / "dumps" / f"org__model-{i}" / "samples_gsm8k_2024-01-01T00-00-00.0.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(log)
    config = folder / "x.toml"
    config.write_text('[[source]]\nformat = "lm_eval"\npath = "dumps"\n')
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(config), str(folder / "out")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from Linux's /proc")
def test_four_times_the_files_take_no_more_memory(tmp_path: Path) -> None:
    """The 192 MB that are more to read would show, were they held."""
    few, many = (peak_of_ingest(tmp_path / str(n), n) for n in (8, 32))
    assert many / few < 1.1, f"{few:.0f} MiB for 8 files, {many:.0f} MiB for 32"
