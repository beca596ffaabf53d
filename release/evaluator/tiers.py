"""How large the models are that routers choose: shares of choices by size (Routoo, Figure 4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import fill

import numpy as np

from .cells import Estimates, Output, Ran
from .estimates import score_of_strata
from .grid import grid
from .intervals import Array
from .ladders import ladders
from .metrics import one_hot, preferred
from .plain import plain
from .reader import Release, read_parquet
from .results import Estimate, Value, flat_of
from .routers import RouterRow
from .task import Task

TIER, MODELS = "tier", "models.parquet"
SIZES = ((3.0, "<= 3B"), (10.0, "3-10B"), (20.0, "10-20B"), (45.0, "20-45B"), (float("inf"), "> 45B"))
"""Most billions of parameters of a tier, and its name."""
MIXTURE, API, UNKNOWN = "MoE", "API", "unknown"
TIERS = (*(name for _, name in SIZES), MIXTURE, API, UNKNOWN)
CAPS = 5
"""With costs, shares are told under so many caps at most, of those where a choice can change."""


@dataclass(frozen=True)
class TierShare:
    """How often one router chooses models of one tier, in one cell.

    kind: `mean` for the unweighted mean over the `n_kinds` kinds of this m. tier: one of `TIERS`. cap:
    highest cost of an answer that choices may have; None for no cap. candidates: share of the candidates
    that are of the tier. metrics: `share`, of all choices.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    n_kinds: int
    tier: str
    cap: float | None
    n_test: int
    candidates: float
    metrics: dict[str, Estimate]

    def to_dict(self) -> dict[str, Value]:
        """Flat: the share as `share`, `share_lo`, `share_hi`."""
        return flat_of(self)


def tier_of(params_b: float | None, is_moe: bool | None, priced: bool) -> str:
    """Tier of a model: a mixture of experts, else by size; without a known size, whether it has a price."""
    if is_moe:
        return MIXTURE
    if params_b is not None and 0 < params_b < float("inf"):
        return next(name for most, name in SIZES if params_b <= most)
    return API if priced else UNKNOWN


def read_tiers(release: Release, models: Collection[str]) -> dict[str, str]:
    """Tier of each model; `unknown` where the release tells nothing of it."""
    path = release.path / MODELS
    known = tiers_in(path) if path.is_file() else {}
    return {model: known.get(model, UNKNOWN) for model in models}


def tiers_in(models: Path) -> dict[str, str]:
    """Tier of each model of a file of table `models`."""
    found = {}
    columns = ("params_b", "is_moe", "usd_per_mtok_in", "usd_per_mtok_out")
    for row in read_parquet(models, ["model_id"], columns).to_pylist():
        priced = row.get("usd_per_mtok_in") is not None or row.get("usd_per_mtok_out") is not None
        found[row["model_id"]] = tier_of(row.get("params_b"), row.get("is_moe"), priced)
    return found


def tier_shares(
    tiers: Mapping[str, str], routers: Sequence[RouterRow], cells: Sequence[Ran], n_caps: int = CAPS
) -> Iterator[TierShare]:
    """Rows of the cells of one benchmark and size, then of the mean over kinds; of tiers with a candidate.

    Where all cells have costs and a router is defined under a budget, also under caps, the same for all;
    n_caps: how many, at most.
    """
    known = [o.estimates.known for _, outputs, _ in cells for o in outputs if o.estimates is not None]
    costs = np.unique(np.concatenate([np.unique(k) for k in known])) if known else np.zeros(0)
    spread = np.linspace(0, len(costs) - 1, min(n_caps, len(costs))).round().astype(np.intp)
    caps: list[float | None] = [None, *costs[spread].tolist()]
    members = [
        np.array([[tiers[c] == tier for tier in TIERS] for c in task.candidates], float) for task, *_ in cells
    ]
    present = np.flatnonzero(np.sum([of.sum(axis=0) for of in members], axis=0))
    for at, router in enumerate(routers):
        for cap in caps:
            told = [_shares(task, outputs[at], cap) for task, outputs, _ in cells]
            shares = [policy @ of for policy, of in zip(told, members, strict=True) if policy is not None]
            if len(shares) < len(cells):
                continue
            pools = [of.mean(axis=0) for of in members]
            for kind, share, pool in (
                *((task.kind, s, p) for (task, *_), s, p in zip(cells, shares, pools, strict=True)),
                ("mean", np.mean(shares, axis=0), np.mean(pools, axis=0)),
            ):
                benchmark, m, _, method, scheme = cells[0][0].cell
                for t in present:
                    yield TierShare(
                        benchmark, m, kind, method, scheme, router.name, len(cells), TIERS[t], cap,
                        len(share), round(float(pool[t]), 6), {"share": score_of_strata([share[:, t]])},
                    )  # fmt: skip


def _shares(task: Task, output: Output, cap: float | None) -> Array | None:
    """How often each candidate is chosen, (n_test, m); None under a cap where that is not defined."""
    if cap is None:
        return np.asarray(output.policy, np.float64)
    return None if output.estimates is None else policy_under(output.estimates, task, cap)


def policy_under(estimates: Estimates, task: Task, cap: float) -> Array:
    """What is chosen where no answer may cost more than a cap, (n_test, m); the cheapest where none is."""
    if estimates.scores is None:
        allowed = estimates.known <= np.maximum(cap, np.min(estimates.known, axis=1, keepdims=True))
        return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))
    chosen = ladders(estimates.scores, estimates.known, preferred(task)).under(cap)
    return one_hot(chosen, task.m).astype(np.float64)


def tier_table(rows: Sequence[TierShare]) -> str:
    """Shares of the means over kinds, at most 80 characters wide; with caps, router by router."""

    def place(row: TierShare) -> tuple[str, int, str, str]:
        return row.benchmark, row.m, row.method, row.scheme

    blocks = []
    for at, of_place in groupby([row for row in rows if row.kind == "mean"], place):
        members = [*of_place]
        head = "{}  m={}  groups: {}  split: {}".format(*at) + f"\n  {members[0].n_test} test items"
        blocks.append(_block(head, [row for row in members if row.cap is None], lambda row: row.router))
        capped = [row for row in members if row.cap is not None]
        for router in dict.fromkeys(row.router for row in capped):
            title = f"{head}\n  {plain(router)[:30]}, by the highest cost of an answer"
            blocks.append(_block(title, [row for row in capped if row.router == router], _cap))
    return "\n\n".join([*blocks, LEGEND]) + "\n" if blocks else "nothing was evaluated\n"


def _cap(row: TierShare) -> str:
    return f"{row.cap:.4g}"


def _block(title: str, rows: Sequence[TierShare], name: Callable[[TierShare], str]) -> str:
    columns: dict[str, list[str]] = {}
    for row in rows:
        share = row.metrics["share"].value
        columns.setdefault(name(row), []).append("-" if share is None else f"{share:.3f}")
    pools = {row.tier: f"{row.candidates:.3f}" for row in rows}
    return grid(title, ("tier", "pool"), [*pools.items()], columns, 12)


LEGEND = fill(
    "Share of choices that go to LLMs of each tier, by billions of parameters; MoE: mixtures of experts; "
    "API: of unknown size, with a price. pool: share of the candidates. JSON has the intervals.",
    80,
)
