"""Changes to the tables of a build, each in one place, for the tests of versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.release.build import ReleaseResult, write_release
from routerset.schemas import store
from routerset.schemas.tables import MODELS, SCORES
from tests.release.builds import Bench, binary, model_names, options, write_build

Edit = Callable[[pa.Table], pa.Table]
GSM8K = "benchmark=gsm8k/part-0.parquet"


def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of a build without its release."""
    return Path(shutil.copytree(built, tmp_path / "build", ignore=shutil.ignore_patterns("release")))


def release_after(built: Path, build: Path, **changes: object) -> ReleaseResult:
    """The release of a build that comes after that of another. changes: to the options."""
    return write_release(build, build / "release", options(previous=built / "release", **changes))


def edit(path: str, schema: pa.Schema, change: Edit) -> Callable[[Path], None]:
    """Changes one table of a build."""

    def apply(build: Path) -> None:
        file = build / "tables" / path
        store.write_table(file, schema, change(pq.ParquetFile(file).read()))

    return apply


def put(column: str, row: int, value: object) -> Edit:
    """One cell."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        place = table.column_names.index(column)
        return table.set_column(place, column, pa.array(values, table.schema.field(column).type))

    return change


def without(column: str, value: object) -> Edit:
    return lambda table: table.filter(pc.not_equal(table[column].cast(pa.string()), value))


def flip(table: pa.Table) -> pa.Table:
    return put("score", 0, 1.0 - table["score"][0].as_py())(table)


def swap_sides(table: pa.Table) -> pa.Table:
    """Moves a train item to test, and a test item to train."""
    sides = table["split"].to_pylist()
    train, test = sides.index("train"), sides.index("test")
    sides[train], sides[test] = "test", "train"
    return put("split", train, "test")(put("split", test, "train")(table))


def swap_candidates(table: pa.Table) -> pa.Table:
    names = table["model_id"].to_pylist()
    return put("model_id", 0, names[1])(put("model_id", 1, names[0])(table))


def without_last_group(table: pa.Table) -> pa.Table:
    return table.filter(
        pc.invert(pc.and_(pc.equal(table["m"], 5), pc.equal(table["kind"], "strong_to_weak")))
    )


def add_model(build: Path) -> None:
    """One more model on arc, which has no groups."""
    names = model_names(21)
    fresh = {"model_id": names[20], "org": "org", "leaderboards": ["v1"]}
    rows = pa.Table.from_pylist([dict.fromkeys(MODELS.names) | fresh], schema=MODELS)
    edit("models.parquet", MODELS, lambda t: pa.concat_tables([t, rows]))(build)
    more = pa.table(
        {
            "model_id": pa.DictionaryArray.from_arrays(pa.array([0] * 12, pa.int32()), [names[20]]),
            "item": np.arange(12, dtype=np.int32),
            "score": np.ones(12, np.float32),
        }
    )
    edit(
        "scores/benchmark=arc/part-0.parquet",
        SCORES,
        lambda t: pa.concat_tables([t, more.cast(SCORES)]).unify_dictionaries(),
    )(build)


def drop_folder(path: str) -> Callable[[Path], None]:
    return lambda build: shutil.rmtree(build / "tables" / path)


def add_benchmark(build: Path) -> None:
    extra = write_build(build / "extra", [Bench("musr", binary(5, 9, 9), sizes=(), encoders={})])
    for table in ("items", "scores"):
        shutil.copytree(extra / f"tables/{table}", build / f"tables/{table}", dirs_exist_ok=True)
    for scheme in ("paper", "family"):
        part = f"tables/splits/scheme={scheme}"
        shutil.copytree(extra / part, build / part, dirs_exist_ok=True)
    shutil.rmtree(extra)


def add_encoder(build: Path) -> None:
    shutil.copytree(
        build / "tables/embeddings/encoder=minilm",
        build / "tables/embeddings/encoder=mine",
        dirs_exist_ok=True,
    )


def add_method(build: Path) -> None:
    shutil.copytree(build / "tables/groups/method=paper", build / "tables/groups/method=greedy")


def move_vectors(build: Path) -> None:
    path = build / "tables/embeddings/encoder=minilm/benchmark=gsm8k/part-0.parquet"
    table = pq.ParquetFile(path).read()
    store.write_table(path, table.schema, put("vector", 0, [0.5] * 384)(table))
