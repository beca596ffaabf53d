"""The models table: what description files say of models that have scores."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.config import ModelsSpec
from routerset.etl.ingest.descriptions import describe
from routerset.etl.ingest.models import ModelFacts, models_table
from routerset.etl.sources.base import DumpUnreadable, SpecError

SCORED = {"org/a": ["gsm8k", "bbh"], "b": ["arc"]}
COLUMNS = {"model_id": "name", "params_b": "size", "is_moe": "moe"}


def described(tmp_path: Path, *texts: str) -> list[tuple[object, ...]]:
    """Id, organisation, billions of parameters, whether a mixture, and leaderboards of each model."""
    specs = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.csv").write_text(text, encoding="utf-8")
        specs.append(ModelsSpec(str(tmp_path / f"{number}.csv"), COLUMNS))
    table = models_table(SCORED, ModelFacts(describe(specs)), {})
    rows = table.to_pylist()
    return [tuple(r[n] for n in ("model_id", "org", "params_b", "is_moe", "leaderboards")) for r in rows]


def test_models_without_a_description_stand_alone(tmp_path: Path) -> None:
    expected = [("b", None, None, None, ["v1"]), ("org/a", "org", None, None, ["v1", "v2"])]
    assert described(tmp_path) == expected


def test_the_first_value_that_is_not_empty_counts(tmp_path: Path) -> None:
    first = "name,size,moe,note\norg__a,,True,x\nother/c,1B,no,\n"
    second = "name,size,moe\norg/a,350M,false\nb,7.24,maybe\n"
    assert described(tmp_path, first, second) == [
        ("b", None, 7.24, None, ["v1"]),
        ("org/a", "org", 0.35, True, ["v1", "v2"]),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"params_b": "size"}, "model_id is missing; name the column that holds it, one of name, size"),
        (
            {"model_id": "nam"},
            "maps 'model_id' to 'nam'; ours are model_id, org, .*; the file has name, size",
        ),
        ({"model_id": "name", "params": "size"}, "maps 'params' to 'size'; ours are model_id, org"),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    path = tmp_path / "models.csv"
    path.write_text("name,size\na,1\n", encoding="utf-8")
    with pytest.raises(SpecError, match=rf"models\.csv: \[\[models\]\] columns:? {message}") as caught:
        describe([ModelsSpec(str(path), columns)])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("data", [b"", b"name,size\na,1,2\n", b"name,size\n\xe9,1\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(data)
    with pytest.raises(DumpUnreadable, match=r"models\.csv: expected a CSV or Parquet file that describes"):
        describe([ModelsSpec(str(path), {"model_id": "name"})])


def test_a_parquet_whose_text_is_no_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.parquet"
    names = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xe9"]).buffers())
    pq.write_table(pa.table({"name": names}), path)
    with pytest.raises(DumpUnreadable, match=r"models\.parquet: expected a CSV or Parquet file"):
        describe([ModelsSpec(str(path), {"model_id": "name"})])


def test_values_without_a_meaning_are_counted_and_leave_room_for_others(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text('name;size;moe\norg/a;7,24B;maybe\nb;"unknown";NA\n', encoding="utf-16")
    second.write_text("name,size,moe\norg/a,7.24B,\nb,nan,\nother,?,?\n", encoding="utf-8")
    specs = [ModelsSpec(str(first), COLUMNS, "utf-16"), ModelsSpec(str(second), COLUMNS)]
    facts = describe(specs)
    table, warnings = models_table(SCORED, ModelFacts(facts), {}), [*facts.warnings(SCORED)]
    assert table["params_b"].to_pylist() == [None, 7.24]
    assert warnings == [
        f"{first}: params_b: left empty for 2 models, such as '7,24B' of org/a: expected billions, such as "
        "7.24, 7.24B or 350M",
        f"{first}: is_moe: left empty for 1 models, such as 'maybe' of org/a: expected true or false",
    ]


def test_a_time_that_python_has_none_for_is_text(tmp_path: Path) -> None:
    path = tmp_path / "models.parquet"
    times = pa.array([2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"name": ["b"], "sha": times}), path)
    facts = describe([ModelsSpec(str(path), {"model_id": "name", "revision": "sha"})])
    table, warnings = models_table({"b": ["arc"]}, ModelFacts(facts), {}), [*facts.warnings(["b"])]
    assert "out of range" in table["revision"][0].as_py()
    assert not warnings


def test_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes("name,size\nb,1\n".encode("utf-16"))
    with pytest.raises(DumpUnreadable, match='found UTF-16: set encoding = "utf-16"'):
        describe([ModelsSpec(str(path), {"model_id": "name"})])
