"""The layout is a promise: imports go one way, and heavy libraries stay inside the module that wraps them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "embed", "expectations", "release", "etl")
ALLOWED = {
    "schemas": {"schemas"},
    "embed": {"schemas", "embed"},
    "expectations": {"schemas", "expectations"},
    "release": {"schemas", "embed", "expectations", "release"},
    "etl": set(PACKAGES),
}
"""Room -> the rooms that it may import: schemas <- embed, expectations <- release <- etl."""


def modules() -> list[tuple[str, ast.Module]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(["routerset", *path.relative_to(ROOT).with_suffix("").parts])
            found.append((name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def rooms(names: set[str]) -> set[str]:
    """The rooms of some modules; other people's modules are in none."""
    return {name.split(".")[1] for name in names if name.startswith("routerset.") and name.count(".")}


def test_imports_go_one_way() -> None:
    wrong = [
        (name, room)
        for name, tree in modules()
        for room in sorted(rooms(imported(tree)))
        if room not in ALLOWED[name.split(".")[1]]
    ]
    assert wrong == []


def test_the_evaluator_imports_nothing_of_ours() -> None:
    wrong = [
        (name, room)
        for name, tree in modules()
        if name.startswith("routerset.release.evaluator")
        for room in rooms(imported(tree))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("apache_beam", {"routerset.etl.pipeline"}),
        ("great_expectations", {"routerset.expectations.validate"}),
        ("pyarrow.parquet.ParquetWriter", {"routerset.schemas.store"}),
    ],
)
def test_a_framework_is_imported_in_one_module(library: str, homes: set[str]) -> None:
    users = {
        name
        for name, tree in modules()
        if any(t == library or t.startswith(library + ".") for t in imported(tree))
    }
    assert users <= homes


CHANGING = (
    "create_",
    "delete_",
    "duplicate_",
    "merge_",
    "move_",
    "preupload_",
    "super_squash_",
    "update_",
    "upload_",
)
"""How the names begin of what the Hub's client can change there."""


def test_only_publish_changes_anything_on_the_hub() -> None:
    import huggingface_hub

    known = {*dir(huggingface_hub), *dir(huggingface_hub.HfApi)}
    changing = {name for name in known if name.startswith((*CHANGING, "CommitOperation"))}
    assert changing >= {"create_commit", "create_tag", "create_repo", "upload_folder", "CommitOperationAdd"}
    users = {
        module
        for module, tree in modules()
        for node in ast.walk(tree)
        for name in (getattr(node, "attr", None), getattr(node, "name", None), getattr(node, "id", None))
        if name in changing
    }
    assert {module for module in users if not module.startswith("routerset.release.publish.hub")} == set()
    assert users != set()


def test_only_the_store_writes_our_parquet() -> None:
    """Synthetic dumps are written in the leaderboards' own layouts, not in ours."""
    writers = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and getattr(node.value, "id", "") == "pq"
        and node.attr in {"ParquetWriter", "write_table", "write_to_dataset"}
    }
    assert {name for name in writers if not name.startswith("routerset.etl.synth")} == {
        "routerset.schemas.store"
    }


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, routerset.etl.cli\n"
        "try: routerset.etl.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'apache_beam', 'torch', 'pandas', 'datasets', 'great_expectations'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
