"""C-RoBERTa and K-means: one best candidate per k-means cluster of the training vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..metrics import choose, one_hot
from ..task import Cell, Floats, Scores, Task
from .estimating import Array, by_validation, known_and_filled, known_means

SIZES = (5, 10, 20, 50)
"""Numbers of clusters that validation chooses from. UniRoute, whose code is not public, tunes it likewise."""


class ClusterRouter:
    """k-means; a test item gets the candidate with the best mean training score in its cluster.

    clusters: how many; of several numbers, each cell takes the one that estimates its validation scores
    best. C-RoBERTa (RouterEval) has 3, and K-means (UniRoute, Jitkrittum et al., 2025) tunes it. Scores that
    are not known do not count; a candidate without any in a cluster has its mean over all of train there.

    One clustering serves every cell. Probabilities are 1 / (distance to each centre + 1e-10), normalised,
    and summed over the clusters that share a candidate, so E_p of 3 clusters is at most log2 3. The choice
    follows the item's own cluster, which is not always the most probable candidate. With compat the
    clustering is scikit-learn's single start with random_state 0; otherwise the best of four starts from the
    seed.
    """

    entropy_floor = 1e-4

    def __init__(self, *clusters: int) -> None:
        self.clusters = clusters or (3,)

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Cluster once for each number, then pick each cluster's best candidate in every cell."""
        first = tasks[0]
        most = len(np.unique(first.X_train, axis=0))
        clusterings = [_cluster(first, k) for k in sorted({min(k, most) for k in self.clusters})]
        self.clustering: dict[Cell, Clustering] = {}
        self.means: dict[Cell, Array] = {}
        self.best: dict[Cell, npt.NDArray[np.intp]] = {}
        for task in tasks:
            fits = [(clustering, clustering.means(task.Y_train)) for clustering in clusterings]
            estimates = (means[clustering.validation] for clustering, means in fits)
            self.clustering[task.cell], means = by_validation(fits, task.Y_val, estimates)
            self.means[task.cell] = means
            self.best[task.cell] = choose(means, task)

    def predict_proba(self, task: Task) -> Floats:
        """Nearness of the clusters, merged by their candidate."""
        return np.asarray(self.clustering[task.cell].nearness @ one_hot(self.best[task.cell], task.m))

    def predict_scores(self, task: Task) -> Floats:
        """Mean training scores in the item's own cluster."""
        return np.asarray(self.means[task.cell][self.clustering[task.cell].test])

    def policy(self, task: Task) -> Floats:
        """The candidate of the item's own cluster."""
        return one_hot(self.best[task.cell][self.clustering[task.cell].test], task.m)


@dataclass(frozen=True, eq=False)
class Clustering:
    """k clusters.

    members: (n_train, k), one-hot. validation, test: the cluster of each item there. nearness: (n_test, k) of
    test items and centres, rows sum to 1.
    """

    members: Array
    validation: npt.NDArray[np.integer]
    test: npt.NDArray[np.integer]
    nearness: Array

    def means(self, Y: Scores) -> Array:
        """Mean known score of each candidate in each cluster, (k, m)."""
        known, filled = known_and_filled(Y)
        return known_means(self.members.T @ filled, self.members.T @ known, Y)


def _cluster(task: Task, k: int) -> Clustering:
    from sklearn.cluster import KMeans

    starts, seed = (1, 0) if task.compat else (4, task.seed)
    model = KMeans(k, random_state=seed, n_init=starts).fit(task.X_train)
    distances = np.stack([np.linalg.norm(task.X_test - c, axis=1) for c in model.cluster_centers_], axis=1)
    nearness = 1 / (distances.astype(np.float64) + 1e-10)
    return Clustering(
        np.eye(k)[model.labels_],
        model.predict(task.X_val) if len(task.X_val) else np.zeros(0, np.intp),
        model.predict(task.X_test),
        nearness / nearness.sum(axis=1, keepdims=True),
    )
