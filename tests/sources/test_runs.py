"""Whose answers a dump holds, and how the LLM was asked: results files, names of files and of folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from routerset.etl.sources import lm_eval, mmlu_pro
from routerset.etl.sources.base import Settings, SourceSpec

T1, T2 = "2026-01-01T10-00-00.000000", "2026-01-02T10-00-00.000000"


def log(path: Path, n: int = 2, score: float = 1.0) -> Path:
    """A log of gsm8k about `n` documents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"doc_id": i, "doc": {"question": f"What is {i}?"}, "target": f"#### {i}", "exact_match": score}
        for i in range(n)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def results(path: Path, **content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def runs(folder: Path, **changes: object) -> dict[str, tuple[str | None, Settings]]:
    """(time, settings) of every run below a folder, by model."""
    spec = SourceSpec("lm_eval", str(folder), **changes)  # type: ignore[arg-type]
    blocks = [b for d in lm_eval.discover(spec) for r in lm_eval.read(d, spec) for b in r.blocks]
    return {b.runs.models[0]: (b.runs.timestamps[0], b.runs.settings) for b in blocks}


def of_results(tmp_path: Path, content: Mapping[str, object], **changes: object) -> tuple[str, Settings]:
    """Model and settings of a log beside a results file."""
    log(tmp_path / "folder" / f"samples_gsm8k_{T1}.jsonl")
    results(tmp_path / "folder" / f"results_{T1}.json", **content)
    ((model, (_, settings)),) = runs(tmp_path, **changes).items()
    return model, settings


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({"model_args": "pretrained=org/name,dtype=float16"}, "org/name"),
        ({"model_args": {"pretrained": "org/name"}}, "org/name"),
        ({"model_args": "pretrained=org/base,peft=org/adapter"}, "org/adapter"),
        ({"model_args": "pretrained=org/name,revision=main"}, "org/name"),
        ({"model_args": "pretrained=org/name,revision=step1000"}, "org/name@step1000"),
        ({"model_args": {"pretrained": "org/name"}, "model_revision": "refs/pr/3"}, "org/name@refs-pr-3"),
        ({"model_args": {"pretrained": "org/name"}, "model_revision": "main"}, "org/name"),
        ({"model_args": "pretrained=/home/u/models/org/name/"}, "org/name"),
        ({"model_args": "pretrained=C:\\models\\name"}, "models/name"),
        ({"model_args": "model=llama3:8b"}, "llama3:8b"),
        ({"model_args": "trust_remote_code=True"}, "folder"),
        ({}, "folder"),
    ],
)
def test_the_arguments_name_the_model(tmp_path: Path, config: Mapping[str, object], model: str) -> None:
    assert of_results(tmp_path, {"config": config})[0] == model


def test_the_name_comes_before_the_arguments(tmp_path: Path) -> None:
    content = {"model_name": "org/name", "config": {"model_args": "pretrained=other/name,revision=v2"}}
    assert of_results(tmp_path, content)[0] == "org/name@v2"
    assert of_results(tmp_path, content, merge_revisions=True)[0] == "org/name"


@pytest.mark.parametrize("name", ["org/name", "org/name@v2", "folder"])
def test_renames_are_of_whatever_name_was_found(tmp_path: Path, name: str) -> None:
    content = {"model_name": "org/name", "config": {"model_revision": "v2"}}
    assert of_results(tmp_path, content, models={name: "mine/own"})[0] == "mine/own"


def test_settings_are_those_of_the_task(tmp_path: Path) -> None:
    content = {
        "config": {"model_dtype": "torch.bfloat16"},
        "chat_template": "{{ messages }}",
        "n-shot": {"gsm8k": 5, "arc_challenge": 25},
    }
    assert of_results(tmp_path, content)[1] == Settings("gsm8k", 5, True, "bfloat16")
    assert of_results(tmp_path, {"chat_template": None})[1] == Settings("gsm8k", None, False, None)
    assert of_results(tmp_path, {"config": {"num_fewshot": 3}})[1] == Settings("gsm8k", 3, None, None)


def test_results_may_hold_nan_or_be_damaged(tmp_path: Path) -> None:
    log(tmp_path / "folder" / f"samples_gsm8k_{T1}.jsonl")
    path = tmp_path / "folder" / f"results_{T1}.json"
    path.write_text('{"model_name": "org/name", "results": {"gsm8k": NaN}}')
    assert list(runs(tmp_path)) == ["org/name"]
    path.write_text('{"model_name": "org/na')
    assert list(runs(tmp_path)) == ["folder"]
    spec = SourceSpec("lm_eval", str(tmp_path))
    (reading,) = [reading for dump in lm_eval.discover(spec) for reading in lm_eval.read(dump, spec)]
    assert reading.notes == {("gsm8k", "results_file_unreadable"): 1}


@pytest.mark.parametrize("place", ["a/b", "a", ".", ".."])
def test_results_lie_beside_or_above(tmp_path: Path, place: str) -> None:
    log(tmp_path / "dumps" / "a" / "b" / f"samples_gsm8k_{T1}.jsonl")
    results(tmp_path / "dumps" / place / f"results_{T1}.json", model_name="org/name")
    results(tmp_path / "dumps" / place / f"results_{T2}.json", model_name="org/other")
    assert list(runs(tmp_path / "dumps")) == ["org/name"]
    assert list(runs(tmp_path / "dumps" / "**" / "samples_*.jsonl")) == ["org/name"]


def test_results_of_another_time_say_nothing(tmp_path: Path) -> None:
    log(tmp_path / "folder" / f"samples_gsm8k_{T1}.jsonl")
    results(tmp_path / "folder" / f"results_{T2}.json", model_name="org/other")
    assert list(runs(tmp_path)) == ["folder"]


def test_results_without_a_time_are_of_the_only_run(tmp_path: Path) -> None:
    log(tmp_path / "folder" / f"samples_gsm8k_{T1}.jsonl")
    results(tmp_path / "folder" / "results.json", model_name="org/name")
    assert list(runs(tmp_path)) == ["org/name"]
    log(tmp_path / "folder" / f"samples_gsm8k_{T2}.jsonl")
    assert list(runs(tmp_path)) == ["folder"]


def test_a_results_file_that_changed_is_another_companion(tmp_path: Path) -> None:
    log(tmp_path / "folder" / f"samples_gsm8k_{T1}.jsonl")
    spec = SourceSpec("lm_eval", str(tmp_path))
    found = []
    for name in ("", "org/name", "org/longer"):
        if name:
            results(tmp_path / "folder" / f"results_{T1}.json", model_name=name)
        (dump,) = lm_eval.discover(spec)
        found.append(lm_eval.SOURCE.companions(dump, spec))
    assert found[0] == ()
    assert found[1] != found[2]


@pytest.mark.parametrize(
    ("stem", "model", "task"),
    [
        ("pretrained__org__name_gsm8k", "org/name", "gsm8k"),
        ("pretrained=org__name,dtype=float16_gsm8k", "org/name", "gsm8k"),
        ("pretrained__org__name,revision__v2_gsm8k", "org/name@v2", "gsm8k"),
        ("pretrained__.__ckpt__x_gsm8k", "ckpt/x", "gsm8k"),
        ("model__a,pretrained__org__my_name_custom_gsm8k", "org/my_name", "custom_gsm8k"),
    ],
)
def test_old_names_tell_arguments_and_the_longest_known_task(
    tmp_path: Path, stem: str, model: str, task: str
) -> None:
    log(tmp_path / f"{stem}.jsonl")
    ((found, (_, settings)),) = runs(tmp_path, tasks={"custom_gsm8k": "gsm8k"}).items()
    assert (found, settings.task) == (model, task)


def test_results_of_old_logs_count_for_their_own_arguments(tmp_path: Path) -> None:
    """The harness wrote them over with each run."""
    log(tmp_path / "pretrained__org__name_gsm8k.jsonl")
    log(tmp_path / "pretrained__org__other_gsm8k.jsonl")
    results(tmp_path / "results.json", date=1718558040.5, config={"model_args": "pretrained=org/name"})
    found = runs(tmp_path)
    assert {model: time for model, (time, _) in found.items()} == {
        "org/name": "2024-06-16T17:14:00.500000",
        "org/other": None,
    }


def test_what_is_no_old_log_is_none(tmp_path: Path) -> None:
    for name in ("notes_gsm8k.jsonl", "gsm8k.jsonl", "config.json"):
        log(tmp_path / name)
    found = lm_eval.discover(SourceSpec("lm_eval", str(tmp_path)))
    assert found.dumps == ()
    assert len(found.others) == 3


@pytest.mark.parametrize(
    ("name", "model", "time", "shots"),
    [
        ("model_outputs_org__m_5shots.zip", "org__m", None, "5"),
        ("model_outputs_m_0shot.json.zip", "m", None, "0"),
        ("model_outputs_m_5-shots_2024-06-16T17-12-56.zip", "m", "2024-06-16T17-12-56", "5"),
        ("model_outputs_gpt-4o-2024-05-13_zero_shot.json", "gpt-4o-2024-05-13", None, "zero"),
        ("model_outputs_m_5shots.json.gz", "m", None, "5"),
    ],
)
def test_names_of_mmlu_pro(name: str, model: str, time: str | None, shots: str) -> None:
    named = mmlu_pro._named(name)
    assert named is not None
    assert (named["model"], named["time"], named["shots"]) == (model, time, shots)
