"""Model ids that differ in case alone are one model, wherever they stand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.schemas import ids
from tests.dumps import write_wide

KEYS = [str(key) for key in range(12)]
OTHERS = np.array([[0, 1] * 6, [1, 1, 0, 0] * 3], float)
SOURCE = """
[[source]]
format = "wide"
path = "{name}/*.csv"
benchmark = "{benchmark}"
"""


def source(folder: Path, benchmark: str, models: dict[str, np.ndarray], file: str = "a.csv") -> str:
    """A source with a dump of some models, and two others; its lines of a config."""
    name = f"{benchmark}-{len(list(folder.iterdir()))}"
    scores = np.vstack([*models.values(), OTHERS])
    write_wide(folder / name / file, [*models, "x/one", "x/two"], KEYS, scores)
    return SOURCE.format(name=name, benchmark=benchmark)


def ingest(folder: Path, *sources: str) -> Manifest:
    (folder / "x.toml").write_text("".join(sources))
    return build(load_config(folder / "x.toml"), folder / "out", Runner(), lambda *_: None, "ingest")


def table(folder: Path, name: str) -> list[dict[str, object]]:
    return pq.read_table(folder / "out" / "tables" / f"{name}.parquet", partitioning=None).to_pylist()


def models(folder: Path) -> list[object]:
    return [row["model_id"] for row in table(folder, "models") if row["org"] != "x"]


def scores(folder: Path, benchmark: str) -> dict[object, list[float]]:
    rows = table(folder, f"scores/benchmark={benchmark}/part-0")
    return {
        model: [row["score"] for row in some]
        for model, some in itertools.groupby(rows, key=lambda row: row["model_id"])
    }


def test_one_file_may_spell_a_model_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = np.tile([1.0, 0.0, 0.0], 4)
    manifest = ingest(tmp_path, source(tmp_path, "gsm8k", {"org/Model": same, "ORG/model": same}))
    assert models(tmp_path) == ["ORG/model"]
    assert scores(tmp_path, "gsm8k")["ORG/model"] == same.tolist()
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"], row["quarantined"]) == (48, 36, 12, 0)
    assert row["notes"]["case_alike"] == 12
    assert row["case_alike"] == [{"kept": "ORG/model", "also": "org/Model", "n_records": 12}]
    assert "such as org/Model from ORG/model" in capsys.readouterr().err


def test_the_run_that_covers_most_counts_then_the_newest(tmp_path: Path) -> None:
    few = np.tile([1.0, 1.0, np.nan], 4)
    whole = np.tile([1.0, 0.0, 0.0], 4)
    ingest(tmp_path, source(tmp_path, "gsm8k", {"ORG/model": few, "org/model": whole}))
    assert scores(tmp_path, "gsm8k")["ORG/model"] == whole.tolist()


def test_scores_that_differ_are_of_two_runs_and_no_fault(tmp_path: Path) -> None:
    one, other = np.tile([1.0, 0.0], 6), np.tile([0.0, 1.0], 6)
    manifest = ingest(tmp_path, source(tmp_path, "gsm8k", {"org/model": other, "ORG/model": one}))
    assert scores(tmp_path, "gsm8k")["ORG/model"] == one.tolist()
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["superseded"], row["quarantined"]) == (12, 0)
    runs = [
        (row["n_kept"], row["chosen"]) for row in table(tmp_path, "runs") if row["model_id"] == "ORG/model"
    ]
    assert sorted(runs) == [(0, False), (12, True)]


def test_a_spelling_holds_in_every_source_and_benchmark(tmp_path: Path) -> None:
    a, b = np.tile([1.0, 0.0, 0.0], 4), np.tile([1.0, 1.0, 0.0], 4)
    sources = [
        source(tmp_path, "gsm8k", {"org/m@Rev": a}),
        source(tmp_path, "arc", {"Org/m@rev": b}),
        source(tmp_path, "winogrande", {"ORG/other": a}),
    ]
    ingest(tmp_path, *sources)
    assert models(tmp_path) == ["ORG/other", "Org/m@rev"]
    assert scores(tmp_path, "gsm8k")["Org/m@rev"] == a.tolist()
    first = [path.read_bytes() for path in sorted((tmp_path / "out/tables").rglob("*.parquet"))]
    (tmp_path / "out").rename(tmp_path / "before")
    ingest(tmp_path, *reversed(sources))
    assert [path.read_bytes() for path in sorted((tmp_path / "out/tables").rglob("*.parquet"))] == first


def test_a_new_spelling_renames_what_was_assembled_before(tmp_path: Path) -> None:
    a = np.tile([1.0, 0.0, 0.0], 4)
    sources = [source(tmp_path, "gsm8k", {"org/m": a}), source(tmp_path, "arc", {"Org/m": a})]
    ingest(tmp_path, sources[0])
    assert models(tmp_path) == ["org/m"]
    ingest(tmp_path, *sources)
    assert models(tmp_path) == ["Org/m"]
    assert list(scores(tmp_path, "gsm8k")) == ["Org/m", "x/one", "x/two"]


def test_a_config_names_the_spelling(tmp_path: Path) -> None:
    a = np.tile([1.0, 0.0, 0.0], 4)
    sources = [
        source(tmp_path, "gsm8k", {"ORG/m": a}),
        source(tmp_path, "arc", {"Org/m": a}) + 'models = { "Org/m" = "org/m" }\n',
    ]
    ingest(tmp_path, *sources)
    assert models(tmp_path) == ["org/m"]


def test_a_config_keeps_two_models_apart(tmp_path: Path) -> None:
    one, other = np.tile([1.0, 0.0], 6), np.tile([0.0, 1.0], 6)
    lines = source(tmp_path, "gsm8k", {"ORG/m": one, "org/m": other})
    ingest(tmp_path, lines + 'models = { "org/m" = "org/m-other" }\n')
    assert models(tmp_path) == ["ORG/m", "org/m-other"]


def test_descriptions_find_a_model_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "models.csv").write_text("name,size\nORG/M,7B\n")
    lines = source(tmp_path, "gsm8k", {"org/m": np.tile([1.0, 0.0], 6)})
    described = '[[models]]\npath = "models.csv"\ncolumns = { model_id = "name", params_b = "size" }\n'
    ingest(tmp_path, lines, described)
    assert [row["params_b"] for row in table(tmp_path, "models")] == [7.0, None, None]


@pytest.mark.parametrize(
    ("found", "preferred", "expected"),
    [
        (["org/a", "org/b"], (), {}),
        (["org/a", "Org/a", "ORG/A"], (), {"org/a": "ORG/A", "Org/a": "ORG/A"}),
        (["org/a", "Org/a", "ORG/A"], ("org/a",), {"ORG/A": "org/a", "Org/a": "org/a"}),
        (["org/stra\u00dfe", "org/STRASSE"], (), {"org/stra\u00dfe": "org/STRASSE"}),
        (["org/\u0130", "org/i"], (), {"org/\u0130": "org/i"}),
    ],
)
def test_kept_spellings(found: list[str], preferred: tuple[str, ...], expected: dict[str, str]) -> None:
    for order in itertools.permutations(found):
        assert ids.kept_spellings(order, preferred) == expected
