"""The results of a release as a table of it: one row per benchmark, m and router."""

from __future__ import annotations

import pyarrow as pa

from routerset.release.reporting.evaluation import Findings
from routerset.schemas.released import LEADERBOARD_SCHEMA


def leaderboard(found: Findings) -> pa.Table:
    """Table `leaderboard`: the means over kinds of groups that the report shows, empty where it has none.

    Benchmarks in their order, then by m, the highest mu_o first; who has the same stands by name.
    """
    places = {name: place for place, name in enumerate(found.benchmarks)}
    rows = [row.to_dict() for row in found.means]
    rows.sort(key=lambda r: (places[str(r["benchmark"])], r["m"], -float(r["mu_o"] or 0), r["router"]))
    columns = {field.name: [_rounded(row[field.name]) for row in rows] for field in LEADERBOARD_SCHEMA}
    return pa.table(columns, schema=LEADERBOARD_SCHEMA)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
