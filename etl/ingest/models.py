"""The models table: every model with a score, described by whatever files the config names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from routerset.etl.sources.base import DumpUnreadable, SpecError
from routerset.schemas import ids
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.tables import MODELS

if TYPE_CHECKING:
    from routerset.etl.config import ModelsSpec

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_NUMBER = re.compile(r"\s*([0-9.]+)\s*([BM]?)\s*", re.IGNORECASE)


def models_table(benchmarks_of: Mapping[str, Sequence[str]], specs: Sequence[ModelsSpec]) -> pa.Table:
    """Models table of the models that have scores.

    benchmarks_of: model -> names of the benchmarks it has scores in. Of several descriptions of one
    model, the first value that is not empty counts, files in the config's order. Raises DumpUnreadable
    where a file cannot be read, and SpecError where its columns are not those that the config names.
    """
    described: dict[str, dict[str, str]] = {}
    for spec in specs:
        for row in _read(spec):
            name = ids.model_id(row.get("model_id", ""))
            if name in benchmarks_of:
                known = described.setdefault(str(name), {})
                known |= {k: v for k, v in row.items() if v and k not in known}
    rows = []
    for model in sorted(benchmarks_of):
        known = described.get(model, {})
        rows.append(
            {
                "model_id": model,
                "org": model.split("/")[0] if "/" in model else None,
                **{k: known.get(k) for k in ("revision", "precision", "architecture", "license")},
                "params_b": _billions(known.get("params_b")),
                **{k: _flag(known.get(k)) for k in ("is_merge", "is_moe")},
                "leaderboards": sorted({BENCHMARKS[b].leaderboard for b in benchmarks_of[model]}),
            }
        )
    return pa.Table.from_pylist(rows, schema=MODELS)


def alike_but_for_case(models: Iterable[str]) -> list[list[str]]:
    """Ids that differ in case alone, those of each model together."""
    spelled: dict[str, list[str]] = {}
    for model in sorted(models):
        spelled.setdefault(model.casefold(), []).append(model)
    return [names for names in spelled.values() if len(names) > 1]


def _read(spec: ModelsSpec) -> list[dict[str, str]]:
    """Rows of one description file under our column names, as text."""
    try:
        if spec.path.endswith(".parquet"):
            table = pq.read_table(spec.path)
        else:
            parse = pacsv.ParseOptions(newlines_in_values=True)
            header = pacsv.open_csv(spec.path, parse_options=parse).schema.names
            text = pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()))
            table = pacsv.read_csv(spec.path, parse_options=parse, convert_options=text)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise DumpUnreadable(
            f"{spec.path}: expected a CSV or Parquet file that describes models: {error}"
        ) from error
    if "model_id" not in spec.columns:
        raise SpecError(
            f"{spec.path}: [[models]] columns: model_id is missing; name the column that holds it, one of "
            f"{', '.join(table.column_names)}"
        )
    for ours, theirs in spec.columns.items():
        if table.column_names.count(theirs) != 1 or ours not in MODELS.names:
            raise SpecError(
                f"{spec.path}: [[models]] columns maps {ours!r} to {theirs!r}; ours are "
                f"{', '.join(MODELS.names)}; the file has {', '.join(table.column_names)}"
            )
    picked = table.select(list(spec.columns.values())).rename_columns(list(spec.columns))
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in picked.to_pylist()]


def _flag(text: str | None) -> bool | None:
    lowered = (text or "").strip().lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else None


def _billions(text: str | None) -> float | None:
    """Billions of parameters of a number with or without a unit: `7.24B`, `350M`, `7.24`."""
    match = _NUMBER.fullmatch(text or "")
    if match is None:
        return None
    try:
        return float(match[1]) / (1000.0 if match[2].upper() == "M" else 1.0)
    except ValueError:
        return None
