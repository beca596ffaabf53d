"""What needs all scores of a benchmark at hand: their order, what groups come to, columns made of them.

Scores are by far the largest table, so one pass over them gives all three views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from routerset.expectations.session import Made, Session, quoted
from routerset.expectations.target import DATA, Part, What
from routerset.expectations.views.matrices import Order, group_rows, read_order, read_scores, row_digests
from routerset.expectations.views.releases import GROUP_COLUMNS, benchmark_columns, paper_shuffles, seed_of
from routerset.schemas.groups import Group
from routerset.schemas.matrix import ScoreMatrix

_ORDERS = pa.schema([("path", pa.string()), ("unsorted", pa.int64()), ("first_row", pa.int64())])


def scan(session: Session) -> dict[str, pa.Table]:
    """Views by name: `score_orders`; where there are groups `score_digests`, `group_facts`, of a release
    `group_columns`.
    """
    if "scores" not in session or "item_counts" not in session:
        return {}
    counts = session.query("select benchmark, n_items from item_counts")
    n_items = dict(zip(counts["benchmark"].to_pylist(), counts["n_items"].to_pylist(), strict=True))
    facts: list[dict[str, object]] = []
    columns: list[dict[str, object]] = []
    digests: list[dict[str, object]] = []
    grouped = "groups" in session
    shuffles = paper_shuffles(session) if grouped else {}
    named, tiered = _standing_for_twins(session), of_tiers(session)
    released = grouped and session.target.what is What.RELEASE and DATA in session
    parts = session.target.of("scores")
    orders = [] if grouped else [_order(part, read_order(part.path)) for part in parts]
    for part, matrix, order in _matrices(parts if grouped else (), n_items):
        benchmark = part.keys.get("benchmark", "")
        orders.append(_order(part, order))
        groups = _members(session, benchmark)
        rows = list(row_digests(matrix)) if session.target.stage is None else []
        digests += [{"benchmark": benchmark, **row} for row in rows]
        if n_items.get(benchmark):
            share = float(session.target.settings["min_coverage"])
            train = _train(session, benchmark)
            sizes, rng = shuffles.get(benchmark, ([], None))
            sides = [items.tobytes() for items in train]
            lengths = [len(part) for part in sizes]
            pruned, frozen = _pruned(session, benchmark), session.target.frozen_groups(benchmark)
            of = (pruned, rows, groups, sides, share, seed_of(session), lengths, named, tiered)
            key = str((*of, sorted(frozen)))
            # a release most often holds what its build does
            known = session.built.choices.get(key) if rows and session.built is not None else None
            if known is None:
                known = [*group_rows(matrix, groups, train, share, rng, named, tiered, pruned, frozen)]
            found = known
            session.choices[key] = found
            facts += [{"benchmark": benchmark, **row} for row in found]
        if released:
            columns += benchmark_columns(session, benchmark, groups, matrix)
    views = {"score_orders": pa.Table.from_pylist(orders, schema=_ORDERS)}
    if facts:
        views["group_facts"] = pa.Table.from_pylist(facts)
    if digests:
        views["score_digests"] = pa.Table.from_pylist(digests)
    if released:
        views["group_columns"] = pa.Table.from_pylist(columns, schema=GROUP_COLUMNS)
    return views


def _standing_for_twins(session: Session) -> list[str] | None:
    """Models that stand for twins; None where groups may hold both."""
    if session.target.settings["twins"] == "all":
        return None
    if "models" not in session or "twin_of" not in session.columns("models"):
        return []
    found = session.query("select distinct twin_of from models where twin_of is not null order by twin_of")
    return [str(model) for model in found["twin_of"].to_pylist()]


def of_tiers(session: Session) -> list[str] | None:
    """Models of the tiers that a universe is to be chosen from; None for all. A tier is `MoE` for mixtures of
    experts, else by billions of parameters, else `API` where there is a price (Routoo, Figure 4).
    """
    tiers = session.target.settings["tiers"]
    if not tiers or "models" not in session:
        return None
    found = session.query(
        f"""select model_id from models where case when is_moe then 'MoE'
        when params_b > 0 and isfinite(params_b) then case when params_b <= 3 then '<= 3B'
        when params_b <= 10 then '3-10B' when params_b <= 20 then '10-20B' when params_b <= 45 then '20-45B'
        else '> 45B' end when coalesce(usd_per_mtok_in, usd_per_mtok_out) is not null then 'API'
        else 'unknown' end in ({", ".join(map(quoted, tiers))}) and model_id is not null order by model_id"""
    )
    return [str(model) for model in found["model_id"].to_pylist()]


def _pruned(session: Session, benchmark: str) -> list[str]:
    """Models that `[curate]` leaves out of a pool."""
    if "curated" not in session:
        return []
    found = session.query(
        f"""select distinct id from curated where kind = 'model' and rule = 'models'
        and id is not null and benchmark = {quoted(benchmark)} order by id"""
    )
    return [str(model) for model in found["id"].to_pylist()]


def _order(part: Part, order: Order) -> dict[str, object]:
    return {"path": part.name, "unsorted": order.unsorted, "first_row": order.first_row}


def _matrices(parts: Sequence[Part], n_items: Mapping[str, int]) -> Iterator[tuple[Part, ScoreMatrix, Order]]:
    """Scores of every file, each read while the one before is looked at."""
    with ThreadPoolExecutor(1) as reading:

        def start(part: Part) -> Future[tuple[ScoreMatrix, Order]]:
            return reading.submit(read_scores, part.path, n_items.get(part.keys.get("benchmark", ""), 0))

        ahead = [start(part) for part in parts[:1]]
        for place, part in enumerate(parts):
            matrix, order = ahead.pop().result()
            ahead += [start(later) for later in parts[place + 1 : place + 2]]
            yield part, matrix, order


def _members(session: Session, benchmark: str) -> dict[Group, list[str]]:
    """Candidates of every group of a benchmark, by rank."""
    found = session.query(
        f"""select method, m, kind, list(model_id order by rank) as models from groups
        where benchmark = {quoted(benchmark)} and m > 0 and model_id is not null and rank is not null
        group by all order by all"""
    )
    columns = (found[name].to_pylist() for name in ("method", "m", "kind", "models"))
    return {Group(method, m, kind): models for method, m, kind, models in zip(*columns, strict=True)}


def _train(session: Session, benchmark: str) -> list[np.ndarray]:
    if "splits" not in session:
        return []
    found = session.query(
        f"""select scheme, list(item order by item) as items from splits
        where benchmark = {quoted(benchmark)} and split = 'train' and item >= 0
        group by scheme order by scheme"""
    )
    return [np.array(items, np.int64) for items in found["items"].to_pylist()]


def _view(name: str) -> Callable[[Session], Made]:
    def build(session: Session) -> Made:
        if session.scanned is None:
            session.scanned = scan(session)
        return session.scanned.get(name)

    return build


BUILDERS: dict[str, Callable[[Session], Made]] = {
    name: _view(name) for name in ("score_orders", "score_digests", "group_facts", "group_columns")
}
