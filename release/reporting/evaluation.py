"""What a report says, computed once from a release folder, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import hypot
from pathlib import Path

from routerset.release.evaluator import TRAINING_FREE, DataError, Release, UsageError, evaluate, load_release
from routerset.release.evaluator.results import Estimate, Row
from routerset.release.evaluator.routers import find_router
from routerset.release.evaluator.scaling import Curve, scaling_up
from routerset.release.evaluator.task import KINDS
from routerset.release.layout import scores_path
from routerset.release.manifest import Manifest, read_manifest, registry_order
from routerset.release.pools import Pool, pool_of
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.matrix import read_scores

Progress = Callable[[int, int, str], None]
PAPER, FAMILY = "paper", "family"


@dataclass(frozen=True)
class Findings:
    """Results of one release.

    method, scheme: how groups were chosen and items split in `rows` (a cell each) and `means` (over kinds).
    family, family_means: the same under the split without repeated questions, where there are two.
    curves: the scaling-up study. notes: what was left out, and of which benchmarks. pools: the models of each
    benchmark that has a curve. Benchmarks come in the paper's order.
    """

    manifest: Manifest
    benchmarks: tuple[str, ...]
    method: str
    scheme: str
    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    family: tuple[Row, ...]
    family_means: tuple[Row, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    pools: tuple[Pool, ...] = ()

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
    def routers(self) -> list[str]:
        """Routers that were evaluated, in the order in which they were named."""
        return list(dict.fromkeys(row.router for row in self.means))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep numeric libraries to one thread: matrices this small gain nothing from more (on a busy machine
    they lose a factor of three), and sums come out the same on any number of cores.
    """
    import sklearn.cluster  # noqa: F401  its OpenMP can be limited only once it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@one_thread()
def find(
    path: Path,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] = (3, 5),
    encoder: str | None = None,
    routers: Sequence[str] | None = None,
    progress: Progress = lambda done, total, label: None,
) -> Findings:
    """Evaluate a release for its report.

    routers: by default those that need no training. encoder: by default `minilm`, or else the first. A
    benchmark that cannot be evaluated (no groups of these sizes, no test items, missing scores) is left out
    with a note. progress: called with (done, total, next benchmark).

    Raises UsageError for names that this release does not have, InputError for missing files or libraries.
    """
    release, manifest = load_release(path), read_manifest(path)
    release.require(benchmarks or ())
    names = sorted({*(benchmarks or release.benchmarks)}, key=registry_order)
    wanted = list(routers or TRAINING_FREE)
    needs_vectors = {name for name in wanted if find_router(name).uses_vectors}
    if encoder is not None and not any(encoder in release.encoders(name) for name in names):
        raise UsageError(f"no vectors by encoder {encoder!r}; this release has {_listed(manifest.encoders)}")
    methods = sorted({group.method for group in release.groups}, key=lambda m: (m != PAPER, m))
    method = methods[0] if methods else PAPER
    scheme = PAPER if PAPER in manifest.schemes else manifest.schemes[0]
    schemes = (PAPER, FAMILY) if scheme == PAPER and FAMILY in manifest.schemes else (scheme,)

    notes: dict[str, list[str]] = {}

    def note(name: str, words: str) -> None:
        notes.setdefault(words, []).append(name)

    rows: dict[str, list[Row]] = {name: [] for name in schemes}
    means: dict[str, list[Row]] = {name: [] for name in schemes}
    curves: list[Curve] = []
    pools: list[Pool] = []
    for done, (name, curve) in enumerate(_curves(release, names)):
        progress(done, len(names), name)
        expected = BENCHMARKS[name].metric if name in BENCHMARKS else None
        if expected and manifest.benchmarks[name].metric != expected:
            note(
                name, f"scored by {manifest.benchmarks[name].metric}, the reference LLM of V_R by {expected}"
            )
        found = {group.m for group in release.groups_of(name, method)}
        if absent := sorted(set(sizes) - found):
            note(name, f"no {method} groups of {' or '.join(f'm = {m}' for m in absent)}")
        vectors = encoder in release.encoders(name) if encoder else bool(release.encoders(name))
        usable = [r for r in wanted if vectors or r not in needs_vectors]
        if usable != wanted:
            note(name, f"no vectors, so without {_listed(r for r in wanted if r not in usable)}")
        for side in schemes:
            if usable and found.intersection(sizes):
                try:
                    result = evaluate(
                        release,
                        usable,
                        benchmarks=[name],
                        sizes=[m for m in sizes if m in found],
                        encoder=encoder if vectors else None,
                        method=method,
                        scheme=side,
                    )
                except DataError as error:
                    note(name, f"split {side}: {_relative(error, release.path)}")
                else:
                    rows[side] += result.rows
                    means[side] += result.means
                    few = {row.m: row.n_kinds for row in result.means if row.n_kinds < len(KINDS)}
                    for m, n in few.items() if side == scheme else ():
                        note(name, f"m = {m}: means over {n} of {len(KINDS)} kinds of groups")
        try:
            curves += curve.result()
            scores = read_scores(path / scores_path(name), manifest.benchmarks[name].n_items)
            pools.append(pool_of(name, scores, manifest.seed))
        except DataError as error:
            note(name, f"scaling up: {_relative(error, release.path)}")
    progress(len(names), len(names), "")
    family, family_means = (rows[FAMILY], means[FAMILY]) if len(schemes) == 2 else ([], [])
    return Findings(
        manifest,
        tuple(names),
        method,
        scheme,
        tuple(rows[scheme]),
        tuple(means[scheme]),
        tuple(family),
        tuple(family_means),
        tuple(curves),
        tuple(f"{_listed(of)}: {words}" for words, of in notes.items()),
        tuple(pools),
    )


def _curves(release: Release, names: Sequence[str]) -> Iterator[tuple[str, Future[list[Curve]]]]:
    """Every benchmark with its scaling-up study, which is worked out beside all else that it needs."""
    with ThreadPoolExecutor(1) as beside:
        for name in names:
            yield name, beside.submit(scaling_up, release, [name])


def difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b with its 95% interval, for values from different items."""
    return _combine([(1, a), (-1, b)], 1)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """Unweighted mean of values from different items, with its 95% interval."""
    return _combine([(1, estimate) for estimate in estimates], len(estimates))


def _combine(signed: Sequence[tuple[int, Estimate]], n: int) -> Estimate:
    """The sum of signed values over n; undefined where there is no value, or one is undefined.

    Each limit combines the distances of the values to theirs as independent errors (the method of variance
    estimates recovery: Zou and Donner, Statistics in Medicine 27, 2008).
    """
    values: list[float] = []
    spans: list[tuple[float, ...]] = []
    for sign, e in signed:
        if e.value is None:
            return Estimate()
        values.append(sign * e.value)
        if e.lo is not None and e.hi is not None:
            spans.append((e.value - e.lo, e.hi - e.value)[::sign])
    if not values:
        return Estimate()
    total = sum(values) / n
    if len(spans) < len(values):
        return Estimate(total)
    below, above = (hypot(*side) / n for side in zip(*spans, strict=True))
    return Estimate.of(total, total - below, total + above)


def _relative(error: DataError, path: Path) -> str:
    """The message without the folder of the release: a report says the same wherever it was made."""
    return str(error).replace(f"{path}/", "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
