"""Redundant categories: those whose questions lie in the same place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from routerset.release.auditing.finding import Detector, Finding, mean, rounded, rounded_all, tell
from routerset.release.auditing.subject import Codes, Subject

ALIKE = 0.95
"""Raw cosine from which on categories are one cluster, by single linkage. RouterBench+ gives none; ours."""
DRAWS = 5
MOST = 100
"""Categories whose whole matrix is told."""
Matrix = npt.NDArray[np.float64]


def cosines(vectors: np.ndarray, categories: Codes, n: int) -> tuple[Matrix, Matrix]:
    """(n, n) cosines of the categories' mean vectors, raw and less the mean of all items.

    NaN for a category without items, or whose mean has no direction.
    """
    sums = np.zeros((n, vectors.shape[1]))
    np.add.at(sums, categories, vectors.astype(np.float64))
    counts = np.bincount(categories, minlength=n)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
        both = [_cosines(each) for each in (means, means - vectors.mean(axis=0, dtype=np.float64))]
    return both[0], both[1]


def _cosines(means: Matrix) -> Matrix:
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    units = means / np.where(lengths > 1e-9, lengths, np.nan)
    return np.asarray(units @ units.T)


def clusters(raw: Matrix) -> npt.NDArray[np.intp]:
    """(categories,) number of the cluster of each, by single linkage at ALIKE."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(csr_array(raw >= ALIKE), directed=False)
    return np.asarray(label, np.intp)


def _off_diagonal(matrix: Matrix) -> float | None:
    values = matrix[~np.eye(len(matrix), dtype=bool)]
    return mean(values[np.isfinite(values)])


def find(subject: Subject) -> Finding:
    """The matrix over train items, each category with the one that is nearest to it, and clusters."""
    names = (
        "raw",
        "raw_by_chance",
        "centred",
        "centred_by_chance",
        "clusters",
        "matrix_raw",
        "matrix_centred",
    )
    n = len(subject.names)
    if subject.vectors is None:
        return Finding.undefined(subject.why_no_vectors, names)
    if n < 2:
        return Finding.undefined("fewer than two categories", names)
    vectors, codes = subject.vectors[subject.train], subject.categories[subject.train]
    raw, centred = cosines(vectors, codes, n)
    rng = subject.rng(3)
    drawn = [cosines(vectors, rng.permutation(codes), n) for _ in range(DRAWS)]
    chance = [rounded(mean([v for d in drawn if (v := _off_diagonal(d[k])) is not None])) for k in (0, 1)]
    cluster = clusters(raw)
    joined = int(np.bincount(cluster)[cluster].__gt__(1).sum())
    others = np.where(np.eye(n, dtype=bool) | ~np.isfinite(raw), -np.inf, raw)
    nearest, n_items = others.argmax(axis=1), np.bincount(codes, minlength=n)
    rows = tuple(
        (
            name,
            int(n_items[t]),
            subject.names[int(nearest[t])] if np.isfinite(others[t]).any() else None,
            rounded(float(raw[t, nearest[t]])),
            rounded(float(centred[t, nearest[t]])),
            int(cluster[t]) + 1,
        )
        for t, name in enumerate(subject.names)
    )
    told = [rounded(_off_diagonal(each)) for each in (raw, centred)]
    whole = n <= MOST
    return Finding(
        f"{joined} of {n} categories in clusters at .95; "
        f"mean cosine {tell(told[0], 2)} ({tell(chance[0], 2)} by chance)",
        {
            "raw": told[0],
            "raw_by_chance": chance[0],
            "centred": told[1],
            "centred_by_chance": chance[1],
            "clusters": len(set(cluster.tolist())),
            "in_clusters": joined,
            "categories": [*subject.names] if whole else None,
            "matrix_raw": rounded_all(raw) if whole else None,
            "matrix_centred": rounded_all(centred) if whole else None,
        },
        rows,
        "" if whole else f"more than {MOST} categories: no matrix",
    )


DETECTOR = Detector(
    "redundancy",
    "Redundant categories",
    (
        ("category", "Category"),
        ("items", "Train items"),
        ("nearest", "Nearest category"),
        ("raw", "Cosine"),
        ("centred", "Cosine, centred"),
        ("cluster", "Cluster"),
    ),
    "Cosines between the mean vectors of categories, over train items. Raw cosines are high for any two "
    "categories of one style; the centred ones, less the mean of all items, tell what is really near.",
    "Categories with their items dealt at random, which all lie in one place: near 1 raw, near 0 centred.",
    find,
)
