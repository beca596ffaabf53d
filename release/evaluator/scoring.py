"""Runs routers over the cells of a release and scores what they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

from . import asked
from .averages import differences_over_benchmarks, mean_over_benchmarks
from .bootstrap import RESAMPLES, resample_counts
from .by_category import CategoryScore, category_scores, without_singles
from .categories import GROUPINGS
from .cells import Ran, differences, mean_over_kinds, rows, score_cell
from .compared import with_costs
from .costed import mean_spends, spend
from .costs import CellCosts, NoCosts, find_kind, read_costs
from .curve_rows import Curve
from .errors import LeftOut, UsageError
from .holdout import YARDSTICKS, Learnt, check_sets, without_categories
from .holdout_rows import HeldOut
from .intervals import interval_note
from .items import Items, load_items
from .joining import joined
from .joining_rows import Joined
from .metrics import best_on_train
from .options import CALL, ROUTERS, check_options
from .pair_rows import LINES, Routing
from .pairing import Pair, load_pair, plan_pair, routed
from .planning import Routers, choose_encoder, plan_groups, rows_of
from .reader import Group, Release
from .results import Difference, Evaluation, Row, adjust
from .routers import TRAINING_FREE, RouterRow, find_router
from .running import learn, run_router
from .selecting import selected
from .selection_rows import Selection
from .selectors import Selector
from .task import SEEN, TRACKS, UNSEEN, Cell
from .tasks import Batch, costs_of, facts_alone, groups_without_costs, make_tasks, with_test_scores
from .tiers import TIER, TierShare, read_tiers, tier_shares
from .tracing import require_curve, require_free, traced, without_curves
from .unseen import unseen_batches


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
    pseudo_specialists: bool = False,
    covers: Callable[[Group], bool] | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
    detail: Callable[[str], None] = lambda words: None,
) -> Evaluation:
    """Score routers in every cell (benchmark x m x kind) of a release.

    routers: registered names and router classes, or a mapping from any name to a class (or function
    without arguments) that makes a router, or its row.
    benchmarks, sizes: default all. encoder: default `minilm`, or else the first one.
    method: how groups were chosen. scheme: how items were split. Default of both: the first of the release's
    manifest. compat: the reference code's quirks, by default on its own groups and split, `paper`.
    track: `seen` has routers learn from a benchmark's own items, `unseen` from those of all others that all
    candidates have a score on, less those whose question it asks too. costs: a key of `costs.COST_KINDS`:
    also curves of score over these costs, on track `unseen` over those alone that are facts of models.
    curve: also the points of one of `curve_rows.CURVES`. selector: also scores under budgets. pair: two
    models in place of the groups of a method, and how much goes to which. seed: of routers, bootstrap and
    shuffles.
    resamples: 0 for no intervals. pairs: also every difference between two routers. by: also scores by one of
    `categories.GROUPINGS`, or shares of choices by `tier`. hold_out: categories, or sets of them, `all` for
    each in turn: also what routers lose there that learn nothing of them, best_single and heuristic among
    these (track `seen`, no compat). pseudo_specialists: also how agreement with the heuristic changes when
    those of the release join each group (with costs; track `seen`, no compat, no pair). covers: only the
    groups it accepts (no pair). progress: called with (done, total,
    next benchmark); detail: with what is at work there, such as a router and its group.

    What has nothing to evaluate (an empty split; a router on texts where there are none) is left out with a
    note. Raises UsageError, a ValueError, for names this release does not have and for arguments of
    which one would have no effect beside another, InputError for missing files or libraries,
    DataError for unusable data or router outputs, LeftOut where nothing remains.
    """
    expected = "a Release, as load_release('path/to/release') gives it"
    release = asked.one("release", release, Release, expected)
    benchmarks, sizes = asked.names("benchmarks", benchmarks, "gsm8k"), asked.numbers("sizes", sizes)
    seed, resamples = asked.count("seed", seed), asked.count("resamples", resamples)
    if pair is not None:
        pair = asked.one("pair", pair, Pair, "a Pair, as in Pair('org/small', 'org/large')")
    if selector is not None:
        selector = asked.one("selector", selector, Selector, "a Selector, as in Selector('cap', (0.5, 1.5))")
    if track not in TRACKS:
        raise UsageError(f"track {track!r}: expected {' or '.join(TRACKS)}")
    if by not in (None, TIER, *GROUPINGS):
        raise UsageError(f"by {by!r}: expected one of {', '.join((*GROUPINGS, TIER))}")
    kind = None if costs is None else find_kind(costs)
    chosen = rows_of(routers)
    asked_for = {
        "costs": costs, "curve": curve, "selector": selector, "pair": pair, "hold_out": hold_out or None,
        "sizes": sizes, "method": method, "encoder": encoder, "covers": covers, "compat": compat or None,
        "pairs": pairs or None, "pseudo_specialists": pseudo_specialists or None,
    }  # fmt: skip
    given = {name for name, value in asked_for.items() if value is not None} | {f"track={track}"}
    given |= {"vectors"} if any(row.uses_vectors for row in chosen) else set()
    given |= {"two"} if len(chosen) > 1 or hold_out else set()
    check_options(given, (*CALL, *ROUTERS), str)
    if hold_out:
        chosen += [find_router(name) for name in YARDSTICKS if name not in {row.name for row in chosen}]
    require_curve(curve, chosen)
    if pair is not None:
        require_free(chosen, LINES)
    method, scheme = release.setting(method, scheme, compat)
    if pair is None:
        plan, notes = plan_groups(release, benchmarks, sizes, method, covers or (lambda group: True))
    else:
        plan, notes = plan_pair(release, pair, benchmarks)
    if curve is not None or selector is not None or pair is not None:
        notes += without_curves(chosen)
    held_sets, lacking = check_sets(release, [name for name, _ in plan], hold_out)
    notes += lacking
    wanted = _Asked(track, seed, resamples, pairs, curve, selector, pair, by)
    found = _Found()
    left_out: list[LeftOut] = []
    for done, (name, groups) in enumerate(plan):
        progress(done, len(plan), name)
        vectors = choose_encoder(release, name, encoder, chosen)
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
            if track == UNSEEN:
                paid = facts_alone(paid)
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
        ran, cells, failed = learn(chosen, plain, batches, detail)
        left_out += [LeftOut(f"{name}, {why}") for why in failed]
        if not ran or not cells:
            continue
        if held_sets:
            learnt = Learnt(items, groups, ran, cells, known)
            held, without = without_categories(
                learnt, held_sets, run_router, partial(progress, done, len(plan))
            )
            found.held_out += held
            notes += without
        if pseudo_specialists:
            try:
                more, told = joined(items, groups, ran, cells, paid)
            except LeftOut as error:
                more, told = [], [str(error)]
            found.joined += more
            notes += told
        detail("scores and intervals")
        notes += _collect(found, wanted, items, ran, cells, paid, own)
    progress(len(plan), len(plan), "")
    if left_out and not found.rows:
        raise left_out[0]
    return found.whole([*notes, *map(str, left_out)])


@dataclass(frozen=True)
class _Asked:
    """What `evaluate` was asked for beside rows."""

    track: str
    seed: int
    resamples: int
    pairs: bool
    curve: str | None
    selector: Selector | None
    pair: Pair | None
    by: str | None


@dataclass
class _Found:
    """Results so far, as in `Evaluation`."""

    rows: list[Row] = field(default_factory=list)
    means: list[Row] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    selections: list[Selection] = field(default_factory=list)
    routings: list[Routing] = field(default_factory=list)
    held_out: list[HeldOut] = field(default_factory=list)
    by_category: list[CategoryScore] = field(default_factory=list)
    by_tier: list[TierShare] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)

    def whole(self, notes: Sequence[str]) -> Evaluation:
        """All of it, with means over benchmarks, and p-values adjusted for their number."""
        overall, without = mean_over_benchmarks(self.means)
        lists = {name: tuple(values) for name, values in vars(self).items()}
        lists["differences"] = adjust(self.differences)
        return Evaluation(
            **lists,
            notes=tuple(dict.fromkeys([*notes, *without])),
            overall=overall,
            overall_differences=differences_over_benchmarks(self.differences, overall),
        )


def _collect(
    found: _Found,
    wanted: _Asked,
    items: Items,
    ran: Sequence[RouterRow],
    cells: Sequence[Ran],
    paid: Mapping[Group, CellCosts | NoCosts],
    own: Mapping[Cell, float],
) -> Iterator[str]:
    """Add the results of one benchmark's cells, and tell what has to be said of them.

    paid: costs of the groups that were asked for. own: of each cell what the candidate scores that is best on
    the benchmark's own train items, where routers learnt elsewhere.
    """
    release, name, n_test = items.release, items.benchmark, cells[0][0].n_test
    counts, intervals = resample_counts(n_test, wanted.resamples, wanted.seed), wanted.resamples > 0
    exact = counts.astype(float)  # what every cell multiplies with
    told = release.benchmarks[name]
    if intervals and (few := interval_note(n_test)):
        yield f"{name}: {few}"
    if told.reference_note:
        yield f"{name}: no V_R: {told.reference_note}"
    of_cell = {(group.m, group.kind): costs for group, costs in paid.items()}
    for _, same_size in groupby(cells, key=lambda cell: cell[0].m):
        of_size = [*same_size]
        spends = [spend(*cell, of_cell.get((cell[0].m, cell[0].kind)), ran, counts) for cell in of_size]
        kinds = [score_cell(*cell, exact, told.reference_score, release.limits) for cell in of_size]
        kinds = [replace(of, n_kinds=len(kinds), best_on_own_train=own.get(of.task.cell)) for of in kinds]
        for of, spent in zip((*kinds, mean_over_kinds(kinds)), (*spends, mean_spends(spends)), strict=True):
            scored = zip(rows(of, ran, told.reference_note), spent, strict=True)
            (found.means if of.task.kind == "mean" else found.rows).extend(
                replace(row, spending=None if costs is None else costs.estimates(n_test, intervals))
                for row, costs in scored
            )
            if wanted.pairs:
                found.differences += with_costs(differences(of, ran), spent, n_test, intervals)
        if wanted.curve is not None:
            found.curves += traced(wanted.curve, ran, of_size, of_cell)
        if wanted.selector is not None:
            found.selections += selected(wanted.selector, ran, of_size, of_cell, wanted.seed, intervals)
        if wanted.pair is not None:
            found.routings += routed(wanted.pair, ran, of_size[0], of_cell, wanted.track, intervals)
        if wanted.by == TIER:
            models = {model for task, *_ in of_size for model in task.candidates}
            found.by_tier += tier_shares(read_tiers(release, models), ran, of_size)
        elif wanted.by is not None:
            yield from without_singles(of_size[0][0])
            found.by_category += category_scores(wanted.by, items.parts["test"], ran, of_size, spends)
