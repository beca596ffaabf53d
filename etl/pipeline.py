"""The Beam shell: two linear pipelines with one leaf each, whose elements are batches, keys and paths.

Only Create, Reshuffle, FlatMap, GroupByKey and Map are used: the shape that every runner executes
alike. Bulk data goes through files, and every write is idempotent, since work may run more than once.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import pickle
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import ModuleType
from typing import TYPE_CHECKING

logging.disable(logging.WARNING)  # importing Beam warns about cloud clients that nobody asked for
import apache_beam as beam  # noqa: E402 - after the line above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402 - as above

logging.disable(logging.NOTSET)

from routerset.etl.processes import little_environment, memory_of, repaid  # noqa: E402 - as above
from routerset.etl.progress import say  # noqa: E402 - as above
from routerset.schemas.exits import AGAIN, TRY_LATER, exit_code, message  # noqa: E402 - as above

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

    from routerset.etl.config import Runner

PIECES, GROUPED = 1024, 64
"""Pieces of work on a Dask cluster, at most: enough for balance. One that is grouped by key costs the
scheduler tens of tasks: 200 of them took longer than 64 on 100 workers."""


PATIENCE = 60.0
"""Seconds to wait for a Dask worker that can take work."""
_UNTIDY = "ignore:resource_tracker"
"""What Python says of a program that ended at once, when it has cleaned up behind it."""
TOLD = "routerset failed: "
"""What stands before the exit code and the message of an error that crosses Beam."""


def group_map(
    elements: Sequence, produce: Callable, reduce: Callable, runner: Runner, *, seconds: float = 0.0
) -> None:
    """Run `reduce(key, values)` over what `produce(element)` yields as (key, value) pairs.

    seconds: that one process would be busy, about; it decides how many there are where `runner` does not.
    Raises WorkFailed for errors that a user can act on, and ClusterUnavailable.
    """
    with _beam(runner, min(len(elements), GROUPED), seconds) as pipeline:
        (
            pipeline
            | beam.Create([zlib.compress(pickle.dumps(element), 1) for element in elements])
            | beam.Reshuffle()
            | "produce" >> beam.FlatMap(functools.partial(_yield_or_tell, produce))
            | beam.GroupByKey()
            | "reduce" >> beam.MapTuple(functools.partial(_run_or_tell, reduce))
        )


def parallel_map(elements: Sequence, function: Callable, runner: Runner, *, seconds: float = 0.0) -> None:
    """Run `function(element)` for every element; seconds, and what is raised: as of `group_map`."""
    with _beam(runner, min(len(elements), PIECES), seconds) as pipeline:
        (
            pipeline
            | beam.Create(list(elements))
            | beam.Reshuffle()
            | "run" >> beam.Map(functools.partial(_run_or_tell, function))
        )


class ClusterUnavailable(RuntimeError):
    """The Dask cluster cannot be reached, or lost its workers."""

    exit_code = TRY_LATER


class WorkFailed(RuntimeError):
    """A worker met an error that a user can act on; `exit_code` is that error's."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def _run_or_tell(function: Callable, *values: object) -> object:
    with _telling():
        return function(*values)


def _yield_or_tell(function: Callable, packed: bytes) -> Iterator:
    """packed: an element as bytes, since Beam pickles, compresses and copies all of them several times."""
    with _telling():
        yield from function(pickle.loads(zlib.decompress(packed)))  # noqa: S301 - made by `group_map`


@contextmanager
def _telling() -> Iterator[None]:
    """Errors whose text tells exit code and message, since Beam keeps neither types nor attributes."""
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        raise RuntimeError(TOLD + json.dumps([code, message(error)])) from error


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it was raised from, and so on; a chain may lead back to itself."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain


@contextmanager
def _hearing() -> Iterator[None]:
    """Turn what `_telling` made, and whatever Beam made of it, into WorkFailed; an interrupt stays one."""
    try:
        yield
    except Exception as error:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):
            raise KeyboardInterrupt from error  # which Beam takes for an error of the work
        _, told, rest = str(error).rpartition(TOLD)
        if not told:
            raise
        (code, text), _ = json.JSONDecoder().raw_decode(rest)
        raise WorkFailed(text, code) from error


@contextmanager
def _beam(runner: Runner, pieces: int, seconds: float) -> Iterator[beam.Pipeline]:
    """A pipeline that runs when the block ends. pieces: of its work, at most. seconds: of `group_map`."""
    with _hearing():
        workers = runner.workers or repaid(seconds, pieces)
        # Beam's own way to several processes tells them all that we know, and waits forever for dead ones
        if runner.name == "dask" or workers > 1:  # a RunnerName
            with _dask(runner.scheduler, workers) as address:
                pipeline = _dask_pipeline(address, pieces)
                yield pipeline
                _run_on_dask(pipeline, address)
            return
        _quiet("apache_beam")
        with beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([])) as pipeline:
            yield pipeline


def _quiet(*names: str) -> None:
    """Silence loggers that repeat on stderr what the exceptions say."""
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _dask_pipeline(address: str, pieces: int) -> beam.Pipeline:
    from apache_beam.runners.dask.dask_runner import DaskRunner

    options = PipelineOptions([f"--dask_client_address={address}", f"--dask_npartitions={max(pieces, 1)}"])
    return beam.Pipeline(runner=DaskRunner(), options=options)


def _run_on_dask(pipeline: beam.Pipeline, address: str) -> None:
    """Run and wait; the client is closed before its cluster, which Beam leaves to its caller."""
    from distributed import KilledWorker

    try:
        result = pipeline.run()
    except (OSError, TimeoutError) as error:
        raise ClusterUnavailable(f"{address}: expected a Dask scheduler, none answers ({error})") from error
    try:
        _wait(result.client, result.futures, address)
        result.wait_until_finish()
    except KilledWorker as error:
        raise ClusterUnavailable(
            f"{address}: several workers died at the same work, as when memory is short ({error}); "
            f"give them more, or start fewer with --workers, then {AGAIN}"
        ) from error
    except (OSError, CancelledError) as error:
        raise ClusterUnavailable(
            f"{address}: the Dask scheduler went away; once it is back, {AGAIN}"
        ) from error
    finally:
        result.client.close()


def _wait(client: Client, futures: Sequence, address: str) -> None:
    """Wait for futures as long as the cluster can get on with them. Raises ClusterUnavailable."""
    from distributed import wait

    alive = time.monotonic()
    while True:
        try:
            wait(futures, timeout=min(PATIENCE / 10, 2.0))
            return
        except TimeoutError:
            states = [_state(worker) for worker in client.scheduler_info()["workers"].values()]
        if "running" in states:
            alive = time.monotonic()
        elif time.monotonic() - alive > PATIENCE:
            found = f"all {len(states)} workers are {states[0]}" if states else "it has no worker"
            raise ClusterUnavailable(
                f"{address}: {found}, expected some that take work; start one with more memory "
                f"(`dask worker {address} --nthreads 1`), then {AGAIN}"
            )


def _state(worker: dict) -> str:
    """`running` for a worker that takes work or is at work; `paused` where its memory is nearly full."""
    executing = worker.get("metrics", {}).get("task_counts", {}).get("executing", 0)
    return "running" if executing else worker["status"]


@contextmanager
def _dask(scheduler: str | None, workers: int) -> Iterator[str]:
    """Address of the given scheduler, or of a local cluster that lives as long as the pipeline."""
    _distributed()
    if scheduler:
        yield scheduler
        return
    quiet = {  # read when a process starts
        "DASK_LOGGING__DISTRIBUTED": "critical",
        "PYTHONWARNINGS": ",".join([*filter(None, [os.environ.get("PYTHONWARNINGS")]), _UNTIDY]),
    }
    say(f"         {workers} processes of at most {memory_of(workers) / 2**30:.1f} GiB each")
    with little_environment(**quiet), local_cluster(workers) as cluster:
        yield cluster.scheduler_address


def _distributed() -> ModuleType:
    """The library with its loggers silenced, which it sets up when it is imported."""
    import distributed

    _quiet("distributed", "distributed.client")  # the second has a level of its own
    return distributed


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Threads and processes started here never see Ctrl-C, which a terminal sends to all: we end them."""
    resource_tracker.ensure_running()  # the thread that starts it hears everything again afterwards
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def local_cluster(workers: int) -> LocalCluster:
    """A scheduler and its worker processes, on loopback and free ports, until it is closed.

    Workers have imported this module when it returns. Raises ClusterUnavailable where they do not start.
    """
    import dask.config

    distributed = _distributed()
    settings = {
        "distributed.worker.preload": [*dask.config.get("distributed.worker.preload"), __name__],
        "distributed.worker.memory.pause": False,  # a pause for memory of its own would never end
        # where it is set, the C library gives back every large array as soon as it is free, and the next one
        # is paid for page by page: noise floors take 1.6 times the CPU time
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    try:
        with dask.config.set(settings), _deaf_children():
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # without an address, distributed insists on port 8787
                silence_logs=logging.CRITICAL,
                death_timeout=PATIENCE,
            )
    except (OSError, RuntimeError) as error:
        raise ClusterUnavailable(f"{workers} Dask workers on this machine did not start: {error}") from error
