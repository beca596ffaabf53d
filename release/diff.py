"""What changed between two releases, and how much it means to those who use them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from routerset.release import layout
from routerset.release.costs import Costs, cost_digests, cost_records
from routerset.release.files import read_table, reading
from routerset.release.manifest import BenchmarkEntry, Manifest
from routerset.release.scores import model_digests, model_records
from routerset.schemas.groups import Group, columns_of
from routerset.schemas.pricing import usd_of
from routerset.schemas.released import RELEASED
from routerset.schemas.tables import COST_MEASURES, Split

SHOWN = 20
"""Names listed before a change only says how many more there are."""
_MEASURES = [*COST_MEASURES]
_USD = _MEASURES.index("usd")
_OF_PRICES = ("usd_per_mtok_in", "usd_per_mtok_out", "price_as_of")
"""Columns of `models` that table `prices` has, too."""
Row = Mapping[str, Any]
_MEANING = ("metric", "reference_model", "reference_score", "binary", "text_published")


class Level(IntEnum):
    """SemVer by meaning (DESIGN.md, Release)."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Change:
    """One change. where: `dataset`, `models` or a benchmark."""

    level: Level
    where: str
    what: str


@dataclass(frozen=True)
class Side:
    """One of the two releases: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    def read(self, *paths: str, columns: list[str] | None = None) -> pa.Table:
        """Some files of the release, joined into one table."""
        tables = [read_table(self.folder / path, columns) for path in paths]
        return pa.concat_tables(tables).combine_chunks()

    def data(self, benchmark: str) -> list[str]:
        """Data files of a benchmark."""
        return [layout.data_path(benchmark, split) for split in self.manifest.files(benchmark)]

    def vectors(self, encoder: str, benchmark: str) -> list[str]:
        """Files of a benchmark's vectors."""
        return [layout.vectors_path(encoder, benchmark, split) for split in self.manifest.files(benchmark)]

    def prices(self) -> dict[str, Row]:
        """Rows of table `prices` by model; none where there is no such table."""
        there = layout.PRICES in self.manifest.tables
        return {row["model_id"]: row for row in self.read(layout.PRICES).to_pylist()} if there else {}

    def columns(self, benchmark: str) -> list[str]:
        """Columns of the data files that belong to no group."""
        of_groups = columns_of(self.manifest.benchmarks[benchmark].groups)
        with reading(self.folder / layout.data_path(benchmark, Split.TRAIN)) as file:
            return [name for name in file.schema_arrow.names if name not in of_groups]


def compare(old: Side, new: Side) -> list[Change]:
    """Changes of rows, splits, groups, columns and meaning from one release to another.

    MAJOR where what a user of the old one relies on changed or went; MINOR where something was added.
    Tables with equal checksums are not read.
    """
    before, after = old.manifest, new.manifest
    changes = list(_sets("dataset", "benchmark", before.benchmarks, after.benchmarks))
    changes += _sets("dataset", "encoder", before.encoders, after.encoders)
    changes += _sets("dataset", "table", *(_whole(m) for m in (before, after)))
    if before.schemes[0] != after.schemes[0]:
        what = f"the files follow split scheme `{after.schemes[0]}`, before `{before.schemes[0]}`"
        changes.append(Change(Level.MAJOR, "dataset", what))
    if before.method != after.method:
        what = f"groups by `{after.method}` are evaluated by default, before by `{before.method}`"
        changes.append(Change(Level.PATCH, "dataset", what))
    tiers = [m.tiers.get("chosen", []) for m in (after, before)]
    if tiers[0] != tiers[1]:
        named = [", ".join(f"`{tier}`" for tier in of) or "all" for of in tiers]
        what = "groups by `universe` are chosen from models of tiers {}, before of {}".format(*named)
        changes.append(Change(Level.PATCH, "dataset", what))
    if _differ(old, new, layout.MODELS):
        changes += _models(old.read(layout.MODELS), new.read(layout.MODELS))
    if _tables(old, new, layout.PRICES):
        changes += _prices(old.prices(), new.prices())
    for name in sorted(before.benchmarks.keys() & after.benchmarks.keys()):
        changes += _benchmark(name, old, new)
    return changes


def _differ(old: Side, new: Side, *paths: str) -> bool:
    """Whether files that both have differ; `compare` tells of those that one of them lacks."""
    pairs = [(old.manifest.tables.get(p), new.manifest.tables.get(p)) for p in paths]
    return any(before and after and before.sha256 != after.sha256 for before, after in pairs)


def _whole(manifest: Manifest) -> set[str]:
    """Tables of all benchmarks together, without the results, which follow from the rest."""
    return {path for path in manifest.tables if "/" not in path and path != layout.LEADERBOARD}


def _tables(old: Side, new: Side, path: str) -> bool:
    """Whether a table that a release may lack differs, or is there in one release alone."""
    before, after = (side.manifest.tables.get(path) for side in (old, new))
    return (before and before.sha256) != (after and after.sha256)


def _sets(where: str, noun: str, old: Iterable[str], new: Iterable[str], *, of: str = "") -> Iterator[Change]:
    before, after = set(old), set(new)
    yield from _named(Level.MAJOR, where, noun, "removed", sorted(before - after), of)
    yield from _named(Level.MINOR, where, noun, "added", sorted(after - before), of)


def _named(
    level: Level, where: str, noun: str, verb: str, found: Sequence[str], of: str = ""
) -> Iterator[Change]:
    """What happened to some, such as `2 models added: ...`, with up to `SHOWN` names; nothing if to none."""
    if found:
        shown = ", ".join(f"`{name}`" for name in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        plural = "" if len(found) == 1 else "s"
        yield Change(level, where, f"{of}{len(found)} {noun}{plural} {verb}: {shown}{more}")


def _models(old: pa.Table, new: pa.Table) -> Iterator[Change]:
    shown = ([name for name in t.column_names if name not in _OF_PRICES] for t in (old, new))
    before, after = (
        {row["model_id"]: row for row in t.select(names).to_pylist()}
        for t, names in zip((old, new), shown, strict=True)
    )
    yield from _sets("models", "model", before, after)
    touched = [m for m in sorted(before.keys() & after.keys()) if before[m] != after[m]]
    filled = {m for m in touched if _extends(after[m], before[m])}
    yield from _touched("models", "description", touched, filled)


def _prices(old: Mapping[str, Row], new: Mapping[str, Row]) -> Iterator[Change]:
    """Changes of prices, which age: others of a later date take back nothing of what was said."""
    yield from _sets("models", "model", old, new, of="prices of ")
    touched = sorted(m for m in old.keys() & new.keys() if old[m] != new[m])
    later = [m for m in touched if _is_later(old[m], new[m])]
    yield from _named(Level.MINOR, "models", "model", "dated anew", later, of="prices of ")
    rest = [m for m in touched if m not in later]
    yield from _touched(
        "models", "model", rest, {m for m in rest if _extends(new[m], old[m])}, of="prices of "
    )


def _is_later(old: Row, new: Row) -> bool:
    """Whether a price has a later date, or a date at all where it had none."""
    return bool(new["as_of"]) and (old["as_of"] or "") < new["as_of"]


def _extends(new: Mapping[str, object], old: Mapping[str, object]) -> bool:
    """Whether a row still says all that it said before: nulls may be filled, lists may grow."""

    def kept(before: object, after: object) -> bool:
        grown = isinstance(before, list) and isinstance(after, list) and set(before) <= set(after)
        return before is None or before == after or grown

    return all(kept(value, new.get(key)) for key, value in old.items())


def _touched(
    where: str, noun: str, touched: Sequence[str], filled: set[str], of: str = ""
) -> Iterator[Change]:
    """Changes of what both releases have; `filled` still says all that it said before, and more."""
    changed, completed = [m for m in touched if m not in filled], [m for m in touched if m in filled]
    yield from _named(Level.MAJOR, where, noun, "changed", changed, of)
    yield from _named(Level.MINOR, where, noun, "completed", completed, of)


def _benchmark(name: str, old: Side, new: Side) -> Iterator[Change]:
    before, after = old.manifest.benchmarks[name], new.manifest.benchmarks[name]
    yield from _meaning(name, before, after)
    yield from _sets(name, "column", old.columns(name), new.columns(name))
    yield from _sets(name, "group", *([g.column for g in side.groups] for side in (before, after)))
    yield from _sets(name, "encoder", before.encoders, after.encoders)
    if _differ(old, new, *old.data(name), *new.data(name)):
        common = [c for c in old.columns(name) if c in new.columns(name)]
        yield from _items(name, *(side.read(*side.data(name), columns=common) for side in (old, new)))
    if _differ(old, new, layout.scores_path(name)):
        yield from _scores(name, old.folder, new.folder)
    if _tables(old, new, layout.costs_path(name)):
        yield from _costs(name, old, new)
    made = RELEASED["pseudo_specialists"].at(benchmark=name)
    if _tables(old, new, made):
        digests = [model_digests(p) if p.exists() else {} for p in (s.folder / made for s in (old, new))]
        yield from _sets(name, "made model", *digests)
        changed = sorted(m for m in digests[0].keys() & digests[1].keys() if digests[0][m] != digests[1][m])
        yield from _named(Level.MAJOR, name, "made model", "changed", changed, of="scores of ")
    if _differ(old, new, layout.GROUPS):
        yield from _groups(name, old.read(layout.GROUPS), new.read(layout.GROUPS))
    if _differ(old, new, layout.LIMITS):
        yield from _limits(name, old.read(layout.LIMITS), new.read(layout.LIMITS))
    for encoder in sorted(set(before.encoders) & set(after.encoders)):
        files = [side.vectors(encoder, name) for side in (old, new)]
        if _differ(old, new, *files[0], *files[1]):
            wanted = ["item_id", "embedding"]
            found = (side.read(*paths, columns=wanted) for side, paths in zip((old, new), files, strict=True))
            yield from _vectors(name, encoder, *found)


def _meaning(name: str, old: BenchmarkEntry, new: BenchmarkEntry) -> Iterator[Change]:
    for key in _MEANING:
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield Change(Level.MAJOR, name, f"{key} is {after}, before {before}")


def _items(name: str, old: pa.Table, new: pa.Table) -> Iterator[Change]:
    before, after = (t.sort_by("item") for t in (old, new))
    ids = [set(t["item_id"].to_pylist()) for t in (before, after)]
    # a new item moves the cuts of the split, so that results no longer compare
    yield from _named(Level.MAJOR, name, "item", "removed", sorted(ids[0] - ids[1]))
    yield from _named(Level.MAJOR, name, "item", "added", sorted(ids[1] - ids[0]))
    if ids[0] != ids[1]:
        return
    for column in before.column_names:
        if not before[column].equals(after[column]):
            pairs = zip(before[column].to_pylist(), after[column].to_pylist(), strict=True)
            changed = [a for a, b in pairs if a != b]
            filled = column == "category" and not any(changed)
            level, verb = (Level.MINOR, "completed") if filled else (Level.MAJOR, "changed")
            yield Change(level, name, f"column `{column}` {verb} in {len(changed)} of {len(before)} items")


def _scores(name: str, old: Path, new: Path) -> Iterator[Change]:
    paths = [folder / layout.scores_path(name) for folder in (old, new)]
    before, after = (model_digests(path) for path in paths)
    yield from _sets(name, "model", before, after)
    touched = sorted(m for m in before.keys() & after.keys() if before[m] != after[m])
    records = [model_records(path, touched) for path in paths]
    filled = {m for m in touched if records[0][m].items() <= records[1][m].items()}
    yield from _touched(name, "model", touched, filled, of="scores of ")


def _costs(name: str, old: Side, new: Side) -> Iterator[Change]:
    """Changes of costs as of scores; a release without any has no such file.

    US dollars that are tokens x price in both, and differ since the price has a later date, follow from that.
    """
    paths = [side.folder / layout.costs_path(name) for side in (old, new)]
    before, after = (cost_digests(path) if path.exists() else {} for path in paths)
    yield from _sets(name, "model", before, after, of="costs of ")
    touched = sorted(m for m in before.keys() & after.keys() if before[m] != after[m])
    records = [cost_records(path, touched) if touched else {} for path in paths]
    filled = {m for m in touched if _more(records[0][m], records[1][m])}
    unclear = [m for m in touched if m not in filled]
    prices = [side.prices() if unclear else {} for side in (old, new)]
    repriced = [
        m for m in unclear if m in prices[0] and m in prices[1] and _is_later(prices[0][m], prices[1][m])
    ]
    followed = {
        m
        for m in repriced
        if _more(
            records[0][m], records[1][m], [_priced(r[m], p[m]) for r, p in zip(records, prices, strict=True)]
        )
    }
    yield from _named(Level.MINOR, name, "model", "repriced", sorted(followed), of="costs of ")
    yield from _touched(name, "model", [m for m in touched if m not in followed], filled, of="costs of ")


def _more(
    old: Mapping[int, Costs], new: Mapping[int, Costs], priced: Sequence[Collection[int]] = ((), ())
) -> bool:
    """Whether all that was known still is. priced: items of both whose US dollars are tokens x price."""
    follows = set(priced[0]).intersection(priced[1])

    def kept(item: int, before: Costs, after: Costs) -> bool:
        pairs = enumerate(zip(before, after, strict=True))
        return all(a is None or a == b or (at == _USD and item in follows) for at, (a, b) in pairs)

    return all(item in new and kept(item, costs, new[item]) for item, costs in old.items())


def _priced(records: Mapping[int, Costs], price: Row) -> set[int]:
    """Items whose US dollars are tokens x price."""
    known = np.array([*records.values()], np.float32).reshape(len(records), len(COST_MEASURES))
    usd, prompt, completion = (
        known[:, _MEASURES.index(name)] for name in ("usd", "prompt_tokens", "completion_tokens")
    )
    good = usd_of(prompt, completion, price["usd_per_mtok_in"], price["usd_per_mtok_out"]) == usd
    return {item for item, is_good in zip(records, good.tolist(), strict=True) if is_good}


def _groups(name: str, old: pa.Table, new: pa.Table) -> Iterator[Change]:
    before, after = (
        layout.members_of(t.filter(pc.equal(t["benchmark"], name)), f"{layout.GROUPS}, {name}")
        for t in (old, new)
    )
    changed = [g.column for g in sorted(before.keys() & after.keys()) if before[g] != after[g]]
    yield from _named(Level.MAJOR, name, "group", "changed", changed)


def _limits(name: str, old: pa.Table, new: pa.Table) -> Iterator[Change]:
    before, after = (
        {
            Group(row["method"], row["m"], row["kind"]).column: row
            for row in t.filter(pc.equal(t["benchmark"], name)).to_pylist()
        }
        for t in (old, new)
    )
    yield from _sets(name, "group", before, after, of="limits of ")
    touched = [group for group in sorted(before.keys() & after.keys()) if before[group] != after[group]]
    filled = {group for group in touched if _extends(after[group], before[group])}
    yield from _touched(name, "group", touched, filled, of="limits of ")


def _vectors(name: str, encoder: str, old: pa.Table, new: pa.Table) -> Iterator[Change]:
    before, after = (t.sort_by("item_id") for t in (old, new))
    # where the items differ, that has been told already
    if before["item_id"].equals(after["item_id"]) and not before["embedding"].equals(after["embedding"]):
        yield Change(Level.MAJOR, name, f"embeddings of encoder `{encoder}` changed")
