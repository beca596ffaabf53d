"""Pseudo-specialists: made models that are good at one category, and average elsewhere (RouterBench+).

They ask what a router would do if the pool had a specialist. They stand in a table of their own, each row
of which says that it is synthetic, and are in no group: `evaluate --pseudo-specialists` alone lets them
join one.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import rankdata

from routerset.release.curating.curate import Look, Mask, in_hash_order
from routerset.release.curating.rules import AUTO, Curate, CurateError, Target
from routerset.release.curating.table import ADDED, MODEL, Row
from routerset.schemas.splits import splits_table
from routerset.schemas.tables import PSEUDO_SPECIALISTS

ABOVE = 0.25
"""How much better than the best model of the pool one is in its category."""
SHARE, MOST = 0.015, 3
"""Share of the train items that a category has at least to be a target by `auto`, and targets at most."""
ORG = "pseudo-specialist"


def pseudo_specialists(
    look: Look, out: Mask, pruned: list[Row], scheme: str, rules: Curate
) -> tuple[list[Row], pa.Table]:
    """Rows of table `curated` for models that are added to a benchmark, and their scores on all its items.

    out: (items,) what is left out under the scheme. pruned: models that the pool has no place for. Accuracies
    are those of the pool on the train items that are left; of each category and side, round(p n) items are
    right, in the order of sha256(seed, model, item_id).
    """
    wanted = [target for target in rules.targets if target.benchmark == look.benchmark]
    if not wanted and AUTO not in rules.pseudo_specialists:
        return [], PSEUDO_SPECIALISTS.empty_table()
    codes, names = look.categories
    look.named((target.category for target in wanted), "pseudo_specialists")
    lost = {row["id"] for row in pruned}
    pool = np.array([model not in lost for model in look.pool.models], bool)
    seen = np.flatnonzero(look.train(scheme) & ~out)
    if not pool.any() or not len(seen):
        return [], PSEUDO_SPECIALISTS.empty_table()
    accuracy = _accuracies(look.pool.scores[pool][:, seen].astype(np.float64), codes[seen], len(names))
    if AUTO in rules.pseudo_specialists and len(names) > 1:
        told = {target.category for target in wanted}
        shares = np.bincount(codes[seen], minlength=len(names)) / len(seen)
        wanted += [
            Target(look.benchmark, names[t]) for t in easy_to_beat(accuracy, shares) if names[t] not in told
        ]
    sides = splits_table(
        scheme, look.tables.items["family_id"], look.tables.items["subset"], look.tables.seed
    )
    side = np.where(out, "", np.asarray(pc.cast(sides["split"], pa.string()), dtype=str))
    rows: list[Row] = []
    tables = []
    for target, model in zip(wanted, _ids(wanted), strict=True):
        if model in look.pool.models:
            raise CurateError(f"[curate] pseudo_specialists: {model} is a model of the dumps; leave it out")
        at = names.index(target.category)
        best = float(accuracy[:, at].max())
        p = accuracy.mean(axis=0)
        p[at] = min(1.0, best + ABOVE) if target.accuracy is None else target.accuracy
        rows.append(
            {
                "kind": MODEL,
                "id": model,
                "benchmark": look.benchmark,
                "scheme": None,
                "rule": ADDED,
                "detail": f"{target.category}: {p[at]:.3f}, where the best of the pool has {best:.3f}",
            }
        )
        tables.append(_scores(look, model, target.category, p, side))
    return rows, pa.concat_tables(sorted(tables, key=lambda t: str(t["model_id"][0]))).cast(
        PSEUDO_SPECIALISTS
    ) if tables else PSEUDO_SPECIALISTS.empty_table()


def easy_to_beat(accuracy: np.ndarray, shares: np.ndarray) -> list[int]:
    """Categories of low mean accuracy and a small gap between best and mean, by the sum of both ranks.

    accuracy: (models, categories). shares: (categories,) of the items. At most MOST, each of SHARE at least.
    RouterBench+ says as much and gives no formula; the sum of ranks is ours.
    """
    mean = accuracy.mean(axis=0)
    large = np.flatnonzero(shares >= SHARE)
    ranks = rankdata(mean[large]) + rankdata((accuracy.max(axis=0) - mean)[large])
    return [*map(int, large[np.lexsort((mean[large], ranks))][:MOST])]


def _accuracies(scores: np.ndarray, codes: np.ndarray, n: int) -> np.ndarray:
    """(models, categories) mean scores; of a category without items, the mean over all."""
    found = np.repeat(scores.mean(axis=1, keepdims=True), n, axis=1)
    for category in np.unique(codes).tolist():
        found[:, category] = scores[:, codes == category].mean(axis=1)
    return found


def _scores(look: Look, model: str, target: str, p: np.ndarray, side: np.ndarray) -> pa.Table:
    """Scores of one on all items.

    target: its category. p: (categories,) accuracies. side: of each item, empty where it is left out.
    """
    codes = look.categories[0]
    right = np.zeros(len(codes), np.float32)
    for category, of in sorted({*zip(codes.tolist(), side.tolist(), strict=True)}):
        items = np.flatnonzero((codes == category) & (side == of)).tolist()
        right[in_hash_order(look, items, (model,))[: round(float(p[category]) * len(items))]] = 1
    n = len(codes)
    return pa.table(
        {
            "model_id": pa.array([model] * n),
            "category": pa.array([target] * n),
            "item": pa.array(np.arange(n, dtype=np.int32)),
            "score": pa.array(right),
            "is_synthetic": pa.array([True] * n),
        }
    )


def _ids(targets: list[Target]) -> list[str]:
    """A model id of each target: its name in safe letters, numbered where two would be the same."""
    names = [re.sub(r"[^A-Za-z0-9._-]+", "_", f"{t.benchmark}-{t.category}") for t in targets]
    folded = [name.casefold() for name in names]
    return [
        f"{ORG}/{name}" + (f"-{at}" if folded.count(name.casefold()) > 1 else "")
        for at, name in enumerate(names, 1)
    ]
