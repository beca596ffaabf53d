"""The Beam shell: two linear pipelines with one leaf each, whose elements are batches, keys and paths.

Only Create, Reshuffle, FlatMap, GroupByKey and Map are used: the shape that every runner executes
alike. Bulk data goes through files, and every write is idempotent, since work may run more than once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

logging.disable(logging.WARNING)  # importing Beam warns about cloud clients that nobody asked for
import apache_beam as beam  # noqa: E402 - after the line above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402 - as above

logging.disable(logging.NOTSET)
from etl.config import Runner, RunnerName  # noqa: E402 - as above


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


@contextmanager
def _beam(runner: Runner, n: int) -> Iterator[beam.Pipeline]:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger("root").setLevel(logging.ERROR)
    if runner.name is RunnerName.DASK:
        with _dask(runner) as address:
            from apache_beam.runners.dask.dask_runner import DaskRunner

            options = PipelineOptions([f"--dask_client_address={address}", f"--dask_npartitions={max(n, 1)}"])
            with beam.Pipeline(runner=DaskRunner(), options=options) as pipeline:
                yield pipeline
        return
    flags = [f"--direct_num_workers={runner.workers}"]
    if runner.workers > 1:
        flags.append("--direct_running_mode=multi_processing")
    with beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(flags)) as pipeline:
        yield pipeline


@contextmanager
def _dask(runner: Runner) -> Iterator[str]:
    """Address of the given scheduler, or of a local cluster that lives as long as the pipeline."""
    if runner.scheduler:
        yield runner.scheduler
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=runner.workers, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
