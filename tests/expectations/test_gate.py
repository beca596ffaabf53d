"""A build runs the suites behind every stage, and stops before the release where one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.stages.rows import STAGES
from routerset.etl.stages.validate import ValidationFailed, gate
from routerset.etl.synth import Plan, build_config, write
from routerset.schemas.tables import TABLES, tables_of
from tests.expectations.builds import Copy
from tests.expectations.mutations.edits import GROUPS, cell


def test_every_stage_has_its_gate_and_the_first_failure_is_the_end(tmp_path: Path) -> None:
    plan = Plan(models=8, benchmarks=("arc",))
    write(tmp_path / "dumps", plan, lambda _: None)
    text = build_config(Path("dumps"), plan).replace('encoders = ["minilm"]', "encoders = []")
    (tmp_path / "arc.toml").write_text(text, "utf-8")
    said: list[str] = []

    def check(out: Path, stage: str, mark: str) -> dict[str, object]:
        said.append(f"gate {stage}")
        if stage == "groups":
            raise ValidationFailed("groups failed")
        return {}

    with pytest.raises(ValidationFailed):
        build(
            load_config(tmp_path / "arc.toml"),
            tmp_path / "out",
            Runner(),
            lambda stage, state: said.append(f"{stage} {state}"),
            gate=check,
        )
    assert said == [
        f"{stage} {of}" if of == "running" else f"gate {stage}"
        for stage in ("ingest", "embed", "curate", "splits", "groups")
        for of in ("running", "gate")
    ]
    assert not (tmp_path / "out/release").exists()


def test_a_stage_whose_tables_fail_is_told_with_its_findings(good: Path, tmp_path: Path) -> None:
    copy = Copy(good, tmp_path / "build")
    assert gate(copy.root, "groups", "0")["warnings"] == 1
    cell(GROUPS, 0, "model_id", "no/body")(copy)
    with pytest.raises(
        ValidationFailed, match=r"groups +models_resolve +error(?s:.*)stage groups failed"
    ) as e:
        gate(copy.root, "groups", "1")
    assert e.value.exit_code == 1
    results = json.loads((copy.root / "validation/groups/results.json").read_text("utf-8"))
    assert "models_resolve" in {f["expectation"] for f in results["findings"] if not f["success"]}


def written(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_suites_run_again_where_a_file_or_what_they_found_changed(good: Path, tmp_path: Path) -> None:
    copy = Copy(good, tmp_path / "build")
    folder = copy.root / "validation/groups"
    counts = gate(copy.root, "groups", "0")
    first = written(folder)
    assert {*first} == {"results.json", "data_docs/index.html"}
    assert gate(copy.root, "groups", "0") == counts
    assert written(folder) == first  # nothing ran
    assert gate(copy.root, "groups", "1") == counts
    assert written(folder) != first  # other files, other marks
    for name in first:
        (folder / name).unlink()
        assert gate(copy.root, "groups", "1") == counts
        (folder / name).write_text("{}", "utf-8")
        assert gate(copy.root, "groups", "1") == counts
        assert {key: text for key, (_, text) in written(folder).items()} == {
            key: text for key, (_, text) in first.items()
        }


def test_suites_run_again_where_their_code_changed(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(good, tmp_path / "build")
    gate(copy.root, "groups", "0")
    before = written(copy.root / "validation/groups")
    monkeypatch.setattr("routerset.etl.stages.validate.code_fingerprint", lambda _: "another")
    gate(copy.root, "groups", "0")
    assert written(copy.root / "validation/groups") != before


def test_the_gate_of_every_stage_that_writes_tables_has_suites() -> None:
    from routerset.expectations.validate import suites_of

    of = {stage.name: suites_of(stage.name) for stage in STAGES if tables_of(stage.name)}
    assert of == {
        "ingest": [
            *("layout", "manifest", "models", "prices", "items", "scores", "costs", "runs", "quarantine"),
        ],
        "curate": ["layout", "curated", "pseudo_specialists"],
        "splits": ["layout", "splits"],
        "groups": ["layout", "groups"],
        "limits": ["layout", "limits"],
        "embed": ["layout", "embeddings"],
    }
    assert {table.name for table in TABLES.values()} <= {name for names in of.values() for name in names}


def test_a_benchmark_without_groups_passes_its_gates(tmp_path: Path) -> None:
    plan = Plan(models=8, benchmarks=("arc",))
    write(tmp_path / "dumps", plan, lambda _: None)
    text = build_config(Path("dumps"), plan).replace('encoders = ["minilm"]', "encoders = []")
    (tmp_path / "arc.toml").write_text(text.replace("[groups]\n", "[groups]\nsizes = []\n"), "utf-8")
    build(load_config(tmp_path / "arc.toml"), tmp_path / "out", Runner(), lambda *_: None, gate=gate)
    assert (tmp_path / "out/release/SHA256SUMS").exists()
