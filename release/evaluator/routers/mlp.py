"""MLPR: two hidden layers of 256, the groups of one size trained together (needs torch)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..metrics import softmax
from ..task import Cell, Floats, Scores, Task
from .linear import schedule, sigmoid

if TYPE_CHECKING:
    import torch

EPOCHS, RATE, HIDDEN = 100, 1e-4, 256
BETAS, EPSILON = (0.9, 0.999), 1e-8
BATCH = 4
"""Items of one step, which follows the path of four steps of one item each: see `MlpRouter`."""


def no_torch() -> str | None:
    """Why it cannot run here."""
    return "PyTorch is not installed" if find_spec("torch") is None else None


class MlpRouter:
    """d-256-ReLU-256-ReLU-m under binary cross-entropy with logits: Adam, batch 1, 100 epochs, rate 1e-4.

    Most of such a step is Adam's, whatever the batch, so `BATCH` items are taken at a time, with the rate,
    the decay rates and epsilon that keep the path of Adam in the limit of small steps (the square root
    scaling rule of Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, 2022):
    results stay within what seeds of batch 1 differ by. Groups of the same size share every matrix product
    and the element-wise optimiser step, so each learns what it would learn alone, up to rounding. The rate
    follows a cosine to 0.
    """

    def fit(self, task: Task) -> None:
        """Learn one cell."""
        self.fit_all([task])

    def fit_all(self, tasks: Sequence[Task]) -> None:
        """Train size by size. Raises InputError where torch is not installed."""
        try:
            import torch
        except ImportError:
            raise InputError(
                "router 'mlp' needs PyTorch, which is not installed: "
                "pip install torch, or leave 'mlp' out of --routers"
            ) from None
        self.logits: dict[Cell, Scores] = {}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # steps are so short that threads mostly wait for each other
        try:
            for m in sorted({t.m for t in tasks}):
                same_size = [t for t in tasks if t.m == m]
                for task, logits in zip(same_size, _train(same_size), strict=True):
                    self.logits[task.cell] = logits
        finally:
            torch.set_num_threads(threads)

    def predict_scores(self, task: Task) -> Floats:
        """sigmoid(logits): see `LinearRouter.predict_scores`."""
        return sigmoid(self.logits[task.cell])

    def predict_proba(self, task: Task) -> Floats:
        """softmax(logits)."""
        return softmax(self.logits[task.cell])


def _train(tasks: Sequence[Task]) -> list[Scores]:
    """Test logits, (n_test, m), of each task; all tasks have the same m."""
    import torch

    first = tasks[0]
    sizes = [first.X_train.shape[1], HIDDEN, HIDDEN, first.m]
    layers = []
    rngs = [np.random.default_rng(t.stream) for t in tasks]
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / np.sqrt(fan_in)  # torch.nn.Linear's default initial weights and bias
        weight = np.stack([rng.uniform(-bound, bound, (fan_in, fan_out)) for rng in rngs])
        bias = np.stack([rng.uniform(-bound, bound, (1, fan_out)) for rng in rngs])
        layers.append((torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)))
    parameters = [p for layer in layers for p in layer]
    for p in parameters:
        p.grad = torch.zeros_like(p)
    first_decay, second_decay = (1 - BATCH * (1 - beta) for beta in BETAS)
    optimiser = torch.optim.Adam(
        parameters, betas=(first_decay, second_decay), eps=EPSILON / BATCH**0.5, fused=True
    )
    X = torch.tensor(first.X_train)
    Y = torch.tensor(np.stack([t.labels_train for t in tasks], axis=1), dtype=torch.float32)
    steps = schedule(len(X), EPOCHS, RATE, np.random.default_rng(first.seed))
    with torch.no_grad():
        while batch := [*islice(steps, BATCH)]:
            items = [item for _, item, _ in batch]
            _backward(layers, X[items].expand(len(tasks), -1, -1), Y[items].transpose(0, 1))
            optimiser.param_groups[0]["lr"] = batch[0][2] * BATCH**0.5
            optimiser.step()
        test = torch.tensor(first.X_test).expand(len(tasks), -1, -1)
        logits = _forward(layers, test)[-1]
    return [z.numpy().copy() for z in logits]


Layers = Sequence[tuple["torch.Tensor", "torch.Tensor"]]


def _forward(layers: Layers, x: torch.Tensor) -> list[torch.Tensor]:
    """Activations of each layer, (groups, items, width); the last is the logits."""
    activations = []
    for depth, (weight, bias) in enumerate(layers, 1):
        x = x.matmul(weight).add_(bias)
        activations.append(x.relu_() if depth < len(layers) else x)
    return activations


def _backward(layers: Layers, x: torch.Tensor, y: torch.Tensor) -> None:
    """Gradient of the mean loss of a batch, into `.grad`; written out, as autograd would double the time.

    x: (groups, batch, d). y: (groups, batch, m).
    """
    activations = _forward(layers, x)
    inputs = [x, *activations[:-1]]
    error = (activations[-1].sigmoid() - y) / y[0].numel()
    for (weight, bias), below in zip(reversed(layers), reversed(inputs), strict=True):
        weight.grad = below.transpose(1, 2).matmul(error)
        bias.grad = error.sum(dim=1, keepdim=True)
        if below is not x:
            error = error.matmul(weight.transpose(1, 2)) * (below > 0)
