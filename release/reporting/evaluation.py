"""What a report says, computed once from a release folder, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from routerset.release.evaluator import TRAINING_FREE, DataError, Release, UsageError, evaluate, load_release
from routerset.release.evaluator.holdout_rows import HeldOut
from routerset.release.evaluator.intervals import interval_note
from routerset.release.evaluator.remembered import Remembered
from routerset.release.evaluator.results import Row
from routerset.release.evaluator.routers import find_router
from routerset.release.evaluator.scaling import Curve, scaling_up
from routerset.release.evaluator.task import kinds_of
from routerset.release.layout import scores_path
from routerset.release.manifest import Manifest, read_manifest, registry_order
from routerset.release.pools import Pool, pool_of
from routerset.release.reporting.costs import CostFindings, Plan, find_costs
from routerset.schemas.matrix import read_scores

Progress = Callable[[int, int, str], None]
PAPER, FAMILY = "paper", "family"
PUBLISHED_SIZES = (3, 5)
"""Group sizes of the paper's Tables 1 and 2."""


@dataclass(frozen=True)
class Findings:
    """Results of one release.

    method, scheme: how groups were chosen and items split in `rows` (a cell each) and `means` (over kinds):
    the first of the release. family, family_means: the same under the split without repeated questions, where
    there are two. published, published_means: as published, `paper` groups under the paper's split, of the
    routers that need no training; `rows` themselves where these groups come first, nothing where there are
    none. curves: the scaling-up study. notes: what was left out, and of which benchmarks. pools: the models
    of each benchmark that has a curve. costs: score over cost, in the same groups as `rows`. held_out: what
    routers lose on categories that they learn nothing of, where asked for, means over kinds. one_group: the
    (benchmark, m) of `rows` whose kinds of groups are one and the same group of LLMs. Benchmarks come in the
    paper's order.
    """

    manifest: Manifest
    benchmarks: tuple[str, ...]
    method: str
    scheme: str
    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    family: tuple[Row, ...]
    family_means: tuple[Row, ...]
    published: tuple[Row, ...]
    published_means: tuple[Row, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    pools: tuple[Pool, ...] = ()
    costs: CostFindings = field(default_factory=CostFindings)
    held_out: tuple[HeldOut, ...] = ()
    one_group: frozenset[tuple[str, int]] = frozenset()

    @property
    def repeated(self) -> dict[str, tuple[int, int]]:
        """Benchmark -> test items whose question is also in train, and all test items."""
        entries = {name: self.manifest.benchmarks[name] for name in self.benchmarks}
        return {
            name: (entry.test_items_in_train[self.scheme], entry.splits[self.scheme]["test"])
            for name, entry in entries.items()
        }

    @property
    def sizes(self) -> list[int]:
        """Group sizes that were evaluated, ascending."""
        return sorted({row.m for row in self.means})

    @property
    def published_sizes(self) -> list[int]:
        """Group sizes as published, ascending."""
        return sorted({row.m for row in self.published_means})

    @property
    def routers(self) -> list[str]:
        """Routers that were evaluated, in the order in which they were named."""
        return list(dict.fromkeys(row.router for row in self.means))


@contextmanager
def one_thread(learnt: bool) -> Iterator[None]:
    """Keep numeric libraries to one thread: matrices this small gain nothing from more (on a busy machine
    they lose a factor of three), and sums come out the same on any number of cores.

    learnt: whether a router learns; scikit-learn takes a second to load.
    """
    from threadpoolctl import threadpool_limits

    if learnt:
        import sklearn.cluster  # noqa: F401  its OpenMP can be limited only once it is loaded
    with threadpool_limits(1):
        yield


def find(
    path: Path,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] = (3, 5),
    encoder: str | None = None,
    routers: Sequence[str] | None = None,
    method: str | None = None,
    costs: str | None = None,
    hold_out: bool = False,
    progress: Progress = lambda done, total, label: None,
) -> Findings:
    """Evaluate a release for its report.

    routers: by default those that need no training. encoder: by default `minilm`, or else the first. method:
    how the groups were chosen that come first, by default the first of the release. costs: their kind, by
    default of `costs.DEFAULT_KINDS` that which most groups have. hold_out: also what routers lose on each
    category in turn that they learn nothing of. A benchmark that cannot be evaluated (no groups of these
    sizes, no test items, missing scores) is left out with a note. progress: called with (done, total, next
    benchmark).

    Raises UsageError for names that this release does not have, InputError for missing files or libraries.
    """
    release, manifest = replace(load_release(path), read=Remembered()), read_manifest(path)
    release.require(benchmarks or ())
    names = sorted({*(benchmarks or release.benchmarks)}, key=registry_order)
    wanted = list(routers or TRAINING_FREE)
    needs_vectors = {name for name in wanted if find_router(name).uses_vectors}
    if encoder is not None and not any(encoder in release.encoders(name) for name in names):
        raise UsageError(f"no vectors by encoder {encoder!r}; this release has {_listed(manifest.encoders)}")
    if method not in (None, *release.methods):
        raise UsageError(f"no groups by method {method!r}; this release has {_listed(release.methods)}")
    method, scheme = release.setting(method, None)
    sides = {_FIRST: _Side(method, scheme, tuple(wanted), tuple(sizes))}
    if scheme == PAPER and FAMILY in manifest.schemes:
        sides[FAMILY] = _Side(method, FAMILY, tuple(wanted), tuple(sizes))
    if method != PAPER and any(group.method == PAPER for group in release.groups):
        split = PAPER if PAPER in manifest.schemes else scheme
        quick = tuple(name for name in wanted if name in TRAINING_FREE)
        sides[PAPER] = _Side(PAPER, split, quick, tuple(m for m in sizes if m in PUBLISHED_SIZES))

    notes: dict[str, list[str]] = {}

    def note(name: str, words: str) -> None:
        notes.setdefault(words, []).append(name)

    rows: dict[str, list[Row]] = {_FIRST: [], FAMILY: [], PAPER: []}
    means: dict[str, list[Row]] = {_FIRST: [], FAMILY: [], PAPER: []}
    curves: list[Curve] = []
    held_out: list[HeldOut] = []
    pools: list[Pool] = []
    plans: dict[str, Plan] = {}
    learnt = not {*wanted} <= {*TRAINING_FREE} or (bool(needs_vectors) and any(map(release.encoders, names)))
    with one_thread(learnt):
        for done, (name, curve) in enumerate(_curves(release, names)):
            progress(done, len(names), name)
            entry = manifest.benchmarks[name]
            for reason in (
                entry.reference_note and f"no V_R: {entry.reference_note}",
                interval_note(entry.splits[scheme]["test"]),
            ):
                if reason:
                    note(name, reason)
            vectors = encoder in release.encoders(name) if encoder else bool(release.encoders(name))
            lacking = [r for r in wanted if r in needs_vectors and not vectors]
            if lacking:
                note(name, f"no vectors, so without {_listed(lacking)}")
            there = release.encoders(name) if vectors else []
            first = "minilm" if "minilm" in there else next(iter(there), None)  # as the evaluator takes it
            plans[name] = Plan(
                tuple(r for r in wanted if r not in lacking), encoder if vectors and encoder else first
            )
            for key, side in sides.items():
                found = {group.m for group in release.groups_of(name, side.method)}
                if key != FAMILY and (absent := sorted(set(side.sizes) - found)):
                    note(name, f"no {side.method} groups of {' or '.join(f'm = {m}' for m in absent)}")
                usable = [r for r in side.routers if r not in lacking]
                if usable and found.intersection(side.sizes):
                    try:
                        result = evaluate(
                            release,
                            usable,
                            benchmarks=[name],
                            sizes=[m for m in side.sizes if m in found],
                            encoder=encoder if vectors and needs_vectors.intersection(usable) else None,
                            method=side.method,
                            scheme=side.scheme,
                            hold_out=["all"] if hold_out and key == _FIRST else [],
                        )
                    except DataError as error:
                        note(name, f"split {side.scheme}: {_relative(error, release.path)}")
                    else:
                        rows[key] += result.rows
                        means[key] += result.means
                        held_out += result.held_out
                        every = len(kinds_of(side.method))
                        few = {row.m: row.n_kinds for row in result.means if row.n_kinds < every}
                        for m, n in few.items() if key != FAMILY else ():
                            of = "groups" if key == _FIRST else f"{side.method} groups"
                            note(name, f"m = {m}: means over {n} of {every} kinds of {of}")
            try:
                curves += curve.result()
                scores = read_scores(path / scores_path(name), manifest.benchmarks[name].n_items)
                pools.append(pool_of(name, scores, manifest.seed))
            except DataError as error:
                note(name, f"scaling up: {_relative(error, release.path)}")
        shared = _one_group(release, means[_FIRST])
        for name, m in sorted(shared):
            note(
                name,
                f"m = {m}: the kinds are one and the same group of LLMs, so means over them are of it alone",
            )
        priced = find_costs(release, plans, sizes, method, scheme, costs)
    for name, words in priced.notes:
        note(name, words.replace(f"{path}/", ""))
    progress(len(names), len(names), "")
    published = _FIRST if method == PAPER else PAPER
    return Findings(
        manifest,
        tuple(names),
        method,
        scheme,
        tuple(rows[_FIRST]),
        tuple(means[_FIRST]),
        tuple(rows[FAMILY]),
        tuple(means[FAMILY]),
        tuple(rows[published]),
        tuple(means[published]),
        tuple(curves),
        tuple(f"{_listed(dict.fromkeys(of))}: {words}" for words, of in notes.items()),
        tuple(pools),
        priced,
        tuple(of for of in held_out if of.kind == "mean"),
        shared,
    )


_FIRST = "first"


@dataclass(frozen=True)
class _Side:
    """What is evaluated together. method, scheme: how groups are chosen and items split."""

    method: str
    scheme: str
    routers: tuple[str, ...]
    sizes: tuple[int, ...]


def _one_group(release: Release, means: Sequence[Row]) -> frozenset[tuple[str, int]]:
    """Cells of which all kinds, of two or more, have the same candidates."""
    candidates: dict[tuple[str, int], list[frozenset[str]]] = {}
    for name, method in {(row.benchmark, row.method) for row in means}:
        for group in release.groups_of(name, method):
            candidates.setdefault((name, group.m), []).append(frozenset(group.candidates))
    cells = {(row.benchmark, row.m) for row in means}
    return frozenset(cell for cell in cells if len(of := candidates[cell]) > 1 and len({*of}) == 1)


def _curves(release: Release, names: Sequence[str]) -> Iterator[tuple[str, Future[list[Curve]]]]:
    """Every benchmark with its scaling-up study, which is worked out beside all else that it needs."""
    with ThreadPoolExecutor(1) as beside:
        for name in names:
            yield name, beside.submit(scaling_up, release, [name])


def _relative(error: DataError, path: Path) -> str:
    """The message without the folder of the release: a report says the same wherever it was made."""
    return str(error).replace(f"{path}/", "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
