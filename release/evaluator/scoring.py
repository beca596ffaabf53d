"""Runs routers over the cells of a release and scores what they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import chain, groupby

import numpy as np

from .averages import differences_over_benchmarks, mean_over_benchmarks
from .bootstrap import RESAMPLES, resample_counts
from .by_category import CategoryScore, category_scores, without_singles
from .categories import GROUPINGS
from .cells import Estimates, Output, differences, mean_over_kinds, rows, score_cell
from .compared import with_costs
from .costed import mean_spends, spend
from .costs import CellCosts, NoCosts, find_kind, read_costs
from .curve_rows import Curve
from .errors import DataError, InputError, LeftOut, UsageError
from .holdout import YARDSTICKS, Learnt, check_sets, without_categories
from .holdout_rows import HeldOut
from .intervals import interval_note
from .items import load_items
from .metrics import best_on_train, check_probabilities, choose, entropy, one_hot
from .pair_rows import Routing
from .pairing import Pair, load_pair, plan_pair, require_pair, routed
from .reader import Group, Release
from .results import Difference, Evaluation, Row, adjust
from .routers import TRAINING_FREE, RouterFactory, RouterRow, find_router
from .selecting import selected
from .selection_rows import Selection
from .selectors import Selector
from .task import (
    PAIR,
    SEEN,
    TRACKS,
    UNSEEN,
    Cell,
    CostingRouter,
    Floats,
    PolicyRouter,
    Router,
    ScoringRouter,
    SharedRouter,
    Task,
)
from .tasks import Batch, costs_of, groups_without_costs, make_tasks, with_everyone, with_test_scores
from .tiers import TIER, TierShare, read_tiers, tier_shares
from .tracing import require_curve, traced, without_curves
from .unseen import unseen_batches

Routers = Sequence[str | type[Router]] | Mapping[str, RouterFactory | RouterRow]


def evaluate(
    release: Release,
    routers: Routers = TRAINING_FREE,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    encoder: str | None = None,
    method: str | None = None,
    scheme: str | None = None,
    compat: bool = False,
    track: str = SEEN,
    costs: str | None = None,
    curve: str | None = None,
    selector: Selector | None = None,
    pair: Pair | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    pairs: bool = False,
    by: str | None = None,
    hold_out: str | Sequence[str | Sequence[str]] = (),
    covers: Callable[[Group], bool] = lambda group: True,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> Evaluation:
    """Score routers in every cell (benchmark x m x kind) of a release.

    routers: registered names and router classes, or a mapping from any name to a class (or function
    without arguments) that makes a router, or its row.
    benchmarks, sizes: default all. encoder: default `minilm`, or else the first one.
    method: how groups were chosen. scheme: how items were split. Default of both: the first of the release's
    manifest. compat: the reference code's quirks, by default on its own groups and split, `paper`.
    track: `seen` has routers learn from a benchmark's own items, `unseen` from those of all others that all
    candidates have a score on, less those whose question it asks too. costs: a key of `costs.COST_KINDS`:
    also curves of score over these costs (track `seen`). curve: also the points of one of
    `curve_rows.CURVES`. selector: also scores under budgets. pair: two models in place of the groups of
    a method, and how much goes to which. seed: of routers, bootstrap and shuffles.
    resamples: 0 for no intervals. pairs: also every difference between two routers. by: also scores by one of
    `categories.GROUPINGS`, or shares of choices by `tier`. hold_out: categories, or sets of them, `all` for
    each in turn: also what routers lose there that learn nothing of them, best_single and heuristic among
    these (track `seen`, no compat). covers: only the groups it accepts. progress: called with (done, total,
    next benchmark).

    What has nothing to evaluate (an empty split; a router on texts where there are none) is left out with a
    note. Raises UsageError for names this release does not have, InputError for missing files or libraries,
    DataError for unusable data or router outputs, LeftOut where nothing remains.
    """
    if track not in TRACKS or (compat and track != SEEN):
        raise UsageError(f"track {track!r}: expected {' or '.join(TRACKS)}, and no --compat but with {SEEN}")
    if costs is not None and track != SEEN:
        raise UsageError(f"costs {costs!r}: expected track {SEEN}, for costs of other benchmarks say little")
    if hold_out and (compat or track != SEEN):
        raise UsageError(f"hold out {hold_out!r}: expected track {SEEN}, and no --compat")
    if by not in (None, TIER, *GROUPINGS):
        raise UsageError(f"by {by!r}: expected one of {', '.join((*GROUPINGS, TIER))}")
    kind = None if costs is None else find_kind(costs)
    chosen = _rows(routers)
    if hold_out:
        chosen += [find_router(name) for name in YARDSTICKS if name not in {row.name for row in chosen}]
    if kind is None and (curve is not None or selector is not None):
        raise UsageError("a curve or a selector was asked for: expected costs, too")
    require_curve(curve, chosen)
    if pair is not None:
        require_pair(chosen, sizes, method)
    method, scheme = release.setting(method, scheme, compat)
    if pair is None:
        plan, notes = _plan(release, benchmarks, sizes, method, covers)
    else:
        plan, notes = plan_pair(release, pair, benchmarks)
    if curve is not None or selector is not None or pair is not None:
        notes += without_curves(chosen)
    held_sets, lacking = check_sets(release, [name for name, _ in plan], hold_out)
    notes += lacking
    held: list[HeldOut] = []
    by_category: list[CategoryScore] = []
    by_tier: list[TierShare] = []
    result_rows: list[Row] = []
    means: list[Row] = []
    compared: list[Difference] = []
    curves: list[Curve] = []
    selections: list[Selection] = []
    routings: list[Routing] = []
    left_out: list[LeftOut] = []
    for done, (name, groups) in enumerate(plan):
        progress(done, len(plan), name)
        vectors = _encoder(release, name, encoder, chosen)
        try:
            load = load_items if pair is None else load_pair
            items = load(release, name, groups, vectors, scheme)
        except LeftOut as error:
            left_out.append(error)
            continue
        if items.unscored:
            notes.append(f"{name}, m = {groups[0].m}: {items.unscored} items without all scores left out")
        known, paid = None, dict[Group, CellCosts | NoCosts]()
        if kind is not None:
            models = {model for group in groups for model in group.candidates}
            known = read_costs(release, name, models, kind)
            paid = costs_of(items, groups, known, compat and scheme == "paper")
            notes += groups_without_costs(name, paid)
            if selector is not None:
                selector.require(paid)
        made = partial(make_tasks, encoder=vectors, scheme=scheme, compat=compat, seed=seed, costs=paid)
        batches: list[Batch] = [(items, groups)]
        own: dict[Cell, float] = {}
        if track == UNSEEN:
            own = {
                task.cell: best_on_train(task)
                for task in with_test_scores(made(items, groups), items, groups)
            }
            batches = unseen_batches(items, groups, vectors, scheme)
            if absent := len(groups) - len(batches):
                left_out.append(
                    LeftOut(
                        f"{name}: {absent} of {len(groups)} cells left out: no train item of another "
                        "benchmark has scores of all their candidates"
                    )
                )
        plain = [made(*batch) for batch in batches]
        bound = taught = plain
        if any(row.sees_test_scores for row in chosen):
            bound = [with_test_scores(tasks, *of) for tasks, of in zip(plain, batches, strict=True)]
        if any(row.uses_all_models for row in chosen):
            taught = [with_everyone(tasks, of[0]) for tasks, of in zip(plain, batches, strict=True)]
        tests = [items.parts["test"].scores[g] for _, of in batches for g in of]
        ran: list[RouterRow] = []
        outputs: list[list[Output]] = []
        for row in chosen:
            try:
                given = bound if row.sees_test_scores else taught if row.uses_all_models else plain
                outputs.append([output for tasks in given for output in run_router(row, tasks)])
                ran.append(row)
            except LeftOut as error:
                left_out.append(LeftOut(f"{name}, router {row.name}: {error}"))
        if not ran or not tests:
            continue
        if held_sets:
            learnt = Learnt(items, groups, plain[0], ran, outputs, known)
            found, without = without_categories(
                learnt, held_sets, run_router, partial(progress, done, len(plan))
            )
            held += found
            notes += without
        counts = resample_counts(len(tests[0]), resamples, seed)
        cells = zip(chain(*plain), zip(*outputs, strict=True), tests, strict=True)
        told = release.benchmarks[name]
        if resamples and (few := interval_note(len(tests[0]))):
            notes.append(f"{name}: {few}")
        if told.reference_note:
            notes.append(f"{name}: no V_R: {told.reference_note}")
        of_cell = {(group.m, group.kind): costs for group, costs in paid.items()}
        for _, same_size in groupby(cells, key=lambda cell: cell[0].m):
            of_size = [*same_size]
            spends = [spend(*cell, of_cell.get((cell[0].m, cell[0].kind)), ran, counts) for cell in of_size]
            kinds = [score_cell(*cell, counts, told.reference_score, release.limits) for cell in of_size]
            kinds = [
                replace(one, n_kinds=len(kinds), best_on_own_train=own.get(one.task.cell)) for one in kinds
            ]
            mean = mean_over_kinds(kinds)
            for one, spent in zip((*kinds, mean), (*spends, mean_spends(spends)), strict=True):
                told_rows = [
                    replace(row, spending=None if of is None else of.estimates(row.n_test, resamples > 0))
                    for row, of in zip(rows(one, ran, told.reference_note), spent, strict=True)
                ]
                (means if one is mean else result_rows).extend(told_rows)
                if pairs:
                    compared += with_costs(differences(one, ran), spent, one.task.n_test, resamples > 0)
            if curve is not None:
                curves += traced(curve, ran, of_size, of_cell)
            if selector is not None:
                selections += selected(selector, ran, of_size, of_cell, seed, resamples > 0)
            if pair is not None:
                routings += routed(pair, ran, of_size[0], of_cell, track, resamples > 0)
            if by == TIER:
                models = {model for task, *_ in of_size for model in task.candidates}
                by_tier += tier_shares(read_tiers(release, models), ran, of_size)
            elif by is not None:
                notes += without_singles(of_size[0][0])
                by_category += category_scores(by, items.parts["test"], ran, of_size, spends)
    progress(len(plan), len(plan), "")
    if left_out and not result_rows:
        raise left_out[0]
    notes += dict.fromkeys(map(str, left_out))
    overall, without = mean_over_benchmarks(means)
    return Evaluation(
        tuple(result_rows),
        tuple(means),
        adjust(compared),
        tuple(dict.fromkeys([*notes, *without])),
        overall,
        differences_over_benchmarks(compared, overall),
        tuple(curves),
        tuple(selections),
        tuple(routings),
        tuple(held),
        tuple(by_category),
        tuple(by_tier),
    )


def _rows(routers: Routers) -> list[RouterRow]:
    if not isinstance(routers, Mapping):
        named = [(r, find_router(r)) if isinstance(r, str) else (r.__name__, r) for r in routers]
        routers = dict(named)
    if not routers:
        raise UsageError("no routers were named")
    return [
        _named(of, name) if isinstance(of, RouterRow) else RouterRow(name, of, name)
        for name, of in routers.items()
    ]


def _named(row: RouterRow, name: str) -> RouterRow:
    """The row under another name; what its class declares stays what it was when the row was made."""
    named = copy(row)
    object.__setattr__(named, "name", name)
    return named


def _plan(
    release: Release,
    benchmarks: Sequence[str] | None,
    sizes: Sequence[int] | None,
    method: str,
    covers: Callable[[Group], bool],
) -> tuple[list[tuple[str, list[Group]]], list[str]]:
    """Groups to evaluate together, with their benchmark, and a note for each size that a benchmark lacks.

    Where candidates may miss scores, the groups of one size are evaluated by themselves: which items count
    for them must not depend on what else is asked for.
    """
    release.require(benchmarks or ())
    methods = sorted({*(g.method for g in release.groups), *(s.method for s in release.skipped)})
    if method not in methods:
        raise UsageError(f"no groups by method {method!r}; this release has {', '.join(methods) or 'none'}")
    plan: list[tuple[str, list[Group]]] = []
    notes = []
    explained = False
    for name in dict.fromkeys(benchmarks or release.benchmarks):
        groups = release.groups_of(name, method)
        have = sorted({g.m for g in groups})
        absent = sorted(set(sizes or ()) - set(have))
        if absent or not have:
            notes.append(f"{name}: no {method} groups of m = {absent or 'any size'}; it has m = {have}")
        skipped = [s for s in release.skipped if (s.benchmark, s.method) == (name, method)]
        told = [s for s in skipped if s.m not in have and s.m in (sizes or (s.m,))]
        notes += [f"{name}: m = {s.m}, {s.kind}: {s.reason}" for s in told]
        explained |= bool(told)
        kept = [g for g in groups if (sizes is None or g.m in sizes) and covers(g)]
        apart = sorted({g.m for g in kept}) if release.min_coverage < 1 else [None]
        plan += [(name, part) for m in apart if (part := [g for g in kept if m in (None, g.m)])]
    if not plan and not explained:
        raise UsageError("nothing to evaluate: " + ("; ".join(notes) or "no group is covered"))
    return plan, notes


def _encoder(release: Release, benchmark: str, wanted: str | None, chosen: Sequence[RouterRow]) -> str | None:
    """The encoder to use, None where there is none and no router needs one."""
    available = release.encoders(benchmark)
    if wanted is not None and wanted not in available:
        raise UsageError(
            f"{benchmark}: no vectors by encoder {wanted!r}; there are {', '.join(available) or 'none'}"
        )
    needing = [row.name for row in chosen if row.uses_vectors]
    if not available and needing:
        raise InputError(
            f"{benchmark}: this release has no vectors, which {', '.join(needing)} need; "
            "leave them out of --routers, or use a release with an encoder"
        )
    return wanted or ("minilm" if "minilm" in available else next(iter(available), None))


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
