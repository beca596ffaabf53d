"""Small dumps with known scores, for tests of whole builds."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Truth:
    """models, keys, and their scores (models, keys)."""

    models: tuple[str, ...]
    keys: tuple[str, ...]
    scores: np.ndarray


def truth(n_models: int = 12, n_items: int = 20, seed: int = 0) -> Truth:
    """Random 0/1 scores whose means spread over (0.1, 0.9), keys out of order."""
    rng = np.random.default_rng(seed)
    chance = np.linspace(0.2, 0.85, n_models)[:, None]
    keys = rng.permutation(n_items) * 3
    names = tuple(f"org-{i % 3}/model-{i}" for i in range(n_models))
    return Truth(names, tuple(map(str, keys)), (rng.random((n_models, n_items)) < chance).astype(float))


def write_wide(
    path: Path,
    models: Sequence[str],
    keys: Sequence[str],
    scores: np.ndarray,
    timestamps: Sequence[str] | None = None,
) -> None:
    """A wide CSV of some rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", *(["timestamp"] if timestamps else []), *keys])
        for i, model in enumerate(models):
            cells = ["" if np.isnan(v) else f"{v:g}" for v in scores[i]]
            writer.writerow([model, *([timestamps[i]] if timestamps else []), *cells])


def write_items(path: Path, keys: Sequence[str], texts: Mapping[str, str] | None = None) -> None:
    """An items file with a question per key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "question"])
        writer.writerows([key, (texts or {}).get(key, f"What is {key} plus {key}?")] for key in keys)


def write_config(path: Path, *, dump: str = "dumps/*.csv", extra: str = "") -> Path:
    """A config that builds gsm8k from wide CSVs below the config's folder."""
    path.write_text(
        f"""
[[source]]
format = "wide"
path = "{dump}"
benchmark = "gsm8k"
items = "items.csv"
[groups]
sizes = [3, 5]
{extra}
"""
    )
    return path
