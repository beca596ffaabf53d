"""Files below a source are dumps, or read in another role, or counted; the run that covers most counts."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.sources.base import DumpUnreadable
from tests.sources.test_runs import T1, T2, log, results

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"


def config_of(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def ingest(config: Path, out: Path) -> Manifest:
    return build(load_config(config), out, Runner(), lambda *_: None, "ingest")


def passed_over(manifest: Manifest) -> list[tuple[str, int, str]]:
    return [
        (row["source"], row["n"], row["such_as"]) for row in manifest.stages["ingest"].info["passed_over"]
    ]


def quarantined(out: Path) -> list[tuple[str, str, str]]:
    rows = pq.read_table(out / "tables" / "quarantine.parquet").to_pylist()
    return [(row["file"], row["reason"], row["detail"]) for row in rows]


LM_EVAL = '[[source]]\nformat = "lm_eval"\npath = "."\n'


def test_every_other_file_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(tmp_path, LM_EVAL)
    log(tmp_path / "org__a" / f"samples_gsm8k_{T1}.jsonl")
    log(tmp_path / ".__b" / f"samples_gsm8k_{T1}.jsonl")
    results(tmp_path / "org__a" / f"results_{T1}.json", model_name="org/a")
    for skipped in (".git/HEAD", ".ipynb_checkpoints/samples_gsm8k.jsonl", "org__a/.cache/x.jsonl"):
        log(tmp_path / skipped)
    log(tmp_path / "notes.txt")
    log(tmp_path / "org__a" / f"results_{T2}.json")
    manifest = ingest(config, tmp_path / "out")
    assert passed_over(manifest) == [("lm_eval", 6, "notes.txt")]
    assert "lm_eval: 6 files are no dumps of this format, such as notes.txt" in capsys.readouterr().err
    models = pq.read_table(tmp_path / "out" / "tables" / "models.parquet")["model_id"].to_pylist()
    assert models == ["b", "org/a"]
    again = ingest(config, tmp_path / "out")
    assert (again.stages["ingest"].fingerprint, passed_over(again)) == (
        manifest.stages["ingest"].fingerprint,
        passed_over(manifest),
    )


def test_files_that_another_source_reads_are_not_passed_over(tmp_path: Path) -> None:
    log(tmp_path / "org__a" / f"samples_gsm8k_{T1}.jsonl")
    (tmp_path / "wide.csv").write_text("model,1,2\norg/b,1,0\n")
    (tmp_path / "items.csv").write_text("item,question\n1,What is 0?\n2,What is 1?\n")
    (tmp_path / "models.csv").write_text("name,params\norg/b,7B\n")
    wide = '[[source]]\nformat = "wide"\npath = "*i*e.csv"\nbenchmark = "gsm8k"\nitems = "items.csv"\n'
    models = '[[models]]\npath = "models.csv"\ncolumns = { model_id = "name", params_b = "params" }\n'
    manifest = ingest(config_of(tmp_path, LM_EVAL + wide + models), tmp_path / "out")
    assert passed_over(manifest) == [("lm_eval", 1, "out/")]


def test_items_files_among_the_dumps_are_no_dumps(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "a.csv").write_text("model,1,2\norg/b,1,0\n")
    (tmp_path / "dumps" / "items.csv").write_text("item,question\n1,What is 0?\n2,What is 1?\n")
    wide = '[[source]]\nformat = "wide"\npath = "dumps"\nbenchmark = "gsm8k"\nitems = "dumps/items.csv"\n'
    manifest = ingest(config_of(tmp_path, wide), tmp_path / "out")
    assert (passed_over(manifest), quarantined(tmp_path / "out")) == ([], [])


def test_no_dump_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    config = config_of(tmp_path / "config", LM_EVAL.replace('"."', '"../dumps"'))
    (tmp_path / "dumps").mkdir()
    with pytest.raises(DumpUnreadable, match=r"expected samples_<task>.*; found no file; check"):
        ingest(config, tmp_path / "out")
    for number in range(7):
        log(tmp_path / "dumps" / f"notes{number}.md")
    message = r"found no lm_eval dump, .*; found notes0.md, .*notes4.md and 2 more; check \[\[source\]\] 1"
    with pytest.raises(DumpUnreadable, match=message):
        ingest(config, tmp_path / "out")


@pytest.mark.parametrize(
    ("form", "good", "pointer"),
    [
        ("wide", "a.csv", "b.csv"),
        ("wide", "a.csv", "b.csv.gz"),
        ("wide", "a.csv", "b.parquet"),
        ("lm_eval", f"org__a/samples_gsm8k_{T1}.jsonl", f"org__b/samples_gsm8k_{T1}.jsonl.gz"),
    ],
)
def test_a_pointer_is_one_unreadable_file(tmp_path: Path, form: str, good: str, pointer: str) -> None:
    dumps = tmp_path / "dumps"
    log(dumps / good)
    if form == "wide":
        (dumps / good).write_text("model,1,2\norg/b,1,0\n")
    log(dumps / pointer)
    (dumps / pointer).write_text(POINTER)
    text = f'[[source]]\nformat = "{form}"\npath = "dumps"\nbenchmark = "gsm8k"\n'
    ingest(config_of(tmp_path, text), tmp_path / "out")
    ((file, reason, detail),) = quarantined(tmp_path / "out")
    assert (file, reason) == (pointer, "unreadable_file")
    assert "git lfs pull" in detail


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ("details", f"details_a__b/{T1}/details_harness|gsm8k|5_{T1}.parquet"),
        ("mmlu_pro", "model_outputs_a_5shots.zip"),
        ("mmlu_pro", "model_outputs_a_5shots.json"),
        ("routereval", "leaderboard_score/a.pkl"),
    ],
)
def test_a_pointer_of_any_format_says_what_to_do(tmp_path: Path, form: str, pointer: str) -> None:
    log(tmp_path / "dumps" / pointer)
    (tmp_path / "dumps" / pointer).write_text(POINTER)
    log(tmp_path / "good" / "org__a" / f"samples_gsm8k_{T1}.jsonl")
    text = f'[[source]]\nformat = "{form}"\npath = "dumps"\n' + LM_EVAL.replace('"."', '"good"')
    ingest(config_of(tmp_path, text), tmp_path / "out")
    ((file, reason, detail),) = quarantined(tmp_path / "out")
    assert (file, reason) == (pointer, "unreadable_file")
    assert "git lfs pull" in detail


# --- which run counts --------------------------------------------------------------------------------


def chosen(out: Path) -> dict[str, tuple[str | None, int]]:
    """Time and number of scores of the run of each model that counts."""
    rows = pq.read_table(out / "tables" / "runs.parquet").to_pylist()
    return {row["model_id"]: (row["timestamp"], row["n_kept"]) for row in rows if row["chosen"]}


def notes(manifest: Manifest) -> dict[str, int]:
    (row,) = manifest.stages["ingest"].info["accounting"]
    return dict(row["notes"])


def test_the_run_that_covers_most_counts_then_the_newest_in_utc(tmp_path: Path) -> None:
    times = ["2026-01-01T10-00-00+02:00", "2026-01-01T09-00-00Z", "2026-01-01T11-30-00+05:00"]
    for time in times:
        log(tmp_path / "org__a" / f"samples_gsm8k_{time}.jsonl", 10)
        log(tmp_path / "org__b" / f"samples_gsm8k_{time}.jsonl", 10)
    log(tmp_path / "org__b" / "samples_gsm8k_2026-02-01T00-00-00.jsonl", 3)
    ingest(config_of(tmp_path, LM_EVAL), tmp_path / "out")
    assert chosen(tmp_path / "out") == dict.fromkeys(["org/a", "org/b"], ("2026-01-01T09:00:00.000000", 10))


def test_the_same_documents_in_two_files_count_once(tmp_path: Path) -> None:
    """A copy of a run is no second half of it: a run of more documents covers more."""
    log(tmp_path / "org__a" / f"samples_gsm8k_{T2}.jsonl", 6)
    (tmp_path / "copy" / "org__a").mkdir(parents=True)
    shutil.copy(tmp_path / "org__a" / f"samples_gsm8k_{T2}.jsonl", tmp_path / "copy" / "org__a")
    log(tmp_path / "org__a" / f"samples_gsm8k_{T1}.jsonl", 10)
    ingest(config_of(tmp_path, LM_EVAL), tmp_path / "out")
    assert chosen(tmp_path / "out") == {"org/a": ("2026-01-01T10:00:00.000000", 10)}


def test_runs_of_other_settings_are_counted(tmp_path: Path) -> None:
    for time, shots in ((T1, 5), (T2, 0)):
        log(tmp_path / "org__a" / f"samples_gsm8k_{time}.jsonl", 10)
        results(
            tmp_path / "org__a" / f"results_{time}.json",
            **{"model_name": "org/a", "n-shot": {"gsm8k": shots}},
        )
    manifest = ingest(config_of(tmp_path, LM_EVAL), tmp_path / "out")
    assert chosen(tmp_path / "out") == {"org/a": ("2026-01-02T10:00:00.000000", 10)}
    assert notes(manifest)["superseded_other_settings"] == 10
    rows = pq.read_table(tmp_path / "out" / "tables" / "runs.parquet").to_pylist()
    assert [(row["task"], row["few_shot"], row["chosen"]) for row in rows] == [
        ("gsm8k", 5, False),
        ("gsm8k", 0, True),
    ]


def test_two_tasks_about_the_same_documents_are_two_runs(tmp_path: Path) -> None:
    log(tmp_path / "org__a" / f"samples_gsm8k_{T1}.jsonl", 10, 0.0)
    log(tmp_path / "org__a" / f"samples_mine_{T1}.jsonl", 10, 1.0)
    manifest = ingest(config_of(tmp_path, LM_EVAL + 'tasks = { mine = "gsm8k" }\n'), tmp_path / "out")
    assert chosen(tmp_path / "out") == {"org/a": ("2026-01-01T10:00:00.000000", 10)}
    assert notes(manifest)["superseded_other_settings"] == 10


def test_two_tasks_about_different_documents_are_one_run(tmp_path: Path) -> None:
    folder = tmp_path / "org__a"
    log(folder / f"samples_gsm8k_{T1}.jsonl", 10)
    path = log(folder / f"samples_mine_{T1}.jsonl", 10)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [
        {**line, "doc_id": line["doc_id"] + 10, "doc": {"question": f"Q {line['doc_id']}"}} for line in lines
    ]
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, changed)).encode()))
    path.unlink()
    ingest(config_of(tmp_path, LM_EVAL + 'tasks = { mine = "gsm8k" }\n'), tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / "tables" / "runs.parquet").to_pylist()
    assert [(row["task"], row["n_kept"], row["chosen"]) for row in rows] == [
        ("gsm8k", 10, True),
        ("mine", 10, True),
    ]
