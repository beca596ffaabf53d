"""The scaling-up study: accuracy of r_o(p) by number of candidates (RouterEval, section 3, Figure 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .everyone import read_matrix
from .plain import plain
from .reader import Release
from .results import Value
from .task import Scores

PROBABILITIES = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)
SUBSETS = 100
STEP = 256  # models whose running maximum is taken together


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy of r_o(p) on random subsets of m models, for every m from 1 to the pool.

    profile: (pool,) mean over items of the best, second best, ... score: means over all subsets depend on it
    alone. oracle, chance: (SUBSETS, pool) mean score of the best and of a uniformly drawn member of random
    subsets, for their spread; column m - 1 holds subsets of m models, nested along each row. Every r_o(p) is
    p x oracle + (1 - p) x chance.
    """

    benchmark: str
    reference_model: str | None
    reference_score: float | None
    profile: npt.NDArray[np.float64]
    oracle: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]

    @property
    def pool(self) -> int:
        """Number of models that cover every item."""
        return int(self.oracle.shape[1])

    def mean(self, p: float, sizes: Iterable[int]) -> npt.NDArray[np.float64]:
        """Accuracy of r_o(p), mean over all subsets of some m, exactly."""
        best = np.array([expected_best(self.profile, m) for m in sizes])
        return np.asarray(p * best + (1 - p) * self.profile.mean())

    def mean_and_band(self, p: float, sizes: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.float64], ...]:
        """Mean over all subsets of some m, and the 2.5th and 97.5th percentile over SUBSETS of them."""
        drawn = (p * self.oracle + (1 - p) * self.chance)[:, sizes - 1]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        return self.mean(p, sizes.tolist()), low, high

    def to_dict(self) -> dict[str, Value | list[int] | dict[str, list[float]]]:
        """Means at about 60 sizes, evenly spaced in log m."""
        sizes = spread_sizes(self.pool).tolist()
        curves = {f"{p:g}": self.mean(p, sizes).round(6).tolist() for p in PROBABILITIES}
        return {
            "benchmark": self.benchmark,
            "pool": self.pool,
            "subsets": len(self.oracle),
            "reference_model": self.reference_model,
            "reference_score": self.reference_score,
            "m": sizes,
            "accuracy": curves,
        }

    def rows(self, sizes_of: Callable[[int], Iterable[int]]) -> Iterator[dict[str, Value]]:
        """The same flat, a row for each size of a pool; accuracy of r_o(p) as `accuracy_p`."""
        told = {k: v for k, v in self.to_dict().items() if isinstance(v, str | int | float | None)}
        sizes = [int(m) for m in sizes_of(self.pool)]
        means = zip(*(self.mean(p, sizes).round(6).tolist() for p in PROBABILITIES), strict=True)
        for m, row in zip(sizes, means, strict=True):
            yield {
                **told,
                "m": m,
                **{f"accuracy_{p:g}": mean for p, mean in zip(PROBABILITIES, row, strict=True)},
            }


def score_profile(scores: Scores) -> npt.NDArray[np.float64]:
    """(models,) mean over items of the best score, of the second best, and so on. scores: (models, items)."""
    n_models, n_items = scores.shape
    if ((scores == 0) | (scores == 1)).all():
        right = np.bincount(scores.sum(axis=0).astype(np.intp), minlength=n_models + 1)
        return np.asarray(np.cumsum(right[:0:-1])[::-1] / n_items)
    means = np.zeros(n_models)
    for start in range(0, n_items, STEP):
        means += np.sort(scores[:, start : start + STEP], axis=0)[::-1].sum(axis=1, dtype=np.float64)
    return np.asarray(means / n_items)


def expected_best(profile: npt.NDArray[np.float64], m: int) -> float:
    """Mean over all subsets of m models of the mean best score of an item.

    The r-th best of N models is the best of C(N - r, m - 1) of the C(N, m) subsets. For scores of 0 and 1
    that is 1 - mean of C(N - c, m) / C(N, m), c being the models that have an item right.
    """
    others = np.arange(1, len(profile))[::-1]
    shares = np.concatenate([[1.0], np.cumprod(np.maximum(others - m + 1, 0) / others)])
    return float(shares @ profile * m / len(profile))


def spread_sizes(pool: int, points: int = 60) -> npt.NDArray[np.intp]:
    """Distinct sizes from 1 to `pool`, about evenly spaced in log m."""
    return np.unique(np.rint(np.geomspace(1, pool, points)).astype(np.intp))


def table_sizes(pool: int) -> list[int]:
    """The m that tables show: 1, 2, 3, 5, 10, ... and the whole pool."""
    return [*(m for m in (1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000) if m < pool), pool]


def scaling_up(
    release: Release,
    benchmarks: Sequence[str] | None = None,
    *,
    subsets: int = SUBSETS,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> list[Curve]:
    """One Curve per benchmark, from `scores/`, over all of its items.

    Raises UsageError for a benchmark that this release does not have, InputError, DataError.
    """
    release.require(benchmarks or ())
    names = list(benchmarks or release.benchmarks)
    curves = []
    for done, name in enumerate(names):
        progress(done, len(names), name)
        scores = read_scores(release, name)
        drawn = random_subsets(scores, subsets, np.random.default_rng(seed))
        info = release.benchmarks[name]
        curves.append(Curve(name, info.reference_model, info.reference_score, score_profile(scores), *drawn))
    progress(len(names), len(names), "")
    return curves


def read_scores(release: Release, benchmark: str) -> Scores:
    """Score matrix (models, items) of the models that cover every item, by model id.

    Raises DataError if no model does, a model has two scores for an item, or a row is none of a score.
    """
    matrix = read_matrix(release, benchmark).scores
    covering = ~np.isnan(matrix).any(axis=1)
    if not covering.any():
        path = release.path / "scores" / f"{benchmark}.parquet"
        raise DataError(f"{path}: no model covers all {matrix.shape[1]} items")
    return matrix if covering.all() else matrix[covering]


def random_subsets(
    scores: Scores, subsets: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Oracle and chance accuracy, (subsets, models) each, of the first m of `subsets` random permutations.

    scores: (models, items). Any prefix of a random permutation is a random subset, so one running maximum
    gives all sizes at once; 0/1 scores are packed 64 to a word. A few hundred models often reach what all
    together do, and the rest of a permutation adds nothing.
    """
    n_models, n_items = scores.shape
    binary = bool(((scores == 0) | (scores == 1)).all())
    better = np.bitwise_or if binary else np.maximum
    rows = _packed(scores) if binary else scores
    best = better.reduce(rows, axis=0)
    means = scores.mean(axis=1, dtype=np.float64)
    oracle = np.empty((subsets, n_models))
    chance = np.empty_like(oracle)
    for subset in range(subsets):
        order = rng.permutation(n_models)
        reached = np.zeros_like(best)
        for start in range(0, n_models, STEP):
            chosen = rows[order[start : start + STEP]]
            chosen[0] = better(chosen[0], reached)
            running = better.accumulate(chosen, axis=0)
            oracle[subset, start : start + STEP] = _mean_score(running, n_items, binary)
            reached = running[-1]
            if (reached == best).all():
                oracle[subset, start + STEP :] = _mean_score(best[None], n_items, binary)
                break
        chance[subset] = np.cumsum(means[order]) / np.arange(1, n_models + 1)
    return oracle, chance


def _packed(scores: Scores) -> npt.NDArray[np.uint64]:
    """0/1 scores (models, items), 64 items to a word, the last one filled up with zeros."""
    bits = np.packbits(scores.astype(bool), axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def _mean_score(rows: npt.NDArray[np.generic], n_items: int, binary: bool) -> npt.NDArray[np.float64]:
    """Mean score of every row, packed where `binary`."""
    if binary:
        return np.asarray(np.bitwise_count(rows).sum(axis=1, dtype=np.int64) / n_items)
    return np.asarray(rows.mean(axis=1, dtype=np.float64))


def scaling_table(curves: Sequence[Curve]) -> str:
    """Mean accuracy at the m of `table_sizes`, at most 80 characters wide."""
    lines = []
    for curve in curves:
        reference = (
            ""
            if curve.reference_score is None
            else f"  {plain(curve.reference_model)}: {curve.reference_score:.3f}"
        )
        lines += ["", f"{curve.benchmark}  pool of {curve.pool} models{reference}"]
        lines.append(f"  {'m':>5}" + "".join(f"{f'p={p:g}':>8}" for p in PROBABILITIES))
        sizes = table_sizes(curve.pool)
        means = zip(*(curve.mean(p, sizes).tolist() for p in PROBABILITIES), strict=True)
        for m, row in zip(sizes, means, strict=True):
            lines.append(f"  {m:>5}" + "".join(f"{mean:>8.3f}" for mean in row))
    return "\n".join(lines[1:])
