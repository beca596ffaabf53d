"""What a stage depends on is found by looking at its code: all that it imports counts, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.etl.fingerprints import closure, fingerprint
from routerset.etl.stages.rows import STAGES
from tests.copies import ROOMS, ROOT, copy_rooms, replace_in, run_in
from tests.dumps import truth, write_config, write_items, write_wide

MODULES = {stage.name: stage.run.__module__ for stage in STAGES}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_rooms(tmp_path_factory.mktemp("copy"))


@pytest.mark.parametrize("stage", MODULES)
def test_a_change_counts_where_it_is_imported_and_only_there(stage: str, copy: Path) -> None:
    inside = closure(MODULES[stage], copy)
    before = fingerprint(inside)
    texts = {name: (copy / name).read_bytes() for name in inside}
    for name, whole in texts.items():
        (copy / name).write_bytes(whole + b"\n")
    changed = closure(MODULES[stage], copy)
    for name, whole in texts.items():
        (copy / name).write_bytes(whole)
    assert changed.keys() == inside.keys()
    for name in inside:  # as if that one alone had changed
        assert fingerprint({**inside, name: changed[name]}) != before, name
    outside = {p: p.read_bytes() for p in copy.rglob("*.py") if p.relative_to(copy).as_posix() not in inside}
    assert outside
    for path, whole in outside.items():
        path.write_bytes(whole + b"\n")
    after = fingerprint(closure(MODULES[stage], copy))
    for path, whole in outside.items():
        path.write_bytes(whole)
    assert after == before


@pytest.mark.parametrize("stage", MODULES)
def test_all_that_python_loads_for_a_stage_is_found(stage: str) -> None:
    code = f"import sys, {MODULES[stage]}\nprint(*(n for n in sys.modules if n.startswith('routerset.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    stems = {name.removesuffix(".py").removesuffix("/__init__") for name in closure(MODULES[stage])}
    loaded = {name.removeprefix("routerset.").replace(".", "/") for name in done.stdout.split()}
    assert loaded - stems == set()
    assert MODULES[stage].removeprefix("routerset.").replace(".", "/") in loaded


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("ingest", "etl/pipeline.py"),  # imported inside a function
        ("validate", "expectations/validate.py"),
        ("embed", "schemas/tables.py"),
        ("groups", "schemas/store.py"),
        ("release", "release/card.md.jinja"),
        ("release", "release/reporting/page.css"),
        ("release", "release/evaluator/__main__.py"),  # shipped, not imported
        ("release", "release/evaluator/README.md"),
    ],
)
def test_what_is_easily_missed_counts(stage: str, file: str) -> None:
    assert file in closure(MODULES[stage])


def test_stages_do_not_depend_on_what_is_not_theirs() -> None:
    rooms = {stage: {file.split("/")[0] for file in closure(name)} for stage, name in MODULES.items()}
    assert rooms["ingest"] == {"etl", "schemas"}
    # what `[curate]` leaves out, and how pools are pruned, are rules that `verify` applies, too
    assert rooms["curate"] == rooms["groups"] == {"etl", "schemas", "release"}
    assert rooms["embed"] == {"etl", "schemas", "embed"}
    assert rooms["validate"] == {"etl", "schemas", "expectations"}
    for stage, name in MODULES.items():
        strangers = {"etl/build.py", "etl/cli.py", "etl/config.py", "etl/sections.py", "etl/stages/rows.py"}
        assert strangers & set(closure(name)) == set(), stage
        others = {f"etl/stages/{other}.py" for other in MODULES if other != stage}
        assert others & set(closure(name)) == set(), stage
    assert not [file for file in closure(MODULES["splits"]) if file.startswith(("etl/sources", "etl/groups"))]


def test_imports_are_found_as_a_whole_parser_finds_them(tmp_path: Path) -> None:
    """Every module of ours, alone with empty modules of all names that it imports."""
    for path in [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for block in [node for node in tree.body if isinstance(node, ast.If)]:
            if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
                tree.body.remove(block)
        expected = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                expected |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                expected |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.ImportFrom):
                folder = path.parents[node.level - 1].relative_to(ROOT).parts
                base = ".".join(["routerset", *folder, *([node.module] if node.module else [])])
                expected |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        files = {file for name in expected for file in _files(name)}
        module = ".".join(["routerset", *path.relative_to(ROOT).with_suffix("").parts])
        module = module.removesuffix(".__init__")
        assert files <= set(closure(module)), path


def _files(name: str) -> list[str]:
    """The file of a module of ours, or none."""
    stem = name.removeprefix("routerset.").replace(".", "/") if name.startswith("routerset.") else None
    found = [] if stem is None else [f"{stem}.py", f"{stem}/__init__.py"]
    return [file for file in found if (ROOT / file).is_file()]


DRY_RUN = """
import sys
from pathlib import Path
from routerset.etl.build import build, steps
from routerset.etl.config import Runner, load_config
config, out = load_config(Path("x.toml")), Path("out")
if "build" in sys.argv:
    build(config, out, Runner(), lambda *_: None, gate=lambda *_: {})
print(*(name for name, runs in steps(config, out) if runs))
"""


def test_a_changed_schema_makes_the_stages_that_use_it_run_again(tmp_path: Path) -> None:
    known = truth()
    write_wide(tmp_path / "dumps/a.csv", known.models, known.keys, known.scores)
    write_items(tmp_path / "items.csv", known.keys)
    write_config(tmp_path / "x.toml")
    rooms = copy_rooms(tmp_path)
    assert run_in(tmp_path, DRY_RUN, "build").split() == []
    # steps after a stage that runs, run too: the last change is that of the first stage
    _touch(rooms / "release/card.py")
    assert run_in(tmp_path, DRY_RUN).split() == ["release"]
    _touch(rooms / "schemas/splits.py")
    assert run_in(tmp_path, DRY_RUN).split()[0] == "curate"  # which finds the sides for itself
    replace_in(
        rooms / "schemas/tables.py", "row number in canonical order, 0..n-1 without gaps", "row number"
    )
    assert run_in(tmp_path, DRY_RUN).split() == list(MODULES)
    assert run_in(tmp_path, DRY_RUN, "build").split() == []


def _touch(path: Path) -> None:
    """Change a module without a change of what it does."""
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
