"""Fits routers to tasks, and checks what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from .cells import Estimates, Output, Ran
from .errors import DataError, LeftOut
from .metrics import check_probabilities, choose, entropy, one_hot
from .routers import RouterRow
from .task import PAIR, CostingRouter, Floats, PolicyRouter, Router, ScoringRouter, SharedRouter, Task
from .tasks import Batch, with_everyone, with_test_scores


def learn(
    routers: Sequence[RouterRow],
    plain: Sequence[Sequence[Task]],
    batches: Sequence[Batch],
    detail: Callable[[str], None] = lambda words: None,
) -> tuple[list[RouterRow], list[Ran], list[str]]:
    """Fit routers to all tasks of a benchmark: those that ran, the cells, and which did not run, and why.

    plain: tasks of each batch, which are shown to routers as these declare. detail: told the router at work,
    and how many groups it has done.
    """
    bound = taught = plain
    if any(row.sees_test_scores for row in routers):
        bound = [with_test_scores(tasks, *of) for tasks, of in zip(plain, batches, strict=True)]
    if any(row.uses_all_models for row in routers):
        taught = [with_everyone(tasks, of[0]) for tasks, of in zip(plain, batches, strict=True)]
    tests = [items.parts["test"].scores[group] for items, groups in batches for group in groups]
    ran: list[RouterRow] = []
    outputs: list[list[Output]] = []
    left_out: list[str] = []
    n_tasks = sum(map(len, plain))
    for row in routers:
        try:
            given = bound if row.sees_test_scores else taught if row.uses_all_models else plain
            done: list[Output] = []
            detail(f"{row.name}, {n_tasks} groups")
            for output in chain.from_iterable(run_router(row, tasks) for tasks in given):
                done.append(output)
                detail(f"{row.name}, {len(done)} of {n_tasks} groups done")
            outputs.append(done)
            ran.append(row)
        except LeftOut as error:
            left_out.append(f"router {row.name}: {error}")
    every = [task for tasks in plain for task in tasks]
    of_cell = zip(*outputs, strict=True) if outputs else ((),) * len(every)
    return ran, [*zip(every, of_cell, tests, strict=True)], left_out


def run_router(row: RouterRow, tasks: Sequence[Task]) -> Iterator[Output]:
    """Fit a router to tasks of one benchmark and check what it says of each.

    tasks: with their test scores for routers that declare `sees_test_scores`, and for no others.
    Raises DataError for NaN or anything else that is not a distribution, and for a router that writes into
    its task.
    """
    try:
        yield from _outputs(row, tasks)
    except ValueError as error:
        if "read-only" not in str(error) and "WRITEABLE" not in str(error):
            raise
        raise DataError(
            f"router {row.name}: it writes into an array of its task ({error}); all routers are given the "
            "same arrays, so let it work on a copy"
        ) from error


def _outputs(row: RouterRow, tasks: Sequence[Task]) -> Iterator[Output]:
    router = row.make()
    if isinstance(router, SharedRouter):
        router.fit_all(tuple(tasks))
    for task in tasks:
        if not isinstance(router, SharedRouter):
            router = row.make()
            router.fit(task)
        probabilities = check_probabilities(router.predict_proba(task), task, row.name)
        if isinstance(router, PolicyRouter):
            policy = check_probabilities(router.policy(task), task, f"{row.name} (policy)").astype(np.float32)
        else:
            policy = one_hot(choose(probabilities, task), task.m)
        entropies = np.full(task.n_test, np.nan)
        if row.has_probabilities:
            entropies = entropy(probabilities, row.entropy_floor if task.compat else 0.0)
        priced = row.has_curve and (task.costs is not None or task.kind == PAIR)
        estimates = _estimates(router, row, task, probabilities) if priced else None
        yield Output(policy, entropies, estimates)


def _estimates(router: Router, row: RouterRow, task: Task, probabilities: Floats) -> Estimates:
    """What a router's choices under a budget follow; costs are 0 where the cell has none.

    Raises DataError for arrays that are not (n_test, m), or not finite.
    """
    known = np.zeros((task.n_test, task.m)) if task.costs is None else task.costs.test
    if known is None:
        assert task.costs is not None
        mean = np.broadcast_to(task.costs.mean, (task.n_test, task.m))
        known = router.predict_costs(task) if isinstance(router, CostingRouter) else mean
        known = _finite(known, task, row.name, "costs")
        if (known < 0).any():
            raise DataError(
                f"router {row.name!r}: it predicts a cost of {known.min():g}, expected at least 0"
            )
    if isinstance(router, ScoringRouter):
        return Estimates(_finite(router.predict_scores(task), task, row.name, "scores"), known, "scores")
    return Estimates(None, known, "draw") if row.draws else Estimates(probabilities, known, "probabilities")


def _finite(values: Floats, task: Task, router: str, what: str) -> Floats:
    found = np.asarray(values, np.float64)
    if found.shape != (task.n_test, task.m) or not np.isfinite(found).all():
        raise DataError(
            f"router {router!r} on {task.benchmark}, m={task.m}, {task.kind}: {what} of shape {found.shape}, "
            f"{int((~np.isfinite(found)).sum())} not finite; expected {(task.n_test, task.m)}, all finite"
        )
    return found
