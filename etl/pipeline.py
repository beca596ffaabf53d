"""The Beam shell: two linear pipelines with one leaf each, whose elements are batches, keys and paths.

Only Create, Reshuffle, FlatMap, GroupByKey and Map are used: the shape that every runner executes
alike. Bulk data goes through files, and every write is idempotent, since work may run more than once.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

logging.disable(logging.WARNING)  # importing Beam warns about cloud clients that nobody asked for
import apache_beam as beam  # noqa: E402 - after the line above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402 - as above

logging.disable(logging.NOTSET)

from etl.config import Runner, RunnerName  # noqa: E402 - as above

if TYPE_CHECKING:
    from distributed import LocalCluster

PARTITIONS = 64
"""Pieces of work on a Dask cluster, at most: enough for balance, few enough for a small task graph."""


def group_map(elements: Sequence, produce: Callable, reduce: Callable, runner: Runner) -> None:
    """Run `reduce(key, values)` over what `produce(element)` yields as (key, value) pairs."""
    with _beam(runner, len(elements)) as pipeline:
        (
            pipeline
            | beam.Create(list(elements))
            | beam.Reshuffle()
            | beam.FlatMap(produce)
            | beam.GroupByKey()
            | beam.MapTuple(reduce)
        )


def parallel_map(elements: Sequence, function: Callable, runner: Runner) -> None:
    """Run `function(element)` for every element."""
    with _beam(runner, len(elements)) as pipeline:
        pipeline | beam.Create(list(elements)) | beam.Reshuffle() | beam.Map(function)


class ClusterUnavailable(RuntimeError):
    """The Dask cluster cannot be reached, or lost its workers."""


@contextmanager
def _beam(runner: Runner, n: int) -> Iterator[beam.Pipeline]:
    """A pipeline that runs when the block ends. n: number of its elements."""
    for name in ("apache_beam", "distributed", "root"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if runner.name is RunnerName.DASK:
        with _dask(runner) as address:
            pipeline = _dask_pipeline(address, n)
            yield pipeline
            _run_on_dask(pipeline, address)
        return
    flags = [f"--direct_num_workers={runner.workers}"]
    if runner.workers > 1:
        flags.append("--direct_running_mode=multi_processing")
    with beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(flags)) as pipeline:
        yield pipeline


def _dask_pipeline(address: str, n: int) -> beam.Pipeline:
    from apache_beam.runners.dask.dask_runner import DaskRunner

    pieces = min(max(n, 1), PARTITIONS)
    options = PipelineOptions([f"--dask_client_address={address}", f"--dask_npartitions={pieces}"])
    return beam.Pipeline(runner=DaskRunner(), options=options)


def _run_on_dask(pipeline: beam.Pipeline, address: str) -> None:
    """Run and wait; the client is closed before its cluster, which Beam leaves to its caller."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    again = "finished work is kept: run the same command again"
    try:
        result = pipeline.run()
    except (OSError, TimeoutError) as error:
        raise ClusterUnavailable(f"{address}: expected a Dask scheduler, none answers ({error})") from error
    try:
        result.wait_until_finish()
    except KilledWorker as error:
        raise ClusterUnavailable(
            f"{address}: several workers died at the same work ({error}); {again}"
        ) from error
    except (CommClosedError, CancelledError) as error:
        raise ClusterUnavailable(f"{address}: the Dask scheduler went away ({error}); {again}") from error
    finally:
        result.client.close()


@contextmanager
def _dask(runner: Runner) -> Iterator[str]:
    """Address of the given scheduler, or of a local cluster that lives as long as the pipeline."""
    if runner.scheduler:
        yield runner.scheduler
        return
    with local_cluster(runner.workers) as cluster:
        yield cluster.scheduler_address


def local_cluster(workers: int) -> LocalCluster:
    """A scheduler and its worker processes, on loopback and free ports, until it is closed."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",  # without an address, distributed insists on port 8787
        silence_logs=logging.CRITICAL,
    )
