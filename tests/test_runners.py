"""What we rely on in Beam, on a real Dask scheduler with two worker processes, and that runners agree."""

from __future__ import annotations

import functools
import hashlib
import os
import resource
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, RunnerName, load_config
from routerset.etl.pipeline import ClusterUnavailable, group_map, local_cluster, parallel_map
from tests.dumps import truth, write_config, write_items, write_wide

pytestmark = [
    # distributed leaves sockets and loops to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def dask() -> Iterator[Runner]:
    with local_cluster(2) as cluster:
        yield Runner(RunnerName.DASK, 2, cluster.scheduler_address)


@pytest.fixture(params=["direct", "dask"])
def runner(request: pytest.FixtureRequest) -> Runner:
    return Runner() if request.param == "direct" else request.getfixturevalue("dask")


def note(folder: str, word: str) -> None:
    """Leave a trace: one file per call."""
    (Path(folder) / f"{word}.{uuid.uuid4().hex}").write_text(str(os.getpid()))


def notes(folder: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in folder.iterdir())


def use_memory(folder: str) -> None:
    """Note how many pages were asked for by 200 arrays of 512 pages, of which there is one at a time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        np.ones(1 << 18)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    (Path(folder) / "pages").write_text(str(pages))


def test_a_worker_uses_again_what_memory_it_has(tmp_path: Path, dask: Runner) -> None:
    parallel_map([str(tmp_path)], use_memory, dask)
    assert int((tmp_path / "pages").read_text()) < 20 * 512


def trace(element: int, folder: str) -> None:
    note(folder, f"{element:03}")


def pairs(element: int, folder: str) -> Iterator[tuple[str, int]]:
    note(folder, f"in-{element:03}")
    for key in ("even", "all") if element % 2 == 0 else ("all",):
        yield key, element


def collect(key: str, values: list[int], folder: str) -> None:
    note(folder, f"out-{key}-" + "-".join(map(str, sorted(values))))


def test_every_element_is_mapped_once(runner: Runner, tmp_path: Path) -> None:
    parallel_map(range(70), functools.partial(trace, folder=str(tmp_path)), runner)
    assert notes(tmp_path) == [f"{i:03}" for i in range(70)]


def test_every_value_reaches_its_group_once(runner: Runner, tmp_path: Path) -> None:
    group_map(
        range(5),
        functools.partial(pairs, folder=str(tmp_path)),
        functools.partial(collect, folder=str(tmp_path)),
        runner,
    )
    assert notes(tmp_path) == [*(f"in-{i:03}" for i in range(5)), "out-all-0-1-2-3-4", "out-even-0-2-4"]


def test_no_elements_are_no_work(runner: Runner, tmp_path: Path) -> None:
    parallel_map([], functools.partial(trace, folder=str(tmp_path)), runner)
    assert notes(tmp_path) == []


def fail(element: int) -> None:
    raise ValueError(f"element {element} is bad")


def test_an_error_reaches_the_caller(runner: Runner) -> None:
    with pytest.raises(Exception, match="element 3 is bad"):
        parallel_map([3], fail, runner)


def test_two_workers_share_the_work(dask: Runner, tmp_path: Path) -> None:
    parallel_map(range(40), functools.partial(slow_trace, folder=str(tmp_path)), dask)
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 2


def slow_trace(element: int, folder: str) -> None:
    import time

    time.sleep(0.02)
    note(folder, f"{element:03}")


def die_once(element: int, folder: str) -> None:
    """Kill the worker the first time that element 3 is met."""
    mark = Path(folder) / "died"
    if element == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / f"{element:03}").touch()


def test_a_worker_that_is_killed_costs_nothing(dask: Runner, tmp_path: Path) -> None:
    parallel_map(range(6), functools.partial(die_once, folder=str(tmp_path)), dask)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"{i:03}" for i in range(6)), "died"]


def test_a_scheduler_that_is_not_there_is_named() -> None:
    import dask.config

    gone = Runner(RunnerName.DASK, 1, "tcp://127.0.0.1:1")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ClusterUnavailable, match="none answers"),
    ):
        parallel_map([1], fail, gone)


def checksums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [folder / "manifest.json", *sorted((folder / "tables").rglob("*.parquet"))]
    }


def test_dask_builds_the_same_bytes(dask: Runner, tmp_path: Path) -> None:
    known = truth(30, 25)
    for i in range(6):
        rows = slice(i * 5, i * 5 + 5)
        write_wide(tmp_path / "dumps" / f"{i}.csv", known.models[rows], known.keys, known.scores[rows])
    write_items(tmp_path / "items.csv", known.keys)
    config = load_config(write_config(tmp_path / "x.toml"))
    build(config, tmp_path / "direct", Runner(), lambda *_: None)
    build(config, tmp_path / "dask", dask, lambda *_: None)
    assert checksums(tmp_path / "dask") == checksums(tmp_path / "direct")
