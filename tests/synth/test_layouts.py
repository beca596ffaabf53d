"""Dumps in every layout hold the truth, the same whatever the layout, byte for byte from run to run."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.etl.synth import Fault, Layout, Plan, Scale, build_config, write
from routerset.etl.synth.pickles import Pieces, write_pickle
from routerset.etl.synth.plan import RECIPES, carried_by
from routerset.etl.synth.truth import Truth
from routerset.schemas.outfolder import NotOurs
from tests.synth.parsing import read_scores, read_zip, true_scores

SINGLE = [layout for layout in Layout if layout is not Layout.ALL]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def assert_holds_truth(folder: Path, layout: Layout, truth: Truth, benchmark: str) -> None:
    expected = true_scores(truth, benchmark)
    found = read_scores(folder, layout, truth, benchmark)
    assert found == {key: [score] for key, score in expected.items()}


def test_all_layouts_hold_every_benchmark_once(tmp_path: Path) -> None:
    told: list[str] = []
    truth = write(tmp_path / "dumps", Plan(models=8), told.append)
    home = {name: recipe.home for name, recipe in RECIPES.items()}
    assert len(home) == 12
    assert set(home.values()) == set(SINGLE) - {Layout.LONG, Layout.ITEM_MAJOR}
    assert sorted(" ".join(told).replace(",", "").replace(":", "").split()) == sorted([*home, *home.values()])
    for name, layout in home.items():
        assert_holds_truth(tmp_path / "dumps", layout, truth, name)
    assert {path.name for path in (tmp_path / "dumps").iterdir()} == {
        *home.values(),
        "models.csv",
        "truth.json",
    }


@pytest.mark.parametrize("layout", SINGLE)
def test_a_layout_holds_all_that_it_can(tmp_path: Path, layout: Layout) -> None:
    truth = write(tmp_path / "dumps", Plan(models=4, layout=layout, seed=3))
    for name in carried_by(layout):
        assert_holds_truth(tmp_path / "dumps", layout, truth, name)


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    plan = Plan(models=9, faults=frozenset(Fault))
    write(tmp_path / "a", plan)
    write(tmp_path / "elsewhere" / "b", plan)
    assert digests(tmp_path / "a") == digests(tmp_path / "elsewhere" / "b")


def test_another_seed_gives_other_dumps(tmp_path: Path) -> None:
    for seed in (1, 2):
        write(tmp_path / str(seed), Plan(models=2, layout=Layout.MMLU_PRO, seed=seed))
    one, two = digests(tmp_path / "1"), digests(tmp_path / "2")
    assert not set(one.values()) & set(two.values())


def test_a_slice_of_the_full_shape(tmp_path: Path) -> None:
    plan = Plan(models=3, layout=Layout.DETAILS_NEW, scale=Scale.FULL, benchmarks=("gsm8k", "mmlu"))
    truth = write(tmp_path / "dumps", plan)
    assert len(list((tmp_path / "dumps").rglob("*.parquet"))) == 3 * 58
    assert len(true_scores(truth, "mmlu")) == 3 * 14042
    for name in plan.placement():
        assert_holds_truth(tmp_path / "dumps", Layout.DETAILS_NEW, truth, name)


def test_running_again_changes_nothing(tmp_path: Path) -> None:
    plan = Plan(models=8, layout=Layout.MMLU_PRO, faults=frozenset({Fault.TRUNCATED}))
    first = write(tmp_path / "dumps", plan)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "dumps").rglob("*")}
    again = write(tmp_path / "dumps", plan)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "dumps").rglob("*")} == times
    assert again.injuries == first.injuries


def test_an_interrupted_run_leaves_no_folder_and_the_next_one_completes(tmp_path: Path) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    plan = Plan(models=2, layout=Layout.WIDE, benchmarks=("arc", "ifeval"))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "dumps", plan, stop)
    assert not (tmp_path / "dumps").exists()
    truth = write(tmp_path / "dumps", plan)
    assert [p.name for p in tmp_path.iterdir()] == ["dumps"]
    assert_holds_truth(tmp_path / "dumps", Layout.WIDE, truth, "arc")


def test_files_of_others_are_never_overwritten(tmp_path: Path) -> None:
    plan = Plan(models=2, layout=Layout.MMLU_PRO)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NotOurs, match="no synthetic dumps"):
        write(tmp_path, plan)
    write(tmp_path / "dumps", plan)
    with pytest.raises(NotOurs, match="another plan"):
        write(tmp_path / "dumps", Plan(models=3, layout=Layout.MMLU_PRO))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_truth_is_written_beside_the_dumps(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "dumps", Plan(models=8, layout=Layout.MMLU_PRO, faults=frozenset({Fault.TRUNCATED}))
    )
    told = json.loads((tmp_path / "dumps" / "truth.json").read_text())
    assert set(told["abilities"]) == set(truth.models("mmlu_pro"))
    assert [i["file"] for i in told["injuries"]] == [i.file for i in truth.injuries]
    assert told["plan"]["layout"] == "mmlu_pro"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": 0}, "models: expected 1 to 5000, found 0"),
        ({"models": 5001}, "models: expected 1 to 5000, found 5001"),
        ({"models": 7, "faults": frozenset({Fault.NAN})}, "at least 8 models, found 7"),
        ({"layout": Layout.DETAILS_OLD, "benchmarks": ("bbh",)}, "layout details_old cannot hold 'bbh'"),
        ({"benchmarks": ("squad",)}, "cannot hold 'squad'"),
        ({"models": 64}, "as many as gsm8k has items"),
    ],
)
def test_impossible_plans_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan(**change)


def test_faults_that_a_layout_cannot_show_are_refused(tmp_path: Path) -> None:
    plan = Plan(layout=Layout.ROUTEREVAL, faults=frozenset({Fault.NAN, Fault.RERUN}))
    with pytest.raises(ValueError, match="no file of this plan can show rerun; possible: nan, unknown_task"):
        write(tmp_path / "dumps", plan)
    assert list(tmp_path.iterdir()) == []


def test_the_config_names_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "dumps", Plan(models=2))
    config = tomllib.loads(build_config(Path("dumps"), Plan()))
    assert config["dataset"]["benchmarks"] == list(RECIPES)
    assert [s["format"] for s in config["source"]].count("wide") == 3
    assert {s["format"] for s in config["source"]} == {"wide", "details", "lm_eval", "mmlu_pro", "routereval"}
    for source in [*config["source"], *config["models"]]:
        assert list(tmp_path.glob(source["path"])) != []
        if "items" in source:
            assert list(tmp_path.glob(source["items"].replace("{subset}", "*"))) != []


def test_config_reads_mc2_of_harness_logs_under_its_name_there(tmp_path: Path) -> None:
    plan = Plan(models=1, layout=Layout.LM_EVAL)
    write(tmp_path / "dumps", plan)
    sources = tomllib.loads(build_config(Path("dumps"), plan))["source"]
    listed = [set(tmp_path.glob(source["path"])) for source in sources]
    assert [source.get("metric") for source in sources] == [None, "acc"]
    assert [p.name.partition("_2024")[0] for p in listed[1]] == ["samples_truthfulqa_mc2"]
    assert not listed[0] & listed[1]
    assert listed[0] | listed[1] == set((tmp_path / "dumps" / "lm_eval").rglob("samples_*"))


def test_harness_logs_show_the_three_ages_of_the_format(tmp_path: Path) -> None:
    write(tmp_path / "dumps", Plan(models=3, layout=Layout.LM_EVAL, benchmarks=("gsm8k",)))
    files = sorted(
        (tmp_path / "dumps" / "lm_eval").glob("*/samples_gsm8k_*"), key=lambda p: p.parent.name[-4:]
    )
    first, second, third = ([json.loads(line) for line in p.read_text().splitlines()] for p in files)
    assert [p.suffix for p in files] == [".json", ".jsonl", ".jsonl"]
    assert isinstance(first[0]["arguments"], list)
    assert "doc_hash" not in first[0]
    assert second[0]["arguments"]["gen_args_0"]["arg_0"].startswith("Question: ")
    assert [row["doc_id"] for row in second[:3]] == [0, 8, 16]
    assert [row["filter"] for row in third[:2]] == ["strict-match", "flexible-extract"]
    assert third[0]["metrics"] == ["exact_match"]
    assert len(third) == 2 * len(first)
    same = {row["doc_id"]: row["doc_hash"] for row in second}
    assert same == {row["doc_id"]: row["doc_hash"] for row in third}
    assert [len(row["doc_hash"]) for row in second] == [64] * len(second)


def test_details_have_the_columns_of_their_time(tmp_path: Path) -> None:
    columns = {}
    for layout in (Layout.DETAILS_OLD, Layout.DETAILS_NEW):
        truth = write(tmp_path / layout, Plan(models=2, layout=layout, benchmarks=("arc", "truthfulqa")))
        arc, _ = (tmp_path / layout).rglob("*arc*.parquet")
        columns[layout] = pq.read_schema(arc).names
        assert ("arc:challenge" in arc.name) == (layout is Layout.DETAILS_OLD)
        question = "query" if layout is Layout.DETAILS_OLD else "example"
        asked = pq.read_table(arc)[question].to_pylist()
        in_order = [item.question for item in truth.items("arc")]
        assert asked != in_order
        assert sorted(asked) == sorted(in_order)
    assert {"example", "query", "choices", "gold", "acc", "acc_norm"} <= set(columns[Layout.DETAILS_OLD])
    assert {"full_prompt", "gold_index", "metrics", "pred_logits"} <= set(columns[Layout.DETAILS_NEW])
    assert "acc_norm" not in columns[Layout.DETAILS_NEW]


def test_mmlu_pro_has_unparsed_answers_and_both_names_of_the_output(tmp_path: Path) -> None:
    write(tmp_path / "dumps", Plan(models=6, layout=Layout.MMLU_PRO))
    lists = [read_zip(p) for p in sorted((tmp_path / "dumps" / "mmlu_pro").iterdir())]
    rows = [row for rows in lists for row in rows]
    assert any(row["pred"] is None for row in rows)
    assert {name for row in rows for name in ("generated_text", "model_outputs") if name in row} == {
        "generated_text",
        "model_outputs",
    }
    assert len({rows[0]["question_id"] for rows in lists}) > 1


def test_pickles_hold_the_prompts_of_other_layouts(tmp_path: Path) -> None:
    plan = Plan(models=2, layout=Layout.ROUTEREVAL, benchmarks=("arc", "mmlu_pro"))
    write(tmp_path / "a", plan)
    write(tmp_path / "b", Plan(models=2, layout=Layout.WIDE, benchmarks=("arc",)))
    folder = tmp_path / "a" / "routereval" / "leaderboard_prompt"
    assert sorted(p.name for p in folder.iterdir()) == [
        "leaderboard_mmlu_pro_prompt.pkl",
        "leaderboard_old_prompt.pkl",
    ]
    prompts = pickle.loads((folder / "leaderboard_old_prompt.pkl").read_bytes())  # noqa: S301 - our own file
    told = pq.read_table(tmp_path / "b" / "wide" / "arc_items.parquet")["prompt"].to_pylist()
    assert prompts["harness_arc_challenge_25"].tolist() == told
    assert told[0].count("Question: ") == 26


@given(
    st.lists(st.floats(allow_nan=False, width=64), max_size=20),
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=9
    ),
)
def test_pickle_writer_writes_what_pickle_reads(
    tmp_path_factory, numbers: list[float], texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("pickle") / "x.pkl"
    array = np.array(numbers)
    width = max(1, *map(len, texts))
    arrays = {
        "numbers": Pieces(array.shape, "f8", (array[i : i + 3] for i in range(0, len(array), 3))),
        "texts": Pieces((len(texts),), f"U{width}", [np.array(texts, f"<U{width}")]),
    }
    write_pickle(file, iter([*arrays.items(), ("lists", iter([("list", texts)]))]))
    found = pickle.loads(file.read_bytes())  # noqa: S301 - a file that this test wrote itself
    assert found["numbers"].dtype == np.float64
    assert found["numbers"].tolist() == numbers
    assert found["texts"].tolist() == texts
    assert found["lists"]["list"] == texts


def test_pickle_writer_refuses_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found 8 bytes, expected 16"):
        write_pickle(tmp_path / "x.pkl", Pieces((2,), "f8", [np.zeros(1)]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "('numpy', 'pyarrow', 'msgspec')"
    code = f"import sys, routerset.etl.synth; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scores_parse_back_exactly(tmp_path: Path) -> None:
    """mc2 is continuous: no layout may round it."""
    expected = None
    for layout in (Layout.WIDE, Layout.LM_EVAL, Layout.DETAILS_OLD, Layout.DETAILS_NEW, Layout.ROUTEREVAL):
        truth = write(tmp_path / layout, Plan(models=3, layout=layout, benchmarks=("truthfulqa",)))
        found = read_scores(tmp_path / layout, layout, truth, "truthfulqa")
        expected = expected or found
        assert found == expected
    assert all(0.0 <= s <= 1.0 and not math.isnan(s) for scores in expected.values() for s in scores)
