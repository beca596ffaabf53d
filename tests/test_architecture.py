"""The layout is a promise: imports go one way, and heavy libraries stay inside the module that wraps them."""

from __future__ import annotations

import argparse
import ast
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from routerset.etl.cli import _parser

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


(_ACTION,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
VERBS = tuple(_ACTION.choices)


Modules = list[tuple[str, ast.Module]]


@pytest.fixture(scope="module")
def modules() -> Modules:
    """Names and trees of all modules of the rooms."""
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


def test_imports_go_one_way(modules: Modules) -> None:
    wrong = [
        (name, room)
        for name, tree in modules
        for room in sorted(rooms(imported(tree)))
        if room not in ALLOWED[name.split(".")[1]]
    ]
    assert wrong == []


def test_the_evaluator_imports_nothing_of_ours(modules: Modules) -> None:
    wrong = [
        (name, room)
        for name, tree in modules
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
def test_a_framework_is_imported_in_one_module(modules: Modules, library: str, homes: set[str]) -> None:
    users = {
        name
        for name, tree in modules
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


def test_only_publish_changes_anything_on_the_hub(modules: Modules) -> None:
    import huggingface_hub

    known = {*dir(huggingface_hub), *dir(huggingface_hub.HfApi)}
    changing = {name for name in known if name.startswith((*CHANGING, "CommitOperation"))}
    assert changing >= {"create_commit", "create_tag", "create_repo", "upload_folder", "CommitOperationAdd"}
    users = {
        module
        for module, tree in modules
        for node in ast.walk(tree)
        for name in (getattr(node, "attr", None), getattr(node, "name", None), getattr(node, "id", None))
        if name in changing
    }
    assert {module for module in users if not module.startswith("routerset.release.publish.hub")} == set()
    assert users != set()


def test_only_the_store_writes_our_parquet(modules: Modules) -> None:
    """Synthetic dumps are written in the leaderboards' own layouts, not in ours."""
    writers = {
        name
        for name, tree in modules
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and getattr(node.value, "id", "") == "pq"
        and node.attr in {"ParquetWriter", "write_table", "write_to_dataset"}
    }
    assert {name for name in writers if not name.startswith("routerset.etl.synth")} == {
        "routerset.schemas.store"
    }


HEAVY = {
    "apache_beam",
    "datasets",
    "duckdb",
    "great_expectations",
    "matplotlib",
    "pandas",
    "sklearn",
    "torch",
    "transformers",
}
ARRAYS = {"numpy", "pyarrow"}
"""What reading data needs; only the evaluator, which lists its routers in its help, may load them there."""


def loaded(code: str) -> tuple[set[str], float]:
    """Heavy libraries that a script loads, and its processor time in seconds."""
    names = HEAVY | ARRAYS
    script = f"{code}\nimport sys; print('', *sorted({names!r} & set(sys.modules)), sep='\\n')"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return set(done.stdout.splitlines()) & names, seconds


def test_importing_the_package_is_light() -> None:
    code = "import routerset; assert set(routerset.__all__) <= set(dir(routerset))"
    found, seconds = loaded(code)
    assert found == set()
    assert min([seconds, *(loaded(code)[1] for _ in range(2))]) < 0.3


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_is_light(verb: str | None) -> None:
    words = [*([verb] if verb else []), "--help"]
    code = (
        "import routerset.etl.cli\n"
        f"try: code = routerset.etl.cli.main({words!r})\n"
        "except SystemExit as stop: code = stop.code\n"
        "assert not code"
    )
    found, seconds = loaded(code)
    assert found <= (ARRAYS if verb == "evaluate" else set())
    assert min([seconds, *(loaded(code)[1] for _ in range(2))]) < 0.5


PAGE = ROOT / "docs" / "architecture.md"
PLACES = re.compile(r"(?:routerset|schemas|embed|expectations|release|etl|tests|configs|docs)/[\w./-]*\w/?")
NAMED = re.compile(r"`(\w+)` in `([\w/]+\.py)`")


def test_the_page_names_places_that_exist() -> None:
    named = PLACES.findall(PAGE.read_text("utf-8"))
    assert len(named) > 20
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_the_page_names_registries_where_they_are() -> None:
    named = NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 5
    wrong = []
    for name, place in named:
        tree = ast.parse((ROOT / place).read_text("utf-8"))
        targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
        targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
        defined = {getattr(t, "id", None) for t in targets} | {getattr(n, "name", None) for n in tree.body}
        if name not in defined:
            wrong.append(f"{name} in {place}")
    assert wrong == []


def test_the_page_tells_who_may_import_whom() -> None:
    assert "schemas <- embed, expectations <- release <- etl" in PAGE.read_text("utf-8")


def test_every_name_that_the_evaluator_offers_is_there() -> None:
    from routerset.release import evaluator

    assert [name for name in evaluator.__all__ if not hasattr(evaluator, name)] == []
    assert {*evaluator.__all__} <= {*dir(evaluator)}
    with pytest.raises(AttributeError, match="nobody"):
        evaluator.nobody  # noqa: B018
