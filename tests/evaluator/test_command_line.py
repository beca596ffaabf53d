from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.release.evaluator import ROUTERS, Release
from routerset.release.evaluator.__main__ import main
from routerset.release.evaluator.items import load_items
from tests.evaluator.releases import random_fixture, write_release

METRICS = ("mu_o", "v_r", "v_b", "e_p", "marginal_entropy", "v_b_train", "oracle_gap")
KEYS = {
    *("benchmark", "m", "kind", "method", "scheme", "router", "encoder", "compat", "n_test", "n_kinds"),
    *(name + part for name in METRICS for part in ("", "_lo", "_hi")),
    *("mdd", "best_single_score", "oracle_score", "reference_score", "sees_test_scores"),
    *("track", "best_on_own_train"),
    *(name + part for name in ("noise_oracle", "noise_oracle_b") for part in ("", "_lo", "_hi")),
    *("headroom_real", "noise_best_single_b", "noise_best_on_train_b", "covered", "at_most", "optimal"),
    *("p_best_train", "few_items", "interval_note", "v_r_note"),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_is_a_row_per_benchmark_size_kind_and_router(
    toy: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys,
        toy.path,
        "--routers",
        "knn,oracle",
        "--sizes",
        "3,5",
        "--benchmarks",
        "toy",
        "--format",
        "json",
    )
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 2 * 3 * 2
    assert all(set(row) == KEYS for row in rows)
    first = {
        k: rows[0][k] for k in ("benchmark", "m", "kind", "method", "scheme", "router", "encoder", "n_test")
    }
    assert first == {
        "benchmark": "toy",
        "m": 3,
        "kind": "all_strong",
        "method": "paper",
        "scheme": "paper",
        "router": "knn",
        "encoder": "minilm",
        "n_test": 12,
    }


@pytest.mark.parametrize(
    "extra", [(), ("--differences",), ("--scaling",), ("--compat", "--method", "greedy")]
)
def test_tables_fit_80_columns(
    toy: Release, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]
) -> None:
    drawn = () if "--scaling" in extra else ("--resamples", 100)
    code, out, _ = run(capsys, toy.path, *drawn, *extra)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "toy" in out


def test_progress_and_notes_stay_off_stdout(toy: Release, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, toy.path, "--routers", "oracle", "--sizes", "10", "--format", "json")
    assert code == 0
    assert {row["m"] for row in json.loads(out)} == {10}
    assert err == (
        "evaluating toy (1 of 1)\nnote: soft: no paper groups of m = [10]; it has m = [3, 5]\n"
        "note: toy: too few items: 12 test items, intervals need 30\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--routers", "forest"), 2, "no router 'forest'"),
        (("--sizes", "2000"), 2, "nothing to evaluate"),
        (("--sizes", "three"), 2, "expected whole numbers"),
        (("--benchmarks", "mmlu"), 2, "no benchmark 'mmlu'"),
        (("--encoder", "bert"), 2, "no vectors by encoder 'bert'"),
        (("--scheme", "random"), 2, "no split scheme 'random'"),
        (("--method", "best"), 2, "no groups by method 'best'"),
        (("--resamples", "-1"), 2, "expected 0 or more"),
        (("--commit",), 2, "--commit needs --predictions"),
        (("--mlc-model", "roberta", "--routers", "knn"), 2, "--mlc-model needs --routers mlc or all"),
        (("--mlc-model", "roberta"), 2, "--mlc-model needs --routers mlc or all"),
        (("--benchmarks", ""), 2, "--benchmarks: found nothing, expected a value"),
        (("--format", "yaml"), 2, "invalid choice: 'yaml'"),
        (("--predictions", "a.csv", "b.csv"), 3, "a.csv: unreadable"),
        (("--frobnicate",), 2, "unrecognized arguments"),
        (("--routers", "mlc"), 3, "--mlc-model FOLDER"),
        (("--predictions", "absent.csv"), 3, "absent.csv: unreadable"),
    ],
)
def test_exit_codes_and_messages(
    toy: Release, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, out, err = run(capsys, toy.path, *arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_predictions_named_like_a_router_are_refused_beside_it(
    toy: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = load_items(toy, "toy", [], None, "paper").parts["test"].item_ids
    group = toy.groups_of("toy", "paper")[0]
    rows = [f"{item},toy,{group.m},{group.kind},{group.candidates[0]}" for item in items]
    (tmp_path / "knn.csv").write_text("\n".join(["item_id,benchmark,m,kind,model", *rows]))
    arguments = (toy.path, "--predictions", tmp_path / "knn.csv", "--format", "json", "--resamples", 5)
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert [row["router"] for row in json.loads(out)] == ["knn"]
    code, out, err = run(capsys, *arguments, "--routers", "knn,oracle")
    assert (code, out) == (2, "")
    assert "a router has this name too" in err
    code, out, _ = run(capsys, *arguments, "--routers", "oracle", "--differences")
    assert code == 0
    assert {(d["router_a"], d["router_b"], d["kind"]) for d in json.loads(out)} == {
        ("knn", "oracle", "all_strong"),
        ("knn", "oracle", "mean"),
    }


def test_a_folder_that_is_no_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, tmp_path)
    assert code == 3
    assert "no manifest.json here" in err


def test_bad_data_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixture = random_fixture()
    fixture.scores[fixture.groups["paper", 3, "all_weak"][0], 3] = 7
    write_release(tmp_path, [fixture])
    code, _, err = run(capsys, tmp_path)
    assert code == 1
    assert "score 7.0, expected a number in [0, 1]" in err


def test_all_leaves_out_with_a_note_what_cannot_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVALUATOR_MLC_MODEL", raising=False)
    write_release(tmp_path, [random_fixture(encoders=())])
    code, out, err = run(capsys, tmp_path, "--routers", "all", "--resamples", 10, "--format", "json")
    assert code == 0
    able = {name for name, row in ROUTERS.items() if not (row.uses_vectors or row.lacks())}
    assert {row["router"] for row in json.loads(out)} == able >= {"oracle", "random", "privileged"}
    assert "note: router knn is left out: this release has no vectors" in err
    assert "note: router mlc is left out: no --mlc-model FOLDER" in err


def test_help_names_every_router_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert ", ".join(ROUTERS) in " ".join(out.split())
    assert "exit codes: 0 done" in out


def test_a_reader_that_leaves_early_is_no_error(toy: Release) -> None:
    """As in `evaluator | head -1`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [
        sys.executable,
        "-m",
        "routerset.release.evaluator",
        str(toy.path),
        "--routers",
        "oracle",
        "--resamples",
        "0",
    ]
    process = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert process.returncode == 0
    assert "Traceback" not in process.stderr
    assert "Exception" not in process.stderr
