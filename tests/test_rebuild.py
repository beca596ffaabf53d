"""What a build keeps of the one before: it saves work, and changes no byte, whatever became of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.ingest import benchmark_items as canonical
from routerset.etl.ingest import packs
from routerset.etl.synth import Fault, Layout, Plan, build_config, write
from tests.test_build import tree

PLAN = Plan(models=9, layout=Layout.LM_EVAL, faults=frozenset(Fault), benchmarks=("arc", "musr", "gsm8k"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs of nine models with every fault that dumps have, and their config."""
    folder = tmp_path_factory.mktemp("written")
    write(folder / "dumps", PLAN)
    (folder / "x.toml").write_text(build_config(Path("dumps"), PLAN))
    return folder


@pytest.fixture
def dumps(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dumps of one's own, of which every benchmark is packed."""
    monkeypatch.setattr(packs, "FEW", 1)
    shutil.copytree(written, tmp_path / "own")
    return tmp_path / "own"


def ingest(dumps: Path, out: Path) -> dict[str, str]:
    """Checksums of the tables that stage `ingest` writes."""
    build(load_config(dumps / "x.toml"), out, Runner(), lambda *_: None, "ingest")
    return tree(out)


def models(dumps: Path) -> list[Path]:
    return sorted(path for path in (dumps / "dumps/lm_eval").iterdir() if path.is_dir())


def refuse(*_: object) -> None:
    raise AssertionError("worked out again")


def test_models_that_come_and_go_leave_what_a_cold_build_makes(dumps: Path, tmp_path: Path) -> None:
    whole = ingest(dumps, tmp_path / "whole")
    late = models(dumps)[4]
    shutil.move(late, tmp_path / "late")
    fewer = ingest(dumps, tmp_path / "fewer")
    out = tmp_path / "out"
    assert ingest(dumps, out) == fewer
    assert sorted(path.name for path in (out / "staging/packs").iterdir()) == [
        "arc.arrow",
        "gsm8k.arrow",
        "musr.arrow",
    ]
    shutil.move(tmp_path / "late", late)
    assert ingest(dumps, out) == whole
    shutil.rmtree(late)
    assert ingest(dumps, out) == fewer


def cut(pack: Path) -> None:
    pack.write_bytes(pack.read_bytes()[:-100])


def of_another_form(pack: Path) -> None:
    with pa.ipc.open_file(pack) as reader:
        table = reader.read_all().drop_columns("docset")
    with pa.ipc.new_file(pack, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("harm", [cut, of_another_form, Path.unlink])
def test_a_pack_that_cannot_be_used_is_made_anew(
    dumps: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    late = models(dumps)[0]
    shutil.move(late, tmp_path / "late")
    ingest(dumps, tmp_path / "out")
    for pack in (tmp_path / "out/staging/packs").iterdir():
        harm(pack)
    shutil.move(tmp_path / "late", late)
    assert ingest(dumps, tmp_path / "out") == ingest(dumps, tmp_path / "cold")


def test_few_shards_are_read_as_they_are(written: Path, tmp_path: Path) -> None:
    ingest(written, tmp_path / "out")
    assert not (tmp_path / "out/staging/packs").exists()


def test_items_and_prompts_of_a_known_list_are_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was asked what others were changes no item, and the first model's prompts stay."""
    plan = Plan(models=4, layout=Layout.DETAILS_NEW, benchmarks=("arc", "mmlu"))
    write(tmp_path / "dumps", plan)
    (tmp_path / "x.toml").write_text(build_config(Path("dumps"), plan))
    late = sorted((tmp_path / "dumps/details_new").iterdir())[2]
    late.rename(tmp_path / "late")
    out = tmp_path / "out"
    ingest(tmp_path, out)
    kept = set((out / "staging/canonical").rglob("*"))
    assert kept
    (tmp_path / "late").rename(late)
    with monkeypatch.context() as patch:
        patch.setattr(canonical, "canonical_items", refuse)
        patch.setattr(canonical, "read_prompts", refuse)
        found = ingest(tmp_path, out)
    assert set((out / "staging/canonical").rglob("*")) == kept
    assert found == ingest(tmp_path, tmp_path / "cold")


def test_what_no_build_asks_for_any_more_goes(dumps: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ingest(dumps, out)
    before = set((out / "staging/canonical").glob("*/*"))
    shutil.rmtree(models(dumps)[0])
    ingest(dumps, out)
    after = set((out / "staging/canonical").glob("*/*"))
    assert before - after
    assert len(after) <= len(before)
