"""Time of the evaluator against a process per cell, which is how the reference runs the same routers.

    python benchmarks/evaluate.py RELEASE [--sizes 3,5,10] [--sample 8]

The peer starts a new Python for each (router, cell), loads that cell from a .npz file and runs the router
with NumPy, scikit-learn or torch. Only --sample cells per router are run that way, evenly spaced over all
cells, and their mean time stands for the rest. The evaluator does all cells in one run, which includes
10,000 bootstrap resamples that the peer does not have. Both follow the reference's quirks; the last column
says in how many of the sampled cells they agree to four decimals.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "release"))

from evaluator import Release, Task, evaluate, load_release
from evaluator.items import load_items
from evaluator.tasks import make_tasks

from benchmarks.measure import command, machine, versions

ROUTERS = ("oracle", "r_o_0.5", "random", "knn", "c_roberta", "linear")
SEEDED_ALIKE = ("oracle", "knn", "c_roberta")  # the others draw their own random numbers


def cell_process(router: str, path: str) -> None:
    """What one process of the peer does: prints the mean score of the chosen candidates."""
    data = np.load(path)
    X, Y, X_test, Y_test = (data[k] for k in ("X_train", "Y_train", "X_test", "Y_test"))
    items = np.arange(len(Y_test))
    if router in ("oracle", "r_o_0.5", "random"):
        p = {"oracle": 1.0, "r_o_0.5": 0.5, "random": 0.0}[router]
        rng = np.random.default_rng(0)
        means = []
        for _ in range(1 if p == 1 else 1000):
            drawn = Y_test[items, rng.integers(0, Y_test.shape[1], len(items))]
            means.append(np.where(rng.random(len(items)) < p, Y_test.max(axis=1), drawn).mean())
        print(np.mean(means))
        return
    if router == "knn":
        from sklearn.neighbors import NearestNeighbors

        nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(X).kneighbors(X_test)[1]
        chosen = Y[nearest].mean(axis=1).argmax(axis=1)
    elif router == "c_roberta":
        from sklearn.cluster import KMeans

        model = KMeans(3, random_state=0).fit(X)
        best = np.array([Y[model.labels_ == k].mean(axis=0).argmax() for k in range(3)])
        chosen = best[model.predict(X_test)]
    else:
        chosen = train_linear(X, Y, X_test).argmax(axis=1)
    print(Y_test[items, chosen].mean())


def train_linear(X: np.ndarray, Y: np.ndarray, X_test: np.ndarray) -> np.ndarray:
    """LinearR in torch, batch 1, as ROUTEREVAL.md defines it."""
    import torch

    inputs, targets = (torch.tensor(a, dtype=torch.float32) for a in (X, Y))
    model = torch.nn.Linear(X.shape[1], Y.shape[1])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10 * len(X))
    loss = torch.nn.BCEWithLogitsLoss()
    for _ in range(10):
        for i in torch.randperm(len(X)).tolist():
            optimiser.zero_grad()
            loss(model(inputs[i : i + 1]), targets[i : i + 1]).backward()
            optimiser.step()
            cosine.step()
    return np.asarray(model(torch.tensor(X_test)).detach().numpy())


@dataclass(frozen=True)
class Timing:
    """Seconds for one router: the evaluator over all cells, the peer per cell."""

    router: str
    cells: int
    ours: float
    peer_per_cell: float
    agreed: int
    compared: int


def all_tasks(release: Release, sizes: list[int] | None) -> list[Task]:
    """Every cell with its test scores, in the reference's row order."""
    tasks = []
    for name in release.benchmarks:
        groups = [g for g in release.groups_of(name, "paper") if sizes is None or g.m in sizes]
        items = load_items(release, name, groups, release.encoders(name)[0], "paper")
        made = make_tasks(items, groups, encoder=release.encoders(name)[0], compat=True)
        tasks += [replace(t, Y_test=items.parts["test"].scores[g]) for t, g in zip(made, groups, strict=True)]
    return tasks


def measure(release: Release, router: str, sizes: list[int] | None, tasks: list[Task], sample: int) -> Timing:
    """Run both, for one router alone."""
    start = time.perf_counter()
    rows = evaluate(release, [router], sizes=sizes, compat=True).rows
    ours = time.perf_counter() - start
    values = {(r.benchmark, r.m, r.kind): r.metrics["mu_o"].value for r in rows}
    chosen = [tasks[i] for i in np.unique(np.linspace(0, len(tasks) - 1, sample).astype(int))]
    seconds, agreed = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for task in chosen:
            path = str(Path(folder) / "cell.npz")
            names = ("X_train", "Y_train", "X_test", "Y_test")
            np.savez(path, **{name: getattr(task, name) for name in names})
            start = time.perf_counter()
            command = [sys.executable, __file__, "--cell", router, path]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds += time.perf_counter() - start
            agreed += abs(float(said) - (values[task.benchmark, task.m, task.kind] or 0.0)) < 1e-4
    return Timing(router, len(tasks), ours, seconds / len(chosen), agreed, len(chosen))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path)
    parser.add_argument("--sizes", help="default: all")
    parser.add_argument(
        "--sample", type=int, default=8, help="cells per router that the peer runs (default: 8)"
    )
    parser.add_argument("--routers", default=",".join(ROUTERS))
    arguments = parser.parse_args()
    sizes = [int(m) for m in arguments.sizes.split(",")] if arguments.sizes else None
    release = load_release(arguments.release)
    tasks = all_tasks(release, sizes)
    print(command(), versions("numpy", "scikit-learn", "torch"), machine(), sep="\n")
    names = arguments.routers.split(",")
    start = time.perf_counter()
    evaluate(release, names, sizes=sizes, compat=True)
    together = time.perf_counter() - start
    print(f"{'router':<10}{'cells':>6}{'evaluator s':>13}{'peer s/cell':>13}{'peer s':>9}{'ratio':>7}  agree")
    total = 0.0
    for router in names:
        t = measure(release, router, sizes, tasks, arguments.sample)
        peer = t.peer_per_cell * t.cells
        total += peer
        same = f"{t.agreed}/{t.compared}" if router in SEEDED_ALIKE else "own draws"
        print(f"{router:<10}{t.cells:>6}{t.ours:>13.2f}{t.peer_per_cell:>13.2f}{peer:>9.0f}", end="")
        print(f"{peer / t.ours:>7.0f}  {same}", flush=True)
    print(f"{'together':<10}{'':>6}{together:>13.2f}{'':>13}{total:>9.0f}{total / together:>7.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cell"]:
        cell_process(*sys.argv[2:4])
    else:
        main()
