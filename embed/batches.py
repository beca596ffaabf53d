"""Token ids to pooled states: plan batches by token budget, pack them, run them, survive a full GPU."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from routerset.embed.encoders import Pooling
from routerset.embed.errors import ModelUnusable
from routerset.embed.packed import PackedEncoder, PackedTexts

_LEAST_BUDGET = 256
_log = logging.getLogger(__name__)


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Batches of at most `budget` tokens (or of one text), as indices into `lengths`.

    Longest first, ties by index: memory runs out at once or not at all, and texts of one length
    stand side by side.
    """
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if lengths[i] > room:
            batches.append([])
            room = max(budget, lengths[i])
        batches[-1].append(i)
        room -= lengths[i]
    return batches


def run(
    model: PackedEncoder,
    ids: Sequence[npt.NDArray[np.int64]],
    poolings: Collection[Pooling],
    budget: int,
    block: int,
) -> tuple[dict[Pooling, npt.NDArray[np.float32]], int]:
    """Pooled states of all texts, (n, dimension) for each pooling, and the number of rows computed.

    Nothing waits for the device before the last batch: batches are packed while it computes. When
    its memory runs out, the rest is planned again with half the budget.
    """
    pooled = {pooling: np.empty((len(ids), model.dimension), dtype=np.float32) for pooling in poolings}
    lengths = [len(i) for i in ids]
    done: list[tuple[list[int], dict[Pooling, torch.Tensor]]] = []
    pending = plan_batches(lengths, budget)[::-1]
    rows = 0
    while pending:
        batch = _pack(model, [ids[i] for i in pending[-1]], min(block, budget))
        states = _attempt(model, batch, poolings)
        if states is not None:
            done.append((pending.pop(), states))
            rows += len(batch.tokens)
            continue
        if budget // 2 < _LEAST_BUDGET:
            raise ModelUnusable(
                f"out of memory on {batch.tokens.device} with {budget} tokens in a batch; use the cpu"
            )
        _log.warning(
            "out of memory on %s: %d tokens in a batch from now on", batch.tokens.device, budget // 2
        )
        budget //= 2
        rest = sorted(i for indices in pending for i in indices)
        pending = [[rest[i] for i in part] for part in plan_batches([lengths[i] for i in rest], budget)][::-1]
    for indices, states in done:
        for pooling, state in states.items():
            pooled[pooling][indices] = state.cpu().numpy()
    return pooled, rows


def _attempt(
    model: PackedEncoder, batch: PackedTexts, poolings: Collection[Pooling]
) -> dict[Pooling, torch.Tensor] | None:
    """Pooled states of a batch, or None if it does not fit into memory."""
    try:
        with torch.inference_mode():
            return model.forward(batch, poolings)
    except torch.OutOfMemoryError:
        return None


def _pack(model: PackedEncoder, ids: Sequence[npt.NDArray[np.int64]], block: int) -> PackedTexts:
    """Token ids one after the other, filled up to a multiple of `block`, on the model's device."""
    lengths = [len(i) for i in ids]
    rows = -(-sum(lengths) // block) * block
    tokens, positions = np.zeros((2, rows), dtype=np.int64)
    tokens[: sum(lengths)] = np.concatenate(ids)
    positions[: sum(lengths)] = np.concatenate([_positions(i, model.padding_id) for i in ids])
    offsets = np.cumsum([0, *lengths], dtype=np.int32)

    def to_device(array: npt.NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if model.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(model.device, non_blocking=True)

    return PackedTexts(to_device(tokens), to_device(positions), lengths, to_device(offsets), block)


def _positions(ids: npt.NDArray[np.int64], padding_id: int | None) -> npt.NDArray[np.int64]:
    """Positions as RoBERTa counts them: a padding token that the text itself spells has none."""
    if padding_id is None:
        return np.arange(len(ids))
    real = ids != padding_id
    return np.where(real, np.cumsum(real), 0) + padding_id
