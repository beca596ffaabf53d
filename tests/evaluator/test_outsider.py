"""A researcher's path: only the release folder, numpy, pyarrow and scikit-learn."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from routerset.release.evaluator.metrics import METRICS
from routerset.release.evaluator.routers import ROUTERS
from tests.evaluator.registries import add_metric, add_router
from tests.evaluator.releases import add_costs, random_fixture, write_release

PACKAGE = Path(__file__).resolve().parents[2] / "release" / "evaluator"
CONSTRAINTS = PACKAGE.parents[1] / "constraints.txt"
ALLOWED = {"numpy", "pyarrow", "sklearn", "scipy", "threadpoolctl"}  # scikit-learn brings the last two
OPTIONAL = {"torch", "transformers", "pandas"}  # inside functions only


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with its evaluator, somewhere that knows nothing of the repository."""
    fixtures = [random_fixture(), random_fixture("arc", seed=2)]
    folder = write_release(tmp_path_factory.mktemp("elsewhere"), fixtures)
    add_costs(folder, fixtures[0], answers=False)
    shutil.copytree(PACKAGE, folder / "evaluator", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def imports(path: Path) -> list[tuple[str, bool]]:
    """(top-level module, at import time) of every absolute import."""
    tree = ast.parse(path.read_text())
    typing_only = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    at_import = {id(n) for n in tree.body}
    found = []
    for node in ast.walk(tree):
        if any(node in guard.body for guard in typing_only):
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], id(node) in at_import) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append(((node.module or "").split(".")[0], id(node) in at_import))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_it_imports_only_what_an_outsider_has(path: Path) -> None:
    for name, at_import in imports(path):
        if name in sys.stdlib_module_names or name in ALLOWED - {"sklearn"}:
            continue
        assert name in OPTIONAL | ALLOWED
        assert not at_import, f"{name} takes seconds to import, or may be missing: import it where it is used"


def readme_scripts() -> list[str]:
    """A router of one's own, vectors of one's own, and a router that minds costs."""
    return re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)


def test_the_readme_scores_a_router_of_ones_own_in_15_lines(folder: Path) -> None:
    told = []
    for script in readme_scripts():
        assert len([line for line in script.splitlines() if line.strip()]) <= 15
        (folder / "mine.py").write_text(script)
        command = [sys.executable, "-W", "error", "mine.py"]
        told.append(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)
    plain, vectors, costed = told
    assert re.search(r"^ *knn", vectors, re.MULTILINE)
    assert "MeanVector - knn" in plain
    assert "costs: params_b, billions of parameters" in costed
    assert re.search(r"^  Neighbours +0\.\d", costed, re.MULTILINE)  # no p: it estimates scores


def test_the_readme_names_every_router_and_metric() -> None:
    text = (PACKAGE / "README.md").read_text()
    assert [name for name in (*ROUTERS, *METRICS) if f"`{name}`" not in text] == ["r_o_0.5"] * (
        "`r_o_0.5`" not in text
    )


def test_a_registered_router_is_one_file_and_one_row(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "release")
    add_router(tmp_path / "release" / "evaluator")
    rows = json.loads(evaluator(tmp_path / "release", "--routers", "last", "--format", "json"))
    assert {row["router"] for row in rows} == {"last"}
    assert {row["e_p"] for row in rows} == {0}
    by_default = json.loads(evaluator(tmp_path / "release", "--sizes", "3", "--format", "json"))
    assert "last" not in {row["router"] for row in by_default}  # its row says that it is trained
    assert "last" in evaluator(tmp_path / "release", "--help")


def test_a_metric_is_one_function_and_one_row(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "release")
    add_metric(tmp_path / "release" / "evaluator")
    arguments = ("--routers", "oracle,knn", "--sizes", "3")
    for row in json.loads(evaluator(tmp_path / "release", *arguments, "--format", "json")):
        end = list(row).index("mdd")
        assert list(row)[end - 3 : end] == ["regret", "regret_lo", "regret_hi"]
        assert (row["regret"] == 0) == (row["router"] == "oracle")
    table = evaluator(tmp_path / "release", *arguments)
    assert " gap(h)  regr    E_p      H\n" in table
    assert "regr: what the oracle has and the router has not." in table.replace("\n", " ")


def evaluator(release: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "evaluator", "--resamples", "0", *arguments]
    return subprocess.run(command, cwd=release, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_new_environment_with_the_three_packages(folder: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        str(CONSTRAINTS),
        "numpy",
        "pyarrow",
        "scikit-learn",
    ]
    subprocess.run(install, check=True)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True, check=False)

    done = run("-W", "error", "-m", "evaluator", "--routers", "all", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "note: router mlc is left out: no --mlc-model FOLDER" in done.stderr
    assert {row["router"] for row in json.loads(done.stdout)} == {*ROUTERS} - {"mlc"}  # needs torch
    (folder / "mine.py").write_text(readme_scripts()[0])
    assert "MeanVector" in run("mine.py").stdout
