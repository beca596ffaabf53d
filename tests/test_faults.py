"""What goes wrong around a build: schedulers, workers, disks, signals. It completes or says why it stopped,
and the same command, run again, ends with the same bytes as a build that nothing disturbed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.pipeline import WorkFailed, parallel_map
from routerset.schemas import store
from tests.clusters import (
    Done,
    build_command,
    finish,
    free_port,
    run,
    scheduler,
    start,
    until,
    worker,
)
from tests.dumps import truth, write_items, write_wide
from tests.test_runners import checksums

N_FILES = 4
INGEST = ("--only", "ingest")
TWO_WORKERS = ("--runner", "dask", "--workers", "2")


@dataclass(frozen=True)
class Case:
    """Dumps in batches of one file each, and what their undisturbed build leaves, of ingest and in all."""

    config: Path
    ingested: dict[str, str]
    built: dict[str, str]

    def command(self, out: Path, *options: str) -> list[str]:
        return build_command(out.parent, self.config, out, *options)

    def on(self, port: int, out: Path) -> list[str]:
        """Ingest on a cluster."""
        cluster = f"tcp://127.0.0.1:{port}"
        return self.command(out, "--runner", "dask", "--scheduler", cluster, *INGEST)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("faults")
    known = truth(24, 25)
    sources = ""
    for i in range(N_FILES):
        rows = slice(i * 6, i * 6 + 6)
        write_wide(folder / f"{i}.csv", known.models[rows], known.keys, known.scores[rows])
        sources += (
            f'[[source]]\nformat = "wide"\npath = "{i}.csv"\nbenchmark = "gsm8k"\nitems = "items.csv"\n'
        )
    write_items(folder / "items.csv", known.keys)
    config = folder / "x.toml"
    config.write_text(f"{sources}[groups]\nsizes = [3, 5]\n")
    done = []
    for only in ("ingest", None):
        build(load_config(config), folder / "out", Runner(), lambda *_: None, only, lambda *_: {})
        done.append(checksums(folder / "out"))
    return Case(config, *done)


def staged(out: Path) -> int:
    """Batches that are parsed."""
    return sum(not path.name.startswith(".") for path in (out / "staging" / "shards").glob("*"))


def half_written(out: Path) -> list[Path]:
    """Temporary files, which nothing may leave behind that was not killed."""
    return sorted(out.rglob("*.tmp"))


def assert_stopped(done: Done, code: int, *words: str) -> None:
    """The command ended with this code and one last line that says these words."""
    assert done.code == code, done.said
    assert "Traceback" not in done.said
    last = done.said.splitlines()[-1]
    assert [word for word in words if word not in last] == [], last


# a Dask cluster


def test_a_scheduler_that_is_restarted_in_the_middle(case: Case, tmp_path: Path) -> None:
    port, out, go = free_port(), tmp_path / "out", tmp_path / "go"
    command = case.on(port, out)
    faults = {"hold": str(go)}
    with worker(port, tmp_path, faults=faults), worker(port, tmp_path, faults=faults):
        with scheduler(port):
            process = start(command)
            until(lambda: staged(out) == 1)
        assert_stopped(finish(process), 75, f"tcp://127.0.0.1:{port}", "scheduler went away", "same command")
        go.touch()
        with scheduler(port), worker(port, tmp_path):
            assert run(command).code == 0
    assert checksums(out) == case.ingested


def test_a_machine_of_workers_that_goes_down(case: Case, tmp_path: Path) -> None:
    """All workers are gone with their nannies: nobody will restart them."""
    port, out, go = free_port(), tmp_path / "out", tmp_path / "go"
    command = case.on(port, out)
    with scheduler(port):
        with worker(port, tmp_path, "--nworkers", "2", faults={"hold": str(go)}):
            process = start(command, PATIENCE="3")
            until(lambda: staged(out) == 1)
        assert_stopped(finish(process), 75, "has no worker", "dask worker tcp://", "same command")
        with worker(port, tmp_path):
            assert run(command).code == 0
    assert checksums(out) == case.ingested


def test_a_worker_that_runs_out_of_memory_once(case: Case, tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    faults = {"eat": 600, "once": str(tmp_path / "eaten")}
    with scheduler(port), worker(port, tmp_path, "--memory-limit", "600MB", faults=faults):
        assert run(case.on(port, out)).code == 0
    assert (tmp_path / "eaten").exists()
    assert checksums(out) == case.ingested


@pytest.mark.slow
def test_workers_that_always_run_out_of_memory(case: Case, tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    command = case.on(port, out)
    with scheduler(port, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"):
        with worker(port, tmp_path, "--memory-limit", "600MB", faults={"eat": 600}):
            assert_stopped(run(command), 75, "workers died", "memory", "same command")
        with worker(port, tmp_path):
            assert run(command).code == 0
    assert checksums(out) == case.ingested


@pytest.mark.slow
def test_workers_whose_memory_is_full_before_they_start(case: Case, tmp_path: Path) -> None:
    """Dask pauses them, and would wait forever."""
    port, out = free_port(), tmp_path / "out"
    pause = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}
    with scheduler(port):
        with worker(port, tmp_path, "--memory-limit", "50MB", environment=pause):
            done = run(case.on(port, out), PATIENCE="3")
            assert_stopped(done, 75, "all 1 workers are paused", "memory", "same command")
        with worker(port, tmp_path):
            assert run(case.on(port, out)).code == 0
    assert checksums(out) == case.ingested


def test_a_slow_worker_costs_time_alone(case: Case, tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    with scheduler(port), worker(port, tmp_path, faults={"sleep": 2}), worker(port, tmp_path):
        assert run(case.on(port, out)).code == 0
    assert checksums(out) == case.ingested  # the manifest among them, and with it the accounts
    assert staged(out) == N_FILES
    assert half_written(out) == []


# the output folder

SMALL_DISK = """
mkdir -p "$1"
mount -t tmpfs -o size="$2" tmpfs "$1" || exit 99
shift 2
"$@"
code=$?
find "$OUT" -name "*.tmp" > "$LEFT"
[ $code = 3 ] || exit 98
mount -o remount,"$ROOM" "$OUT"
"$@" && cp -R "$OUT" "$KEPT"
"""


@pytest.fixture(scope="module")
def namespaces() -> None:
    """Mounts of one's own need no root where the kernel grants user namespaces."""
    if shutil.which("unshare") is None:
        pytest.skip("needs `unshare` of util-linux, to mount a small file system")
    probe = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs none /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip(f"user namespaces are not granted here, so no small file system: {probe.stderr.strip()}")


def on_small_disk(command: list[str], out: Path, size: str, room: str) -> tuple[Done, Path, str]:
    """Run a command that shall stop with 3, and run it again with room.

    Returns what both said, a copy of `out`, and the names of what the first left half written.
    """
    kept, left = out.with_name("kept"), out.with_name("left")
    mounted = ["unshare", "-Urm", "sh", "-c", SMALL_DISK, "sh", str(out), size, *command]
    done = run(mounted, OUT=str(out), KEPT=str(kept), LEFT=str(left), ROOM=room)
    return done, kept, left.read_text() if left.exists() else "nothing ran"


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    ("size", "options"),
    [
        pytest.param("16k", INGEST, id="reading"),
        pytest.param("100k", INGEST, id="assembling"),
        pytest.param("200k", (), id="releasing"),
        pytest.param("100k", (*TWO_WORKERS, *INGEST), id="dask", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_fills_up(case: Case, tmp_path: Path, size: str, options: tuple[str, ...]) -> None:
    out = tmp_path / "out"
    done, kept, left = on_small_disk(case.command(out, *options), out, size, "size=64m")
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    (line,) = [line for line in done.said.splitlines() if line.startswith("routerset: ")]
    assert "No space left on device" in line
    assert str(out) in line
    assert "free some space there, then run the same command again" in line
    assert left == ""
    assert checksums(kept) == (case.ingested if options else case.built)


@pytest.mark.usefixtures("namespaces")
def test_a_folder_that_cannot_be_written(case: Case, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done, kept, left = on_small_disk(case.command(out, *INGEST), out, "64m,ro", "rw")
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    (line,) = [line for line in done.said.splitlines() if line.startswith("routerset: ")]
    assert "Read-only file system" in line
    assert str(out) in line
    assert "make the folder writable, or choose another --out" in line
    assert left == ""
    assert checksums(kept) == case.ingested


def write_too_much(path: str) -> None:
    """Write a file beyond the limit on file sizes of this process."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        store.write_text(Path(path), "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_an_error_of_the_system_keeps_its_meaning_on_its_way_through_beam(tmp_path: Path) -> None:
    path = tmp_path / "much.txt"
    with pytest.raises(
        WorkFailed, match=f"File too large: '{path}'; raise the limit on file sizes"
    ) as failed:
        parallel_map([str(path)], write_too_much, Runner())
    assert failed.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


# Ctrl-C


@pytest.mark.parametrize("options", [(), TWO_WORKERS], ids=["direct", "dask"])
def test_an_interrupt_from_the_keyboard(case: Case, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A terminal sends it to the program and to its workers."""
    out, go = tmp_path / "out", tmp_path / "go"
    command = case.command(out, *options, *INGEST)
    process = start(
        command,
        ROUTERSET_TEST_FAULTS=json.dumps({"hold": str(go)}),
        DASK_DISTRIBUTED__WORKER__PRELOAD='["tests.faulty_worker"]',
        ROUTERSET_TEST_PRELOAD="" if options else "tests.faulty_worker",
    )
    until(lambda: staged(out) == 1)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert_stopped(done, 130, "interrupted; the same command goes on where it stopped")
    assert run(command).code == 0
    assert checksums(out) == case.ingested
    assert half_written(out) == []
