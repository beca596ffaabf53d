"""Raw dumps: the gate says what ingest does, row for row, and runs nothing of a pickle."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import routerset.expectations.validate as gate
from routerset.etl.cli import main
from routerset.etl.config import Config, ConfigError, Runner, load_config
from routerset.etl.ingest.accounting import merge
from routerset.etl.ingest.partitions import assemble_all
from routerset.etl.ingest.plan import plan_build
from routerset.etl.pipeline import group_map
from routerset.etl.sources.registry import SOURCES
from routerset.etl.stages.ingest import EmptyBuild, ingest
from routerset.etl.synth import Layout, Plan, write
from routerset.etl.trial import dump_reader
from routerset.expectations.findings import Validation
from routerset.expectations.suites import DUMPS
from routerset.schemas import store
from routerset.schemas.tables import Reason
from tests.sources import golden

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / ".." / "shared" / "dumps"
NAMES = {
    "wide": "gsm8k.csv",
    "long": "gsm8k.csv",
    "item_major": "gsm8k.csv",
    "every_eval_ever": "m_samples.jsonl",
    "llmrouterbench": "gsm8k-test-m-20250801_000000.json",
    "lm_eval": "a__x/samples_gsm8k_2024-06-01T00-00-00.000000.jsonl",
    "details": "a__x/details_harness|gsm8k|5_2023-07-19T00:00:00.000000.parquet",
    "mmlu_pro": "model_outputs_M_5shots.zip",
    "routereval": "leaderboard_score/leaderboard_old.pkl",
    "inspect": "log.eval",
    "helm": "run/per_instance_stats.json",
}
LOG = '{"doc_id": 0, "doc": {"question": "q"}, "target": "a", "exact_match": 1.0, "filter": "strict-match"}\n'


def validate(path: Path, config: Config | None = None, table: str | None = None) -> Validation:
    return gate.validate(path, table=table, dumps=dump_reader(config))


def failed(found: Validation) -> list[str]:
    return [f.expectation for f in (*found.errors, *found.warnings)]


def put(folder: Path, form: str, data: bytes | str, model: str = "a__x") -> Path:
    path = folder / NAMES[form].replace("a__x", model)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def config_of(case: str) -> Config:
    return Config(case, (golden.load_spec(case),))


@functools.cache
def judged(case: str) -> Validation:
    """What the gate says of a golden case, with every row that it found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "EXAMPLES", 1000)
        return validate(golden.ROOT / case, config_of(case))


@pytest.mark.parametrize("case", golden.cases())
def test_gate_and_ingest_give_the_same_verdict(case: str, tmp_path: Path) -> None:
    config = config_of(case)
    plan = plan_build(config)
    try:
        ingest(config, plan, tmp_path, Runner())
    except EmptyBuild:
        beam = functools.partial(group_map, runner=Runner())
        quarantine = merge(plan, tmp_path, assemble_all(plan, config.sources, tmp_path, beam)).quarantine
        kept = False
    else:
        quarantine = store.read_file(tmp_path / "tables/quarantine.parquet")
        kept = True
    found = [f for f in judged(case).findings if not f.success]
    rows = [
        (f.expectation, e["file"], e["row"])
        for f in found
        if f.expectation in set(Reason)
        for e in f.examples
    ]
    assert Counter(rows) == Counter(
        zip(*(quarantine[name].to_pylist() for name in ("reason", "file", "row")), strict=True)
    )
    assert kept == ("some_kept" not in {f.expectation for f in found})
    assert all(f.unexpected == len(f.examples) for f in found)


def test_every_expectation_is_seen_to_fail(tmp_path: Path) -> None:
    seen = {name for case in golden.cases() for name in failed(judged(case))}
    for model, answer in (("a", "1"), ("b", "1"), ("c", "2")):  # in no golden case, since each is one file
        put(tmp_path, "lm_eval", LOG.replace('"target": "a"', f'"target": "{answer}"'), f"{model}__x")
    (error,) = validate(tmp_path).errors
    assert error.examples[0]["file"] == NAMES["lm_eval"].replace("a__x", "c__x")
    seen |= {error.expectation}
    assert {e.name for e in DUMPS.expectations} == seen


@pytest.mark.parametrize("layout", [x for x in Layout if x is not Layout.ALL])
def test_synthetic_dumps_have_no_error(layout: Layout, tmp_path: Path) -> None:
    from routerset.etl.synth import build_config

    plan = Plan(models=4, layout=layout)
    write(tmp_path / "dumps", plan, lambda _: None)
    (tmp_path / "x.toml").write_text(build_config(Path("dumps"), plan))
    found = validate(tmp_path / "dumps", load_config(tmp_path / "x.toml"))
    assert [(f.expectation, f.examples) for f in found.errors] == []


def test_a_path_of_a_source_is_read_as_its_config_says(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("llm,1,2\na/x,1,0\na/y,0,2\n")
    keys = 'format = "wide", model_column = "llm", benchmark = "gsm8k"'
    (tmp_path / "x.toml").write_text(f'source = [{{ path = ".", {keys} }}, {{ path = "no", {keys} }}]\n')
    config = load_config(tmp_path / "x.toml")
    for path in (tmp_path / "one", tmp_path / "one/t.csv"):
        (error,) = validate(path, config).errors
        assert (error.expectation, error.unexpected) == ("score_out_of_range", 1)
        assert (error.examples[0]["file"], error.examples[0]["row"]) == ("one/t.csv", 1)
    with pytest.raises(ConfigError, match=r"x\.toml: no \[\[source\]\] has a dump in .*golden"):
        validate(golden.ROOT, config)
    with pytest.raises(ConfigError, match=r"no .* has a dump"):
        validate(tmp_path / "one", config, "lm_eval")


def test_the_benchmark_of_a_wide_table_is_a_word_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "model,1\na/x,1\na/y,3\n"
    for name, benchmark in {"MMLU-Pro_results.csv": "mmlu_pro", "gsm8k/t.csv": "gsm8k"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        (error,) = validate(path).errors
        assert error.examples[0]["benchmark"] == benchmark
    assert {e["file"] for e in validate(tmp_path).errors[0].examples} == {
        "MMLU-Pro_results.csv",
        "gsm8k/t.csv",
    }
    (tmp_path / "searchable.csv").write_text(text)  # no benchmark, though "arc" is in it
    assert main(["validate", str(tmp_path / "searchable.csv")]) == 2
    told = capsys.readouterr().err
    assert "searchable.csv: a wide table does not tell the benchmark" in told
    (tmp_path / "x.toml").write_text(told.splitlines()[-1])  # what is told to be written is a config
    assert main(["validate", str(tmp_path / "searchable.csv"), "--config", str(tmp_path / "x.toml")]) == 1


def test_what_only_a_config_can_say_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mmlu.csv").write_text("model,virology.1\na/x,1\n")
    with pytest.raises(ConfigError, match=r"mmlu has 57 subsets: .*give one with --config"):
        validate(tmp_path)


def test_a_folder_of_several_formats_is_read_by_all_of_them(tmp_path: Path) -> None:
    put(tmp_path, "lm_eval", LOG)
    put(tmp_path, "wide", "model,1\na/x,1\na/y,7\n")
    put(tmp_path, "mmlu_pro", b"no archive")
    found = validate(tmp_path)
    assert {f.expectation: f.examples[0]["file"] for f in found.errors} == {
        "score_out_of_range": NAMES["wide"],
        "unreadable_file": NAMES["mmlu_pro"],
    }
    assert failed(validate(tmp_path, table="lm_eval")) == ["items_whole"]


def test_dumps_that_give_nothing_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a__x/samples_weather_2024-06-01T00-00-00.0.jsonl"
    path.parent.mkdir()
    path.write_text(LOG)
    assert main(["validate", str(path)]) == 1
    out = capsys.readouterr().out
    assert "unknown_task                         warning            1" in out
    assert "some_kept                            error              1" in out


def test_a_table_that_is_no_dump_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "lm_eval", LOG)
    (tmp_path / "notes.csv").write_bytes(b"")
    (tmp_path / "items.csv").write_text("id,question\n1,why?\n")
    assert validate(tmp_path).errors == ()


@pytest.mark.parametrize(
    ("name", "data"), [("cut.parquet", b"PAR1"), ("empty.csv", b""), ("latin.csv", b"\xe9,1\n")]
)
def test_a_damaged_table_among_wide_ones_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    (folder / "t.csv").write_text("model,1\na/x,1\na/y,0\n")
    (folder / name).write_bytes(data)
    (folder / "items.csv").write_text("id,question\n1,why?\n")
    (error,) = validate(folder).errors
    assert (error.expectation, [e["file"] for e in error.examples]) == ("unreadable_file", [name])
    (folder / "t.csv").unlink()
    assert failed(validate(folder))[:1] == ["unreadable_file"]


@pytest.mark.parametrize("form", SOURCES)
def test_a_file_of_noise_is_an_error_and_no_crash(form: str, tmp_path: Path) -> None:
    path = put(tmp_path, form, bytes(range(256)) * 4)
    found = {f.expectation for f in validate(path, table=form).errors}
    assert found & {"unreadable_file", "malformed_row", "unsafe_pickle"}


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import pathlib; pathlib.Path('fired').touch()",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = put(tmp_path, "routereval", pickle.dumps({"model": Bomb()}, protocol))
    (refused, *_) = validate(path).errors
    assert refused.expectation == "unsafe_pickle"
    assert "exec" in str(refused.examples[0]["detail"])
    assert not (tmp_path / "fired").exists()


def test_dumps_are_read_without_beam_and_torch(tmp_path: Path) -> None:
    path = put(tmp_path, "lm_eval", LOG)
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('apache_beam', 'torch', 'datasets'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"from routerset.etl.cli import main; sys.exit(main(['validate', {str(path)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("checking ")]
    assert (done.returncode, said) == (0, [])
    assert "0 errors, 1 warnings" in done.stdout


@pytest.mark.skipif(not REAL.exists(), reason="the folder of real dumps is not beside the checkout")
@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("openllm_v1_wide/gsm8k_responses_wide.parquet", "configs/real.toml", {}),
        ("openllm_v2_wide/results", "configs/real.toml", {}),
        ("mmlu_pro_results", "configs/real.toml", {"not_an_object": 43, "conflicting_gold": 34}),
        ("lm_eval_samples", "configs/lm_eval.toml", {}),
        ("routereval_pickles", None, {}),
    ],
)
def test_what_is_wrong_in_the_real_dumps(name: str, config: str | None, expected: dict[str, int]) -> None:
    found = validate(REAL / name, load_config(ROOT / config) if config else None)
    assert {f.expectation: f.unexpected for f in found.errors} == expected
