"""C-RoBERTa: one best candidate per k-means cluster of the training vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..metrics import choose, one_hot
from ..task import Cell, Floats, Task


class ClusterRouter:
    """KMeans(3); a test item gets the candidate with the best mean training score in its cluster.

    One clustering serves every cell. Probabilities are 1 / (distance to each centre + 1e-10), normalised,
    and summed over the clusters that share a candidate, so E_p is at most log2 3. The choice follows the
    item's own cluster, which is not always the most probable candidate. With compat the clustering is
    scikit-learn's single start with random_state 0; otherwise the best of four starts from the seed.
    """

    entropy_floor = 1e-4
    clusters = 3

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Cluster once, then pick each cluster's best candidate in every cell."""
        from sklearn.cluster import KMeans

        first = tasks[0]
        k = min(self.clusters, len(np.unique(first.X_train, axis=0)))
        starts, seed = (1, 0) if first.compat else (4, first.seed)
        model = KMeans(k, random_state=seed, n_init=starts).fit(first.X_train)
        self.assigned = model.predict(first.X_test)
        centres = model.cluster_centers_
        distances = np.stack([np.linalg.norm(first.X_test - c, axis=1) for c in centres], axis=1)
        nearness = 1 / (distances.astype(np.float64) + 1e-10)
        self.nearness = nearness / nearness.sum(axis=1, keepdims=True)
        members = np.eye(k)[model.labels_]
        self.means: dict[Cell, npt.NDArray[np.float64]] = {}
        self.best: dict[Cell, npt.NDArray[np.intp]] = {}
        for task in tasks:
            means = members.T @ task.Y_train.astype(np.float64) / members.sum(axis=0)[:, None]
            self.means[task.cell] = means
            self.best[task.cell] = choose(means, task)

    def predict_proba(self, task: Task) -> Floats:
        """Nearness of the clusters, merged by their candidate."""
        return np.asarray(self.nearness @ one_hot(self.best[task.cell], task.m))

    def predict_scores(self, task: Task) -> Floats:
        """Mean training scores in the item's own cluster."""
        return np.asarray(self.means[task.cell][self.assigned])

    def policy(self, task: Task) -> Floats:
        """The candidate of the item's own cluster."""
        return one_hot(self.best[task.cell][self.assigned], task.m)
