"""Worker processes of a local run: what they import and know, and what becomes of a build when they die."""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

import pytest

from routerset.etl import processes
from routerset.etl.config import Runner, RunnerName
from routerset.etl.pipeline import parallel_map
from tests.clusters import ROOT, Done, build_command, finish, start
from tests.dumps import truth, write_config, write_items, write_wide
from tests.test_runners import checksums

pytestmark = [
    # distributed leaves sockets and loops to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
RUNS = {
    "direct": ("--workers", "2"),
    "dask": ("--runner", "dask", "--workers", "2"),
}
PLANTED = (
    *("numpy.py", "json.py", "pyarrow.py", "pickle.py", "socket.py", "signal.py", "struct.py", "tempfile.py"),
    *("sitecustomize.py", "usercustomize.py", "apache_beam.py", "distributed.py", "dask.py", "grpc.py"),
    *("etl/__init__.py", "schemas/__init__.py", "routerset/__init__.py", "tests/__init__.py"),
)
"""Modules that a process imports which has the working folder on its path."""
SECRETS = {
    **dict.fromkeys(
        ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "s"
    ),
    **dict.fromkeys(("GOOGLE_APPLICATION_CREDENTIALS", "GITHUB_TOKEN", "DASK_API_KEY", "SSH_AUTH_SOCK"), "s"),
    "MY_PASSWORD": "s",
}
CHILD = "'multiprocessing' in ' '.join(sys.orig_argv) or 'sdk_worker_main' in ' '.join(sys.orig_argv)"
"""Whether a process is a worker, as one can tell before it runs anything."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    known = truth(12, 25)
    write_wide(folder / "dumps" / "a.csv", known.models[:6], known.keys, known.scores[:6])
    write_wide(folder / "dumps" / "b.csv", known.models[6:], known.keys, known.scores[6:])
    write_items(folder / "items.csv", known.keys)
    return write_config(folder / "x.toml")


def ingest(config: Path, out: Path, *options: str, **environment: str) -> Done:
    """Build the first stage in the folder of `out`, within minutes."""
    command = build_command(config.parent, config, out, *options, "--only", "ingest")
    return finish(start(command, cwd=out.parent, **environment), timeout=240)


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_modules_in_the_working_folder_and_the_output_are_not_run(
    config: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    out, ran = tmp_path / "out", tmp_path / "ran"
    for folder in (tmp_path, tmp_path / "tmp"):
        for name in PLANTED:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"open({str(ran)!r}, 'a').write({name!r} + ' ')\nraise SystemExit(9)\n")
    done = ingest(config, out, *options, TMPDIR=str(tmp_path / "tmp"))
    assert not ran.exists(), ran.read_text()
    assert done.code == 0, done.said


def test_as_many_processes_as_the_work_repays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", 4)
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 64 << 30)
    assert [processes.repaid(seconds, 100) for seconds in (0, 10, 20, 60, 3600)] == [1, 1, 1, 4, 4]
    assert [processes.repaid(60, pieces) for pieces in (0, 1, 2, 3)] == [1, 1, 2, 3]
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 5 << 30)
    assert processes.repaid(60, 100) == 2  # each has 2 GiB
    monkeypatch.setattr("dask.system.CPU_COUNT", 1)
    assert processes.repaid(3600, 100) == 1


def test_much_to_read_takes_all_cores_unless_told(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    work = functools.partial(look, folder=str(tmp_path))
    for workers, seconds, expected in ((None, 0.0, 1), (None, 3600.0, 2), (1, 3600.0, 1)):
        parallel_map(range(8), functools.partial(pause, look=work), Runner(workers=workers), seconds=seconds)
        seen = [*tmp_path.iterdir()]
        assert len(seen) == expected
        for path in seen:
            path.unlink()


def pause(element: int, look: functools.partial[None]) -> None:
    """Look, and leave the other process something to do."""
    time.sleep(0.05)
    look(element)


def look(_: int, folder: str) -> None:
    """Note the environment that this process was started with, and its flags."""
    known = Path("/proc/self/environ").read_bytes().split(b"\0")
    names = sorted({text.split(b"=")[0].decode() for text in known if text} | set(os.environ))
    (Path(folder) / f"{os.getpid()}.{sys.flags.safe_path}").write_text("\n".join(names))


@pytest.mark.parametrize("runner", [Runner(workers=2), Runner(RunnerName.DASK, 2)], ids=RUNS)
def test_workers_know_no_secret_and_trust_no_folder(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = dict(os.environ)
    parallel_map(range(8), functools.partial(look, folder=str(tmp_path)), runner)
    assert dict(os.environ) == before
    seen = list(tmp_path.iterdir())
    assert seen
    for path in seen:
        names = path.read_text().split()
        assert path.name.endswith(".True")
        assert [name for name in names if name in SECRETS] == []
        assert {"PATH", "OMP_NUM_THREADS"} <= set(names)


DEATHS = {
    "exits": "os._exit(3)",
    "killed": "os.kill(os.getpid(), 9)",
    "crashes": "os.kill(os.getpid(), 11)",
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_workers_that_die_at_their_start(config: Path, tmp_path: Path, death: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import os, sys\nif {CHILD}:\n    {death}\n")
    done = ingest(config, tmp_path / "out", "--workers", "2", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.code == 75, done.said
    assert "Traceback" not in done.said
    assert "did not start" in done.said.splitlines()[-1]


DYING = """
import os, sys
from dataclasses import replace
from pathlib import Path
from routerset.etl.sources.registry import SOURCES
sound = SOURCES["wide"]
def read(dump, spec):
    mark = Path({mark!r})
    if {always} or not mark.exists():
        mark.touch()
        {death}
    return sound.read(dump, spec)
if {child}:
    SOURCES["wide"] = replace(sound, read=read)
"""


@pytest.mark.parametrize(
    ("death", "always"),
    [
        ("killed", False),
        ("crashes", False),
        pytest.param("killed", True, marks=pytest.mark.slow),
        pytest.param("exits", True, marks=pytest.mark.slow),
    ],
)
def test_workers_that_die_at_work(config: Path, tmp_path: Path, death: str, always: bool) -> None:
    mark = tmp_path / "died"
    program = DYING.format(mark=str(mark), always=always, death=DEATHS[death], child=CHILD)
    (tmp_path / "dying.py").write_text(program)
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DASK_DISTRIBUTED__WORKER__PRELOAD": '["dying"]'}
    done = ingest(config, tmp_path / "out", "--workers", "2", **paths)
    assert mark.exists()
    assert "Traceback" not in done.said
    assert done.code == (75 if always else 0), done.said
    if always:
        assert "workers died" in done.said.splitlines()[-1]


def test_any_number_of_processes_builds_the_same_bytes(config: Path, tmp_path: Path) -> None:
    found = []
    for workers in ("1", "2"):
        done = ingest(config, tmp_path / workers, "--workers", workers)
        assert done.code == 0, done.said
        said = [line for line in done.said.splitlines() if not line.startswith("ingest")]
        assert [line.split(" of at most")[0].strip() for line in said] == ["2 processes"] * (workers == "2")
        found.append(checksums(tmp_path / workers))
    assert found[0] == found[1]
