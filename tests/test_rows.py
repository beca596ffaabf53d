"""A stage, a group method or a split scheme is one file and one row: each is added to a copy, and built."""

from __future__ import annotations

import json
from pathlib import Path

from tests.copies import copy_rooms, replace_in, run_in
from tests.dumps import truth, write_config, write_items, write_wide

BUILD = """
from pathlib import Path
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.stages.validate import gate
out = Path("out")
checked = lambda out, stage, mark: gate(out, stage, mark) if stage in {checked} else {{}}
build(load_config(Path("x.toml")), out, Runner(), lambda *_: None, gate=checked)
"""
STAGE = '''
"""Stage `names`: the models, one a line."""

from __future__ import annotations

import pyarrow.parquet as pq

from routerset.etl.manifest import Finished
from routerset.etl.stages.base import Context, Stage
from routerset.schemas import store
from routerset.schemas.tables import TABLES


def write_names(context: Context) -> Finished:
    models = pq.read_table(context.out / TABLES["models"].path())["model_id"].to_pylist()
    store.write_text(context.out / "names.txt", "\\n".join(models))
    return Finished.of([store.describe(context.out, context.out / "names.txt")], {"models": len(models)})


STAGE = Stage("names", ("models",), lambda context: context.config.dataset.name, write_names)
'''
METHOD = '''
"""Groups of the models with the first names."""

from __future__ import annotations

import numpy as np

from routerset.etl.groups.candidates import Group
from routerset.schemas.tables import STRENGTHS


def first(scores, sizes, subsets, train, seed):
    by_mean = lambda m: np.argsort(scores[:m].mean(axis=1), kind="stable").astype(np.int32)
    return [Group(m, kind, by_mean(m)) for m in sorted(sizes) for kind in STRENGTHS], []
'''
SCHEME = '''
"""Items in their own order."""

from __future__ import annotations

import numpy as np

from routerset.schemas.tables import Split


def ordered(family_ids, subsets, seed):
    n = len(subsets)
    parts = np.split(np.arange(n, dtype=np.int32), [int(0.8 * n), int(0.9 * n)])
    return dict(zip(Split, parts, strict=True))
'''


def prepare(folder: Path, config: str = "") -> Path:
    known = truth()
    write_wide(folder / "dumps/a.csv", known.models, known.keys, known.scores)
    write_items(folder / "items.csv", known.keys)
    path = write_config(folder / "x.toml")
    path.write_text(path.read_text().replace("sizes = [3, 5]", f"sizes = [3, 5]\n{config}"))
    return copy_rooms(folder)


def add_row(registry: Path, imported: str, before: str, row: str) -> None:
    """Add an import and a row to a module of rows."""
    replace_in(registry, before, row + before)
    replace_in(registry, "\nimport numpy as np\n", f"\nimport numpy as np\n{imported}\n")


COLUMNS = """
import pyarrow.parquet as pq
print(*pq.read_schema("out/release/data/gsm8k/train.parquet").names)
"""


def test_a_stage_is_a_file_and_a_row(tmp_path: Path) -> None:
    rooms = prepare(tmp_path)
    (rooms / "etl/stages/names.py").write_text(STAGE)
    rows = rooms / "etl/stages/rows.py"
    replace_in(rows, "groups, ingest, ", "groups, ingest, names, ")
    replace_in(rows, "    splits.STAGE,\n", "    names.STAGE,\n    splits.STAGE,\n")
    run_in(tmp_path, BUILD.format(checked='{"names"}'))
    stages = json.loads((tmp_path / "out/manifest.json").read_text())["stages"]
    assert stages["names"]["info"] == {"models": 12}
    assert "names" in stages["validate"]["info"]
    assert "release" in stages


def test_a_group_method_is_a_file_and_a_row(tmp_path: Path) -> None:
    rooms = prepare(tmp_path, 'methods = ["first", "paper"]\n')
    (rooms / "etl/groups/first.py").write_text(METHOD)
    add_row(
        rooms / "etl/groups/methods.py",
        "from routerset.etl.groups.first import first",
        before='        Method("greedy"',
        row='        Method("first", "first names", first, sees_test=True),\n',
    )
    run_in(tmp_path, BUILD.format(checked="set()"))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert set(manifest["stages"]["groups"]["info"]["groups"]) == {"first", "paper"}
    assert "first_m3_all_weak_label" in run_in(tmp_path, COLUMNS).split()


def test_a_split_scheme_is_a_file_and_a_row(tmp_path: Path) -> None:
    rooms = prepare(tmp_path, '[splits]\nschemes = ["ordered", "paper"]\n')
    (rooms / "schemas/ordered.py").write_text(SCHEME)
    add_row(
        rooms / "schemas/splits.py",
        "from routerset.schemas.ordered import ordered",
        before='        SplitScheme("family"',
        row='        SplitScheme("ordered", "items in their own order", ordered),\n',
    )
    run_in(tmp_path, BUILD.format(checked="set()"))
    counts = json.loads((tmp_path / "out/manifest.json").read_text())["stages"]["splits"]["info"]["counts"]
    assert counts["ordered"] == {"gsm8k": {"train": 16, "validation": 2, "test": 2}}
    assert "split_ordered" in run_in(tmp_path, COLUMNS).split()
