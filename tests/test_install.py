"""What is installed: the wheel, the base and each extra alone, and the functions of the package."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import routerset
from tests.dumps import truth, write_config, write_items, write_wide

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("routerset", "schemas", "embed", "expectations", "release", "etl")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
OWN_NAMES = {"yaml": "pyyaml", "sklearn": "scikit-learn"}
"""Module -> its distribution, where they differ by more than a dash."""


def distributions(*extras: str) -> set[str]:
    """Distributions that the base and these extras ask for, themselves and through other extras of ours."""
    found: set[str] = set()
    for line in [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]:
        if ours := re.match(r"routerset\[(.*)\]", line):
            found |= distributions(*ours[1].split(","))
        else:
            found |= set(re.findall(r"^[\w-]+", line))
    return found


def other_modules(*extras: str) -> list[str]:
    """Modules that our extras bring and that the base and these extras do not ask for."""
    others = distributions("all") - distributions(*extras)
    return sorted(name.replace("-", "_") for name in others)


def without(modules: list[str], code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in which these modules are not installed."""
    blocker = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", blocker + code], capture_output=True, text=True, check=False, cwd=cwd
    )


def verb(*words: str) -> str:
    return f"from routerset.etl.cli import main; sys.exit(main({list(words)!r}))"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small build made by the public function; not to be changed."""
    folder = tmp_path_factory.mktemp("installed")
    known = truth()
    write_wide(folder / "dumps" / "gsm8k.csv", known.models, known.keys, known.scores)
    write_items(folder / "items.csv", known.keys)
    stages: list[tuple[str, str]] = []
    manifest = routerset.build(
        write_config(folder / "x.toml"),
        str(folder / "out"),
        report=lambda stage, state: stages.append((stage, state)),
    )
    assert [stage for stage, state in stages if state == "running"] == list(manifest.stages)
    return folder / "out"


def test_the_functions_of_the_package_do_what_the_verbs_do(built: Path, tmp_path: Path) -> None:
    release = built / "release"
    assert routerset.validate(str(release), out=tmp_path / "found").errors == ()
    assert json.loads((tmp_path / "found" / "results.json").read_text())
    assert routerset.verify(str(release)) == []
    rows = routerset.evaluate(routerset.load_release(release), ["oracle", "best_single"], sizes=[3]).rows
    assert {(row.router, row.m) for row in rows} == {("oracle", 3), ("best_single", 3)}


def test_a_damaged_release_has_problems(built: Path, tmp_path: Path) -> None:
    release = shutil.copytree(built / "release", tmp_path / "release")
    (release / "README.md").write_text("changed")
    (problem,) = routerset.verify(release)
    assert problem.path == "README.md"


def test_an_unknown_stage_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path / "x.toml")
    with pytest.raises(ValueError, match="valid stages: ingest, embed, curate, splits"):
        routerset.build(config, tmp_path / "out", only="grups")


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'bulid'"):
        routerset.bulid  # noqa: B018


def test_the_base_reads_verifies_and_evaluates(built: Path) -> None:
    code = (
        "import routerset\n"
        f"release = {str(built / 'release')!r}\n"
        "assert routerset.verify(release) == []\n"
        "rows = routerset.evaluate(routerset.load_release(release), ['oracle', 'best_single']).rows\n"
        "print(len(rows))"
    )
    done = without(other_modules(), code, built)
    assert done.stderr == ""
    assert int(done.stdout) > 0


def test_the_gate_runs_without_the_other_extras(built: Path, tmp_path: Path) -> None:
    brought = {"jinja2", "markupsafe", "pandas"}  # by Great Expectations
    others = [name for name in other_modules("gate") if name not in brought]
    assert {"apache_beam", "torch", "datasets"} <= set(others)
    release = shutil.copytree(built / "release", tmp_path / "release")
    for path in (release, built.parent / "dumps" / "gsm8k.csv"):
        done = without(others, verb("validate", str(path)), tmp_path)
        assert [line for line in done.stderr.splitlines() if not line.startswith("checking ")] == []
        assert " 0 errors" in done.stdout


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("duckdb", ["validate", "{release}"], "validate needs duckdb, which is not installed: pip install "
         "'routerset[gate]'"),
        ("great_expectations", ["validate", "{release}"], "pip install 'routerset[gate]'"),
        ("apache_beam", ["build", "{config}", "--out", "new"], "pip install 'routerset[build]'"),
        ("torch", ["build", "{minilm}", "--out", "{build}"], "pip install 'routerset[embed]'"),
        ("huggingface_hub", ["publish", "{build}", "--to", "hf://datasets/a/b"], "pip install "
         "'routerset[publish]'"),
        ("matplotlib", ["report", "{release}", "--out", "report"], "pip install 'routerset[build]'"),
    ],
)  # fmt: skip
def test_a_verb_says_which_extra_it_lacks(
    module: str, words: list[str], said: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "asked for before the Hub is")
    config = built.parent / "x.toml"
    minilm = built.parent / "minilm.toml"
    minilm.write_text(config.read_text() + '[embed]\nencoders = ["minilm"]\n')
    build = shutil.copytree(built, tmp_path / "out")
    places = {"release": build / "release", "build": build, "config": config, "minilm": minilm}
    done = without([module], verb(*(word.format_map(places) for word in words)), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(said)
    assert "Traceback" not in done.stderr


def test_a_module_that_no_extra_brings_is_a_fault_of_ours(built: Path) -> None:
    done = without(["routerset.release.verify"], verb("verify", str(built / "release")), built)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'routerset.release.verify'" in done.stderr


def test_what_is_imported_is_asked_for() -> None:
    asked = distributions("all")
    missing = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"routerset"}:
                if OWN_NAMES.get(top, top.replace("_", "-")) not in asked:
                    missing.add(f"{path.relative_to(ROOT)}: {top}")
    assert sorted(missing) == [], "add what brings them to the dependencies or an extra of pyproject.toml"


def test_the_packages_are_the_folders() -> None:
    folders = sorted(
        path.parent.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    )
    names = [".".join(["routerset", *folder.split("/")]) for folder in folders]
    expected = {"routerset", *names} - {"routerset.routerset"}
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    wrong = [f"add {name}" for name in expected - listed] + [f"remove {name}" for name in listed - expected]
    assert sorted(wrong) == [], "edit [tool.setuptools] packages in pyproject.toml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy: setuptools leaves files of earlier builds in `build`."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(source))
    (built,) = out.glob("*.whl")
    return built


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_one_name_and_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith(".dist-info/top_level.txt"))
        assert archive.read(info).decode().split() == ["routerset"]
    files = {
        ("" if room == "routerset" else "routerset/") + path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in names if ".dist-info/" not in name} == files


def test_the_wheel_works_elsewhere(wheel: Path, built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (site / "shared.pth").write_text("\n".join(shared) + "\n")

    def run(*words: str) -> str:
        return subprocess.run(
            [python.with_name(words[0]), *words[1:]], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout

    assert run("python", "-c", "import routerset; print(routerset.__file__)").startswith(str(site))
    assert "whole and consistent" in run("routerset", "verify", str(built / "release"))
