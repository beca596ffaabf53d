"""What the partitions of a build say together, and the accounting of every record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from routerset.etl.ingest.plan import STAGING, Plan
from routerset.etl.ingest.shards import BAD_ROWS, RECORD, SHARDS
from routerset.etl.manifest import Finished
from routerset.etl.records import read_sealed
from routerset.etl.sources.base import BAD, COST_NOTE, READ, cost_note
from routerset.etl.sources.blocks import MAX_TOLD
from routerset.schemas import store
from routerset.schemas.tables import COST_MEASURES, JOINED_BY, QUARANTINE, RUNS

LISTED = 20
"""Model ids in another case that the accounting of a source and benchmark names, at most."""


class AccountingError(RuntimeError):
    """Records read are not records kept, superseded and quarantined: a fault of ours, never of the data."""


@dataclass(frozen=True)
class Merged:
    """Runs and quarantine of all benchmarks, accounting rows, the checksums of all files, bad costs, and
    what each source gave."""

    runs: pa.Table
    quarantine: pa.Table
    accounting: list[store.JsonObject]
    inputs: list[str]
    bad_costs: list[str]
    sources: list[store.JsonObject]


def merge(plan: Plan, build: Path, parts: Mapping[str, Finished]) -> Merged:
    """What the partitions say together. Raises AccountingError."""
    read: Counter[tuple[str, str]] = Counter()
    notes: Counter[tuple[str, str, str]] = Counter()
    inputs: list[str] = []
    sources: dict[int, store.JsonObject] = {}
    quarantines = [QUARANTINE.empty_table()]
    for batch in plan.batches:
        folder = build / STAGING / SHARDS / batch.fingerprint
        facts = read_sealed(folder / RECORD)
        if facts is None:
            raise RuntimeError(f"{folder}: altered by another program while the build ran; build again")
        wanted = {"", *plan.benchmarks}
        spec = batch.spec
        source = sources.setdefault(
            batch.order, {"source": spec.format, **spec.told(), "files": 0, "read": Counter()}
        )
        source["files"] += len(batch.dumps)
        source["read"].update({b: n for b, n in facts["n_read"].items() if b in wanted})
        read.update({(batch.spec.format, b): n for b, n in facts["n_read"].items() if b in wanted})
        for key, n in facts["notes"].items():
            benchmark, _, note = key.partition("/")
            if benchmark in wanted:
                notes[batch.spec.format, benchmark, note] += n
        inputs += [file["sha256"] for file in facts["files"]]
        if (folder / BAD_ROWS).exists():
            table = store.read_file(folder / BAD_ROWS)
            known = pc.is_in(pc.fill_null(table["benchmark"], ""), pa.array(sorted(wanted)))
            quarantines.append(table.filter(known))
    runs = [RUNS.empty_table()]
    for name in parts:
        part = build / STAGING / "parts" / name
        quarantines.append(store.read_file(part / "quarantine.parquet"))
        runs.append(store.read_file(part / "runs.parquet"))
    quarantine = store.sort_rows(pa.concat_tables(quarantines).cast(QUARANTINE))
    all_runs = store.sort_rows(pa.concat_tables(runs).cast(RUNS))
    return Merged(
        all_runs,
        quarantine,
        account(read, parts, quarantine, notes),
        sorted(inputs),
        _bad_costs(notes),
        [{**sources[at], "read": dict(sorted(sources[at]["read"].items()))} for at in sorted(sources)],
    )


def account(
    read: Mapping[tuple[str, str], int],
    parts: Mapping[str, Finished],
    quarantine: pa.Table,
    notes: Mapping[tuple[str, str, str], int],
) -> list[store.JsonObject]:
    """Accounting rows per source and benchmark (empty where a record's benchmark is unknown).

    joined: the kept ones by what told their documents. costs: as `_costs` has them, where a source tells any.
    Raises AccountingError unless read = kept + superseded + quarantined in every row.
    """
    keys = ["source", "benchmark", "reason"]
    counted = quarantine.group_by(keys).aggregate([("n", "sum")]).select([*keys, "n_sum"])
    reasons = {(s, b or "", r): n for s, b, r, n in zip(*counted.to_pydict().values(), strict=True)}
    rows = []
    for source, benchmark in sorted({*read, *((source, benchmark) for source, benchmark, _ in reasons)}):
        part = parts[benchmark].info if benchmark in parts else {}
        found = {name: part.get(name, {}) for name in ("kept", "superseded", "joined", "notes")}
        noted = {k: n for (s, b, k), n in notes.items() if (s, b) == (source, benchmark)}
        known, priced = (part.get(name, {}).get(source) for name in ("costs", "priced"))
        costs = _costs(noted, found["kept"].get(source, 0), known or {}, priced)
        noted = {k: n for k, n in noted.items() if not k.startswith(COST_NOTE)}
        why = {r: n for (s, b, r), n in sorted(reasons.items()) if (s, b) == (source, benchmark)}
        row = {
            "source": source,
            "benchmark": benchmark,
            "read": read.get((source, benchmark), 0),
            "kept": found["kept"].get(source, 0),
            "superseded": found["superseded"].get(source, 0),
            "quarantined": sum(why.values()),
            "reasons": why,
            "joined": {how: found["joined"].get(source, {}).get(how, 0) for how in JOINED_BY},
            "notes": dict(sorted({**noted, **found["notes"].get(source, {})}.items())),
            **({"costs": costs} if costs else {}),
        }
        if alike := part.get("case_alike", {}).get(source):
            row["case_alike"] = alike[:LISTED]
        if row["read"] != row["kept"] + row["superseded"] + row["quarantined"]:
            raise AccountingError(f"records of {source}, {benchmark or 'no benchmark'} do not add up: {row}")
        rows.append(row)
    return rows


def _bad_costs(notes: Iterable[tuple[str, str, str]]) -> list[str]:
    """The first values of every source, benchmark and measure that are no cost."""
    shown: dict[tuple[str, str, str], list[str]] = {}
    for source, benchmark, note in sorted(notes):
        _, measure, what = (*note.split("/", 2), "", "")[:3]
        if note.startswith(COST_NOTE) and what not in (READ, BAD):
            shown.setdefault((source, benchmark, measure), []).append(f"{benchmark}, {measure}: {what}")
    return [line for lines in shown.values() for line in lines[:MAX_TOLD]]


def _costs(
    noted: Mapping[str, int], scores: int, known: Mapping[str, int], priced: int | None
) -> dict[str, dict[str, int]]:
    """Per measure that a source tells: scores with a known cost, and without one; values that are no cost.

    priced: scores whose US dollars are tokens x price; they are among the known ones.
    """
    costs: dict[str, dict[str, int]] = {}
    for measure in COST_MEASURES:
        mark, kept = cost_note(measure, ""), known.get(measure, 0)
        told = {note.removeprefix(mark): n for note, n in noted.items() if note.startswith(mark)}
        of_prices = {"priced": priced} if priced and measure == "usd" else {}
        if READ in told or of_prices:
            costs[measure] = {"kept": kept, "missing": scores - kept, "bad": told.get(BAD, 0), **of_prices}
    return costs
