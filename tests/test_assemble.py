"""What is found out only when all dumps are there: which file and row it was stands in quarantine, too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.sources import wide
from routerset.etl.sources.base import Dump, Reading, SourceSpec
from routerset.etl.sources.blocks import Cells, clean_costs
from routerset.etl.sources.registry import SOURCES
from routerset.schemas.tables import COST_MEASURES
from tests.dumps import truth, write_config, write_items, write_wide

LM_EVAL = '[[source]]\nformat = "lm_eval"\npath = "dumps"\n'


def quarantined(config: Path) -> list[tuple[str, int | None, str, str]]:
    """File, row, model and reason of all that the build of a config quarantines."""
    out = config.parent / "out"
    build(load_config(config), out, Runner(), lambda *_: None, "ingest")
    rows = pq.read_table(out / "tables" / "quarantine.parquet").to_pylist()
    return [(row["file"], row["row"], row["model_id"], row["reason"]) for row in rows]


def write_log(folder: Path, model: str, documents: list[int], golds: dict[int, str]) -> None:
    """A harness log of documents in this order."""
    path = folder / f"org__{model}" / "samples_arc_challenge_2024-09-18T10-20-30.123456.jsonl"
    path.parent.mkdir(parents=True)
    lines = [
        {
            "doc_id": number,
            "doc": {"question": f"What is {number}?", "choices": ["a", "b"]},
            "arguments": [[f"Answer {number}.", " a"]],
            "target": golds.get(number, "0"),
            "acc_norm": number % 2,
        }
        for number in documents
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_a_conflicting_gold_answer_has_the_row_of_its_own_file(tmp_path: Path) -> None:
    for model, documents in (("a", [*range(12)]), ("b", [*range(12)]), ("c", [5, 11, 2, 0, 7])):
        write_log(tmp_path / "dumps", model, documents, {11: "1", 0: "1"} if model == "c" else {})
    (tmp_path / "x.toml").write_text(LM_EVAL)
    file = "org__c/samples_arc_challenge_2024-09-18T10-20-30.123456.jsonl"
    assert quarantined(tmp_path / "x.toml") == [
        (file, 1, "org/c", "conflicting_gold"),
        (file, 3, "org/c", "conflicting_gold"),
    ]


def test_an_unknown_item_has_the_row_of_its_model(tmp_path: Path) -> None:
    known = truth(5)
    few = np.ones((2, 2))
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps" / "many.csv", known.models[:3], known.keys, known.scores[:3])
    write_wide(tmp_path / "dumps" / "few.csv", known.models[3:], [known.keys[0], "1000"], few)
    assert quarantined(write_config(tmp_path / "x.toml")) == [
        ("few.csv", 0, known.models[3], "unknown_item"),
        ("few.csv", 1, known.models[4], "unknown_item"),
    ]


def test_two_scores_of_one_run_in_two_files_have_the_rows_of_both(tmp_path: Path) -> None:
    known = truth()
    again = known.scores[[7, 4]].copy()
    again[1, [2, 9]] = 1 - again[1, [2, 9]]
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_wide(tmp_path / "dumps" / "b.csv", [known.models[7], known.models[4]], known.keys, again)
    assert quarantined(write_config(tmp_path / "x.toml")) == [
        *[("a.csv", 4, known.models[4], "duplicate_key")] * 2,
        *[("b.csv", 1, known.models[4], "duplicate_key")] * 2,
    ]


def test_prompts_are_read_from_where_the_dumps_lie_now(tmp_path: Path) -> None:
    """Dumps that were parsed in one place keep their prompts when they have moved to another."""
    write_log(tmp_path / "dumps", "a", [*range(12)], {})
    out = tmp_path / "out"
    for folder in ("dumps", "moved"):
        if folder == "moved":
            (tmp_path / "dumps").rename(tmp_path / "moved")
            for made in ("tables", "staging/canonical", "staging/parts"):
                shutil.rmtree(out / made)
        (tmp_path / "x.toml").write_text(LM_EVAL.replace("dumps", folder))
        build(load_config(tmp_path / "x.toml"), out, Runner(), lambda *_: None, "ingest")
        items = pq.read_table(out / "tables/items/benchmark=arc/part-0.parquet")
        assert items["prompt"].to_pylist() == [f"Answer {number}." for number in range(12)]


def test_costs_go_with_the_scores_that_count_and_change_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs in two files, the later one counts; some of its costs are unknown, and one is no cost."""
    monkeypatch.setattr("routerset.etl.ingest.costs.CELLS", 25)  # two models at a time
    known = truth(5)
    rng = np.random.default_rng(1)
    shape = known.scores.shape
    found = {name: np.round(rng.uniform(0, 99, (2, *shape)), 3).astype(np.float32) for name in COST_MEASURES}
    found["usd"][:, :, 3] = np.nan
    found["latency_s"][:] = np.nan
    for costs in found.values():
        costs[:, 2, 4] = np.nan
    found["prompt_tokens"][1, 0, 0] = -1

    def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
        for reading in wide.read(dump, spec):
            run = int(dump.file == "b.csv")
            rows = np.broadcast_to(np.arange(shape[0])[:, None], shape)
            cells = {name: Cells.of(costs[run]) for name, costs in found.items()}
            costs, notes = clean_costs(dump, "gsm8k", rows, cells)
            blocks = [replace(block, costs=costs) for block in reading.blocks]
            yield replace(reading, blocks=tuple(blocks), notes=reading.notes | notes)

    write_items(tmp_path / "items.csv", known.keys)
    for name, moment in (("a", "2024-01-01T00:00:00"), ("b", "2024-01-02T00:00:00")):
        path = tmp_path / "dumps" / f"{name}.csv"
        write_wide(path, known.models, known.keys, known.scores, [moment] * len(known.models))
    config = load_config(write_config(tmp_path / "x.toml"))
    tables, accounting = [], []
    for name in ("plain", "costs"):
        built = build(config, tmp_path / name, Runner(), lambda *_: None, "ingest")
        tables.append({p.parent.parent.name: p for p in (tmp_path / name / "tables").rglob("part-0.parquet")})
        accounting.append(built.stages["ingest"].info["accounting"][0])
        monkeypatch.setitem(SOURCES, "wide", replace(SOURCES["wide"], read=read))
    assert set(tables[0]) == {"items", "scores"}
    assert all(path.read_bytes() == tables[1][name].read_bytes() for name, path in tables[0].items())
    models = sorted(range(shape[0]), key=lambda row: known.models[row])
    column_of = np.argsort([int(key) for key in known.keys])
    expected = []
    for row in models:
        for item, column in enumerate(column_of):
            costs = [float(found[name][1, row, column]) for name in COST_MEASURES]
            costs = [None if np.isnan(cost) or cost < 0 else cost for cost in costs]
            if any(cost is not None for cost in costs):
                expected.append((known.models[row], item, *costs))
    rows = pq.read_table(tables[1]["costs"])
    assert [tuple(row.values()) for row in rows.to_pylist()] == expected
    n = known.scores.size
    assert "costs" not in accounting[0]
    assert accounting[1].pop("costs") == {
        "usd": {"kept": n - 6, "missing": 6, "bad": 0},
        "prompt_tokens": {"kept": n - 2, "missing": 2, "bad": 1},
        "completion_tokens": {"kept": n - 1, "missing": 1, "bad": 0},
        "latency_s": {"kept": 0, "missing": n, "bad": 0},
    }
    assert accounting[1] == accounting[0]
    told = "gsm8k, prompt_tokens: b.csv[row 0]: expected a finite number of at least 0, found -1"
    assert built.stages["ingest"].info["bad_costs"] == [told]
