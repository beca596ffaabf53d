"""Whole builds on the DirectRunner: right, accounted for, the same whatever the files, resumable."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from routerset import verify
from routerset.etl.build import BuildLocked, StageMissing, build, steps
from routerset.etl.config import ConfigError, Runner, load_config
from routerset.etl.manifest import Manifest
from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.stages.ingest import EmptyBuild
from routerset.etl.synth import Plan, build_config, write
from tests.dumps import Truth, truth, write_config, write_items, write_wide

ROOT = Path(__file__).resolve().parent.parent


def run(config: Path, out: Path, only: str | None = None) -> tuple[Manifest, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    report = lambda name, state: said.append((name, state))  # noqa: E731
    manifest = build(load_config(config), out, Runner(), report, only, lambda *_: {})
    return manifest, said


def tree(folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """Checksum of every file of the tables."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "tables").rglob("*"))
        if path.is_file() and path.name not in leave_out
    }


def scores(out: Path, benchmark: str = "gsm8k") -> dict[tuple[str, str], float]:
    """(model, document key) -> score, as built."""
    items = pq.read_table(out / f"tables/items/benchmark={benchmark}/part-0.parquet")
    table = pq.read_table(out / f"tables/scores/benchmark={benchmark}/part-0.parquet")
    keys = items["doc_key"].to_pylist()
    rows = zip(*(table[name].to_pylist() for name in ("model_id", "item", "score")), strict=True)
    return {(model, keys[item]): score for model, item, score in rows}


@pytest.fixture
def plain(tmp_path: Path) -> tuple[Path, Truth]:
    known = truth()
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    return write_config(tmp_path / "x.toml"), known


def test_every_score_arrives_where_it_belongs(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    manifest, _ = run(config, tmp_path / "out")
    expected = {
        (model, key): known.scores[i, j]
        for i, model in enumerate(known.models)
        for j, key in enumerate(known.keys)
    }
    assert scores(tmp_path / "out") == expected
    assert manifest.stages["ingest"].info["accounting"] == [
        {
            "source": "wide",
            "benchmark": "gsm8k",
            "read": 240,
            "kept": 240,
            "superseded": 0,
            "quarantined": 0,
            "reasons": {},
            "joined": {"content": 240, "hash": 0, "key": 0},
            "notes": {},
        }
    ]


def test_tables_are_sorted_and_dense(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    run(config, tmp_path / "out")
    items = pq.read_table(tmp_path / "out/tables/items/benchmark=gsm8k/part-0.parquet")
    table = pq.read_table(tmp_path / "out/tables/scores/benchmark=gsm8k/part-0.parquet")
    models = pq.read_table(tmp_path / "out/tables/models.parquet")
    assert items["item"].to_pylist() == list(range(20))
    assert items["doc_key"].to_pylist() == sorted(known.keys, key=int)
    pairs = list(zip(table["model_id"].to_pylist(), table["item"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert models["model_id"].to_pylist() == sorted(known.models)
    assert models["leaderboards"].to_pylist() == [["v1"]] * 12


def test_the_second_build_does_nothing(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = plain
    run(config, tmp_path / "out")
    before = {
        p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != ".lock"
    }
    _, said = run(config, tmp_path / "out")
    assert {state for _, state in said} == {"up to date"}
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert not any(runs for _, runs in steps(load_config(config), tmp_path / "out"))


def test_new_scores_of_the_same_items_cost_no_split(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    late = tmp_path / "dumps/z.csv"
    write_wide(late, ["org/late"], known.keys, known.scores[:1])
    run(config, tmp_path / "cold")
    late.rename(tmp_path / "z.csv")
    run(config, tmp_path / "out")
    (tmp_path / "z.csv").rename(late)
    _, said = run(config, tmp_path / "out")
    assert dict(said)["ingest"] == dict(said)["groups"] == "running"
    assert dict(said)["splits"] == dict(said)["embed"] == "up to date"
    assert tree(tmp_path / "out") == tree(tmp_path / "cold")


def test_renamed_split_and_reordered_files_change_no_byte(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    run(config, tmp_path / "one")
    shutil.rmtree(tmp_path / "dumps")
    order = np.random.default_rng(1).permutation(12)
    columns = np.random.default_rng(2).permutation(20)
    keys = [known.keys[j] for j in columns]
    for name, rows in (("z", order[:5]), ("b", order[5:])):
        write_wide(
            tmp_path / "dumps" / f"{name}.csv",
            [known.models[i] for i in rows],
            keys,
            known.scores[rows][:, columns],
        )
    run(config, tmp_path / "two")
    left_out = ("runs.parquet",)
    assert tree(tmp_path / "one", left_out) == tree(tmp_path / "two", left_out)


def test_one_run_cut_by_columns_is_one_run(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    run(config, tmp_path / "one")
    (tmp_path / "dumps" / "a.csv").unlink()
    for name, part in (("left", slice(0, 8)), ("right", slice(8, 20))):
        write_wide(tmp_path / "dumps" / f"{name}.csv", known.models, known.keys[part], known.scores[:, part])
    run(config, tmp_path / "two")
    assert scores(tmp_path / "two") == scores(tmp_path / "one")


def test_the_newest_run_wins_and_the_older_is_counted(tmp_path: Path) -> None:
    known = truth()
    old = 1 - known.scores
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(
        tmp_path / "dumps/a.csv", known.models, known.keys, known.scores, ["2024-06-02T00-00-00.5"] * 12
    )
    write_wide(tmp_path / "dumps/b.csv", known.models[:3], known.keys, old[:3], ["2024-06-02T00-00-00"] * 3)
    manifest, _ = run(write_config(tmp_path / "x.toml"), tmp_path / "out")
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"], row["quarantined"]) == (300, 240, 60, 0)
    assert scores(tmp_path / "out")[known.models[0], known.keys[0]] == known.scores[0, 0]
    runs = pq.read_table(tmp_path / "out/tables/runs.parquet").to_pylist()
    assert [(r["file"], r["n_kept"], r["chosen"]) for r in runs if r["model_id"] == known.models[0]] == [
        ("b.csv", 0, False),
        ("a.csv", 20, True),
    ]


def test_equal_repeats_are_superseded_and_unequal_ones_quarantined(tmp_path: Path) -> None:
    known = truth()
    again = known.scores[:2].copy()
    again[0, 4] = 1 - again[0, 4]
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps/a.csv", known.models, known.keys, known.scores)
    write_wide(tmp_path / "dumps/b.csv", known.models[:2], known.keys, again)
    manifest, _ = run(write_config(tmp_path / "x.toml"), tmp_path / "out")
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["superseded"], row["reasons"]) == (
        280,
        239,
        39,
        {"duplicate_key": 2},
    )
    assert (known.models[0], known.keys[4]) not in scores(tmp_path / "out")
    quarantine = pq.read_table(tmp_path / "out/tables/quarantine.parquet").to_pylist()
    assert [(q["file"], q["model_id"], q["reason"]) for q in quarantine] == [
        ("a.csv", known.models[0], "duplicate_key"),
        ("b.csv", known.models[0], "duplicate_key"),
    ]


def test_a_missing_score_is_missing_and_costs_the_model_its_groups(tmp_path: Path) -> None:
    known = truth()
    holed = known.scores.copy()
    holed[3, 5] = np.nan
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps/a.csv", known.models, known.keys, holed)
    manifest, _ = run(write_config(tmp_path / "x.toml"), tmp_path / "out")
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["reasons"]) == (240, 239, {"missing_score": 1})
    assert (known.models[3], known.keys[5]) not in scores(tmp_path / "out")
    chosen = manifest.stages["groups"].info["groups"]["paper"]["gsm8k"]
    assert (chosen["complete_models"], chosen["left_out"]) == (11, 1)


def test_a_size_the_pool_cannot_fill_is_reported(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = plain
    config.write_text(config.read_text().replace("sizes = [3, 5]", "sizes = [3, 100]"))
    manifest, _ = run(config, tmp_path / "out")
    chosen = manifest.stages["groups"].info["groups"]["paper"]["gsm8k"]
    assert chosen["groups"] == ["m3_all_strong", "m3_all_weak", "m3_strong_to_weak"]
    assert [(s["m"], s["kind"]) for s in chosen["skipped"]] == [
        (100, "all_strong"),
        (100, "all_weak"),
        (100, "strong_to_weak"),
    ]


def test_a_benchmark_without_a_complete_model_has_no_groups(tmp_path: Path) -> None:
    known = truth(4)
    holed = known.scores.copy()
    holed[range(4), range(4)] = np.nan
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps/a.csv", known.models, known.keys, holed)
    manifest, _ = run(write_config(tmp_path / "x.toml"), tmp_path / "out")
    chosen = manifest.stages["groups"].info["groups"]["greedy"]["gsm8k"]
    assert (chosen["complete_models"], chosen["groups"], len(chosen["skipped"])) == (0, [], 6)


def test_an_unreadable_file_costs_only_itself(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = plain
    (tmp_path / "dumps" / "bad.parquet").write_bytes(b"not Parquet")
    config.write_text(config.read_text().replace("*.csv", "*"))
    manifest, _ = run(config, tmp_path / "out")
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["reasons"]) == (241, 240, {"unreadable_file": 1})
    (found,) = pq.read_table(tmp_path / "out/tables/quarantine.parquet").to_pylist()
    assert str(tmp_path) not in found["detail"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    config = write_config(tmp_path / "x.toml", dump="dumps")
    with pytest.raises(DumpUnreadable, match="found no wide dump, expected files that end with"):
        run(config, tmp_path / "out")


def test_a_build_without_a_score_is_an_error(tmp_path: Path) -> None:
    known = truth(2)
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps/a.csv", known.models, known.keys, known.scores * np.nan)
    with pytest.raises(EmptyBuild, match=r"quarantined: 40 missing_score \(such as a\.csv: "):
        run(write_config(tmp_path / "x.toml"), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_build_without_the_benchmarks_asked_for_is_an_error(
    plain: tuple[Path, Truth], tmp_path: Path
) -> None:
    config = write_config(tmp_path / "x.toml", dump=f"{plain[0].parent}/dumps/*.csv")
    config.write_text(f'[dataset]\nbenchmarks = ["arc"]\n{config.read_text()}')
    with pytest.raises(EmptyBuild, match="none of the benchmarks that the config asks for"):
        run(config, tmp_path / "out")


def test_an_encoder_that_does_not_exist_costs_no_time(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(plain[0].read_text() + '[embed]\nencoders = ["nope"]\n')
    with pytest.raises(ConfigError, match='unknown encoder "nope"'):
        run(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_single_stage_needs_those_before_it(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, _ = plain
    with pytest.raises(StageMissing, match="needs stage ingest first"):
        run(config, tmp_path / "out", "groups")
    run(config, tmp_path / "out", "ingest")
    assert not (tmp_path / "out/tables/splits").exists()
    run(config, tmp_path / "out", "splits")
    manifest, _ = run(config, tmp_path / "out", "groups")
    assert list(manifest.stages) == ["ingest", "embed", "curate", "splits", "groups"]


def test_two_builds_do_not_share_a_folder(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    import fcntl

    config, _ = plain
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(BuildLocked, match="another build is at work here"):
            run(config, tmp_path / "out")


def test_dropping_a_benchmark_removes_its_tables(plain: tuple[Path, Truth], tmp_path: Path) -> None:
    config, known = plain
    write_wide(tmp_path / "other.csv", known.models, known.keys, known.scores)
    more = '[[source]]\nformat = "wide"\npath = "other.csv"\nbenchmark = "arc"\nitems = "items.csv"\n'
    text = config.read_text()
    config.write_text(more + text)
    run(config, tmp_path / "out")
    assert (tmp_path / "out/tables/scores/benchmark=arc").exists()
    config.write_text(text)
    run(config, tmp_path / "out")
    run(config, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert (tmp_path / "out/manifest.json").read_bytes() == (tmp_path / "fresh/manifest.json").read_bytes()


KILLED = """
import os, pathlib, signal, sys
from routerset.etl import cli
real, left = pathlib.Path.replace, [int(sys.argv[1])]
def replace(self, target):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
pathlib.Path.replace = replace
sys.exit(cli.main(["build", sys.argv[2], "--out", sys.argv[3]]))
"""


@pytest.mark.parametrize("writes", [0, 1, 3, 6, 10])
def test_a_killed_build_ends_as_an_undisturbed_one(
    plain: tuple[Path, Truth], tmp_path: Path, writes: int
) -> None:
    config, _ = plain
    out = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(writes), str(config), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ}, check=False)
    assert done.returncode == -signal.SIGKILL
    run(config, out)
    run(config, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")
    assert json.loads((out / "manifest.json").read_text()) == json.loads(
        (tmp_path / "whole/manifest.json").read_text()
    )


@pytest.mark.parametrize(("licenses", "told"), [("all", 0), ("permissive", 1)])
def test_what_permissive_licences_leave_out_is_told_once(
    tmp_path: Path, plain: tuple[Path, Truth], capsys: pytest.CaptureFixture[str], licenses: str, told: int
) -> None:
    config, _ = plain
    release = f'\n[release]\nlicenses = "{licenses}"\n\n[[benchmark]]\nname = "mine"\nmetric = "score"\n'
    config.write_text(config.read_text("utf-8") + release, "utf-8")
    for stage in ("ingest", None):
        run(config, tmp_path / "out", stage)
        lines = [line for line in capsys.readouterr().err.splitlines() if "licenses" in line]
        assert len(lines) == told
    for line in lines:
        assert line.startswith(f'{config}: [release] licenses = "permissive" leaves out')
        assert "gpqa (CC-BY-4.0)" in line
        assert "mine (NOASSERTION), with all their configs, such as arc and scores-arc" in line
        assert "gsm8k" not in line
        assert line.endswith('licenses = "all" keeps them, each under its own')
    assert (tmp_path / "out/release/data/gsm8k").is_dir()


def test_of_benchmarks_that_were_not_asked_for_nothing_is_told(tmp_path: Path) -> None:
    asked = '[dataset]\nbenchmarks = ["gsm8k", "arc"]\n[release]\nlicenses = "permissive"\n'
    (tmp_path / "x.toml").write_text(f'{asked}[[source]]\nformat = "wide"\npath = "x"\n', "utf-8")
    assert load_config(tmp_path / "x.toml").left_out == {"arc": "CC-BY-SA-4.0"}


def test_a_companion_is_written_where_the_config_asks_for_it(tmp_path: Path) -> None:
    plan = Plan(models=8, benchmarks=("gsm8k", "gpqa"))
    write(tmp_path / "dumps", plan, lambda _: None)
    text = build_config(Path("dumps"), plan).replace('encoders = ["minilm"]', "encoders = []")
    config, out = tmp_path / "x.toml", tmp_path / "out"
    gated = out / "release-gated"
    config.write_text(text)
    run(config, out)
    assert not gated.exists()
    before = {p.relative_to(out): p.read_bytes() for p in (out / "release").rglob("*") if p.is_file()}
    config.write_text(text.replace("[release]", "[release]\ncompanion = true"))
    assert "companion" in config.read_text()
    run(config, out)
    after = {p.relative_to(out): p.read_bytes() for p in (out / "release").rglob("*") if p.is_file()}
    assert after == before
    assert verify(gated) == verify(out) == []
    assert ("release", "up to date") in run(config, out)[1]
    (gated / "texts.parquet").write_bytes(b"damaged")
    run(config, out)
    assert verify(gated) == []
    config.write_text(text)
    run(config, out)
    assert not gated.exists()
