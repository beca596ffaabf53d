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
from routerset.etl.ingest.batches import plan_batches
from routerset.etl.ingest.shards import stage_batch
from routerset.etl.sources import wide
from routerset.etl.sources.base import Dump, Reading, SourceSpec
from routerset.etl.sources.registry import SOURCES
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


def test_other_measures_travel_beside_the_scores_and_change_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
        for reading in wide.read(dump, spec):
            costs = [replace(b, measure="usd", values=b.values * np.float32(0.25)) for b in reading.blocks]
            yield replace(reading, blocks=(*costs, *reading.blocks))

    known = truth(5)
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    config = load_config(write_config(tmp_path / "x.toml"))
    tables = []
    for name in ("plain", "costs"):
        build(config, tmp_path / name, Runner(), lambda *_: None, "ingest")
        tables.append([path.read_bytes() for path in sorted((tmp_path / name / "tables").rglob("*.parquet"))])
        monkeypatch.setitem(SOURCES, "wide", replace(SOURCES["wide"], read=read))
    assert tables[0] == tables[1]
    ((batch,), _) = plan_batches(config.sources, "code")
    stage_batch(batch, str(tmp_path / "staging"))
    (shard,) = (tmp_path / "staging").rglob("*.runs.parquet")
    runs = pq.read_table(shard)
    assert sorted(runs["measure"].to_pylist()) == ["score"] * len(known.models) + ["usd"] * len(known.models)
