"""What stands in dumps, releases and on the command line reaches no terminal and no log as a command."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from routerset.expectations import validate as validation
from routerset.expectations.findings import Validation
from tests.dumps import truth, write_items, write_wide

SHORT = "\x1b[2J\n::error file=x::y\r\u202e\x9b"
HOSTILE = f"{SHORT}\n ##[error]z\x7f\u2028\x00"
IN_NAMES = HOSTILE.replace("\x00", "")
NO_TEXT = f"{IN_NAMES}\udcff"
"""A file name with a byte that is no UTF-8."""
FIRST = "::error file=x::y ##[error]z\x1b[2J"
"""A relative path that would start a line."""
TOML = json.dumps(HOSTILE)
"""A string of a config."""
COMMAND = re.compile(r"::(error|warning) file=[^:,]*,title=[^:,]*::.*")
Told = Callable[..., tuple[int, str]]


def unsafe(data: bytes, github: bool = False) -> list[str]:
    """Lines with a character that no terminal should get, or that a runner would carry out."""
    found = []
    for line in data.decode("utf-8").split("\n"):
        ours = github and COMMAND.fullmatch(line)
        commands = line.lstrip().startswith("::") or "##[" in line
        controls = any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in line)
        if controls or (commands and not ours):
            found.append(line)
    return found


@pytest.fixture
def told(capfdbinary: pytest.CaptureFixture[bytes]) -> Told:
    """Runs a verb; returns its exit code and all that it said, once no line of it was unsafe."""

    def run(*words: object) -> tuple[int, str]:
        capfdbinary.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfdbinary.readouterr()
        assert (unsafe(out, "github" in words), unsafe(err)) == ([], [])
        assert out or err
        return code, (out + err).decode()

    return run


def dumps(root: Path) -> Path:
    """A folder with a hostile name, dumps in it, rows that name hostile models and keys, and other files."""
    folder = root / IN_NAMES.replace("[", "")  # which a path of a config means as a pattern
    known = truth()
    keys = (*known.keys[:-1], f"k{SHORT}")
    models = (*known.models[:-1], f"org/{SHORT}")
    write_wide(folder / "gsm8k_good.csv", known.models, known.keys, known.scores)
    write_wide(folder / f"gsm8k_a{IN_NAMES}.csv", models, keys, known.scores * 7)
    (folder / f"gsm8k_b{IN_NAMES}.csv").write_bytes(b"\x00\xff")
    (folder / f"{NO_TEXT}.txt").write_text("no dump")
    write_items(root / "items.csv", known.keys)
    return folder


def logs(root: Path) -> Path:
    """A folder of logs with a hostile name, for models and documents of such names."""
    folder = root / IN_NAMES.replace("[", "") / "org__model\x1b[2J::error"
    folder.mkdir(parents=True)
    line = json.dumps(
        {"doc_id": HOSTILE, "doc": {"question": HOSTILE}, "target": "1", "exact_match": HOSTILE, HOSTILE: 1}
    )
    (folder / "samples_gsm8k_2024-01-01T00-00-00.000000.jsonl").write_text(f"{line}\n[{HOSTILE}\n" * 3)
    (folder / f"samples_{SHORT}_2024-01-01T00-00-00.000000.jsonl").write_text(f"{line}\n")
    return folder.parent


def config(root: Path, more: str = "", path: str = "*/gsm8k_good.csv") -> Path:
    """A config, of a hostile name, that builds from them."""
    file = root / f"{IN_NAMES}.toml"
    file.write_text(
        f'[[source]]\nformat = "wide"\npath = "{path}"\nbenchmark = "gsm8k"\nitems = "items.csv"\n'
        f"{more if '[groups' in more else f'[groups]{chr(10)}sizes = [3]{chr(10)}{more}'}",
        encoding="utf-8",
    )
    return file


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build in a folder with a hostile name."""
    root = tmp_path_factory.mktemp("hostile")
    dumps(root)
    out = root / f"out{IN_NAMES}"
    assert main(["build", str(config(root)), "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("path", ["*/gsm8k_good.csv", "*/*.csv", "*"])
def test_build(path: str, tmp_path: Path, told: Told) -> None:
    dumps(tmp_path)
    code, _ = told("build", config(tmp_path, path=path), "--out", tmp_path / f"out{IN_NAMES}")
    assert code in (0, 1)
    told("build", config(tmp_path, path=path), "--out", tmp_path / f"out{IN_NAMES}", "--dry-run")


@pytest.mark.parametrize(
    "more",
    [
        f"[{TOML}]\nx = 1\n",
        f"[dataset]\n{TOML} = 1\n",
        f"[dataset]\nname = {TOML}\n",
        f"[dataset]\nbenchmarks = [{TOML}]\n",
        f"[embed]\nencoders = [{TOML}]\n",
        f"[splits]\nschemes = [{TOML}]\n",
        f"[groups.{TOML}]\n",
        f"[[source]]\nformat = {TOML}\npath = 'x'\n",
        f"[[source]]\nformat = 'wide'\nbenchmark='gsm8k'\npath = {TOML}\n",
        f"[[source]]\nformat = 'wide'\nbenchmark='gsm8k'\npath = 'items.csv'\nitems = {TOML}\n",
        f"[[source]]\nformat = 'wide'\nbenchmark='gsm8k'\npath = 'items.csv'\nmodel_column = {TOML}\n",
        f"[release]\nversion = {TOML}\n",
        "\x1b[2J\n::error file=x::y",
    ],
)
def test_configs(more: str, tmp_path: Path, told: Told) -> None:
    dumps(tmp_path)
    told("build", config(tmp_path, more), "--out", tmp_path / "out", "--only", "ingest")


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_validate_dumps(form: str, tmp_path: Path, told: Told) -> None:
    assert told("validate", logs(tmp_path / "logs"), "--format", form)[0] == 1
    folder = dumps(tmp_path)
    for name in (f"gsm8k_b{IN_NAMES}.csv", "none"):
        assert told("validate", folder / name, "--format", form, "--table", "wide")[0] in (1, 3)
    assert told("validate", folder, "--config", config(tmp_path, path="*/*.csv"), "--format", form)[0] == 1


def hurt(release: Path) -> None:
    """Files and entries with hostile names in a release or build."""
    (release / IN_NAMES).mkdir()
    (release / f"{NO_TEXT}.txt").write_bytes(b"x")
    (release / IN_NAMES / f"{IN_NAMES}.parquet").write_bytes(b"x")
    models = release / ("models.parquet" if (release / "SHA256SUMS").exists() else "tables/models.parquet")
    table = pq.ParquetFile(models).read()
    ids = pa.array([f"org/{HOSTILE}", *table["model_id"].to_pylist()[1:]])
    pq.write_table(table.set_column(0, table.schema.field(0), ids).append_column(HOSTILE, ids), models)
    manifest = json.loads((release / "manifest.json").read_text())
    if "release" in manifest:
        manifest["benchmarks"]["gsm8k"]["subsets"] = {HOSTILE: 3}
        with (release / "SHA256SUMS").open("a") as sums:
            sums.write(f"{'0' * 64}  \x1b[2J::error\x9b\n")
    else:
        manifest["stages"]["ingest"]["info"]["accounting"][0]["reasons"] = {HOSTILE: 3}
    (release / "manifest.json").write_text(json.dumps(manifest))


FORMS = ("text", "json", "github")


@pytest.mark.parametrize("part", ["", "release"])
def test_validate_builds_and_releases(
    part: str, built: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found, once, is told in every form."""
    copy = Path(shutil.copytree(built / part, tmp_path / IN_NAMES))
    hurt(copy)
    gate, found = validation.validate, []

    def once(path: Path, **given: Any) -> Validation:
        found.append(found[0] if found else gate(path, **given))
        return found[0]

    with monkeypatch.context() as patch:
        patch.setattr(validation, "validate", once)
        for form in FORMS:
            assert told("validate", copy, "--format", form)[0] in (1, 3)
    (copy / "manifest.json").write_text(HOSTILE)
    for form in FORMS:
        assert told("validate", copy, "--format", form)[0] == 3


def test_verify_report_and_publish(built: Path, tmp_path: Path, told: Told) -> None:
    build = Path(shutil.copytree(built, tmp_path / IN_NAMES))
    release = build / "release"
    assert told("verify", release)[0] == 0
    assert told("report", release, "--out", tmp_path / f"page{IN_NAMES}")[0] == 0
    assert told("publish", build, "--to", tmp_path / f"to{IN_NAMES}", "--dry-run")[0] == 0
    assert told("publish", build, "--to", tmp_path / f"to{IN_NAMES}")[0] in (0, 1)
    assert told("publish", build, "--to", f"hf://datasets/{HOSTILE}")[0] == 2
    hurt(release)
    assert told("verify", release)[0] == 1
    assert told("report", release, "--out", tmp_path / f"page2{IN_NAMES}")[0] in (0, 1, 3)
    assert told("publish", build, "--to", tmp_path / f"to2{IN_NAMES}", "--dry-run")[0] in (0, 1, 2, 3)
    (release / "manifest.json").write_text(json.dumps({"schema_version": HOSTILE}))
    for verb in ("verify", "report", "evaluate"):
        assert told(verb, release)[0] in (1, 3)
    assert told("publish", build, "--to", tmp_path / "to3", "--dry-run")[0] == 3


def test_evaluate(built: Path, tmp_path: Path, told: Told) -> None:
    release = built / "release"
    assert told("evaluate", release)[0] == 0
    file = tmp_path / f"{FIRST}.csv"
    test = pq.read_table(release / "data/gsm8k/test.parquet")
    candidate = pq.read_table(release / "groups.parquet")["model_id"][0].as_py()
    rows = [f"gsm8k,3,all_strong,{item},{candidate}\n" for item in test["item_id"].to_pylist()]
    head = "benchmark,m,kind,item_id,model\n"
    shown = ["--method", pq.read_table(release / "groups.parquet")["method"][0].as_py()]
    file.write_text(head + "".join(rows))
    for more in ([], ["--commit"], ["--commit", "--format", "json"], ["--differences"], ["--routers", "knn"]):
        told("evaluate", release, "--predictions", file, *shown, *more)
    for wrong in (
        head + f'gsm8k,3,all_strong,"{SHORT}","{SHORT}"\n',
        head + f'"{SHORT}",3,all_strong,a,b\n',
        f'"{SHORT}",item_id,model\n',
        f'item_id,"{SHORT}"\na,1\n',
    ):
        file.write_text(wrong)
        assert told("evaluate", release, "--predictions", file, *shown)[0] in (1, 2)
    for words in (
        ["--routers", HOSTILE],
        ["--benchmarks", HOSTILE],
        ["--encoder", HOSTILE],
        ["--sizes", HOSTILE],
        ["--method", HOSTILE],
        ["--scheme", HOSTILE],
        ["--predictions", HOSTILE],
        [HOSTILE],
        ["--seed", HOSTILE],
    ):
        assert told("evaluate", release, *words)[0] in (2, 3)  # fmt: skip


def test_names_that_are_no_text(built: Path, tmp_path: Path, told: Told) -> None:
    dumps(tmp_path)
    out = tmp_path / NO_TEXT
    assert told("build", config(tmp_path), "--out", out)[0] == 3
    assert told("synth", out, "--benchmarks", "gsm8k", "--layout", "wide", "--models", 4)[0] == 2
    copy = Path(shutil.copytree(built, tmp_path / f"x{NO_TEXT}"))
    for verb in ("validate", "verify", "evaluate", "report"):
        assert told(verb, copy / "release")[0] in (1, 3)
    assert told("validate", copy)[0] == 3
    assert told("publish", copy, "--to", tmp_path / f"y{NO_TEXT}")[0] in (0, 1, 3)
    assert told("publish", built, "--to", tmp_path / f"y{NO_TEXT}")[0] in (0, 1, 3)


def test_words_of_the_command_line(tmp_path: Path, told: Told) -> None:
    assert (
        told("synth", tmp_path / IN_NAMES, "--benchmarks", "gsm8k", "--layout", "wide", "--models", 4)[0] == 0
    )
    assert told("synth", tmp_path / "x", "--layout", HOSTILE)[0] == 2
    assert told("synth", tmp_path / "x", "--faults", HOSTILE)[0] == 2
    assert told("validate", tmp_path, "--format", HOSTILE)[0] == 2
    assert told("verify", tmp_path, HOSTILE)[0] == 2
    assert told(HOSTILE)[0] == 2


def test_paths_that_start_a_line(
    built: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(built / "release", FIRST)
    for verb in ("verify", "validate"):
        assert told(verb, FIRST)[0] == 0
    assert told("report", FIRST, "--out", f"{FIRST}2")[0] == 0
    Path(FIRST, "LICENSE").unlink()
    assert told("validate", FIRST, "--format", "github")[0] == 1
