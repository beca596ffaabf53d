"""A release that is not what its build made is found out, and the file is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routerset.expectations.validate import validate
from routerset.release import layout
from routerset.release.verify import Problem, verify
from routerset.schemas import store
from routerset.schemas.checksums import files
from routerset.schemas.splits import SPLIT_SCHEMES, SplitScheme
from tests.attacks.forge import Forgery


def test_a_release_as_built_has_no_problem(built: Path) -> None:
    assert verify(built / "release") == []


def problems_with(release: Path, name: str, data: bytes) -> list[str]:
    """What `verify` tells while a file holds other bytes."""
    path = release / name
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        return [str(problem) for problem in verify(release)]
    finally:
        path.write_bytes(before)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_changed_byte_is_found_and_the_file_named(release: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*files(release), "SHA256SUMS"]))
    content = bytearray((release / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    told = problems_with(release, name, bytes(content))
    assert [line for line in told if name in line] != [], told


@pytest.mark.parametrize("byte", [b"\x0b", b"\x0c", b"\r", b"\x1c", b"\x1e", b"\x85", b" ", b"\0"])
def test_every_newline_of_the_checksums_counts(release: Path, byte: bytes) -> None:
    content = (release / "SHA256SUMS").read_bytes()
    ends = [at for at, found in enumerate(content) if found == 0x0A]
    for at in (ends[0], ends[len(ends) // 2], ends[-1]):
        told = problems_with(release, "SHA256SUMS", content[:at] + byte + content[at + 1 :])
        assert [line for line in told if "SHA256SUMS" in line] != [], at


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[::-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[-1].rstrip()],
        lambda lines: [line.replace("\n", "\r\n") for line in lines],
    ],
    ids=["order", "twice", "cut", "returns"],
)
def test_checksums_in_another_form_are_refused(
    release: Path, change: Callable[[list[str]], list[str]]
) -> None:
    lines = (release / "SHA256SUMS").read_text("utf-8").splitlines(keepends=True)
    told = problems_with(release, "SHA256SUMS", "".join(change(lines)).encode())
    assert [line for line in told if "SHA256SUMS" in line] != []


def test_missing_and_extra_files_are_named(release: Path) -> None:
    (release / "models.parquet").unlink()
    (release / "data/extra.txt").write_text("x", "utf-8")
    assert {(p.path, p.found) for p in verify(release)} == {
        ("models.parquet", "no such file"),
        ("data/extra.txt", "a file that SHA256SUMS does not list"),
    }


BESIDE = (".git/config", ".cache/huggingface/x", ".gitattributes")


def test_what_git_and_the_hub_keep_at_the_top_is_no_part_of_a_release(release: Path) -> None:
    for path in BESIDE:
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        (release / path).write_text("x", "utf-8")
    assert verify(release) == []
    told = {f.expectation for f in validate(release, suites=["manifest"]).errors}
    assert told.isdisjoint({"nothing_unlisted", "files_known"})


@pytest.mark.parametrize(
    "path", [*(f"evaluator/{p}" for p in BESIDE), "evaluator/__pycache__/x.pyc", ".cache/x", "data/.git/x"]
)
def test_anywhere_else_it_is_a_stranger(release: Path, path: str) -> None:
    (release / path).parent.mkdir(parents=True, exist_ok=True)
    (release / path).write_text("x", "utf-8")
    assert [problem.path for problem in verify(release)] == [path]
    told = {f.expectation for f in validate(release, suites=["manifest"]).errors}
    assert {"nothing_unlisted", "files_known"} <= told


def test_gate_and_verify_agree_on_a_file_that_nobody_listed(release: Path) -> None:
    (release / "validation").mkdir()
    (release / "validation/results.json").write_text("{}", "utf-8")
    (told,) = (
        f for f in validate(release, suites=["manifest"]).errors if f.expectation == "nothing_unlisted"
    )
    assert [example["path"] for example in told.examples] == ["validation/results.json"]
    assert [problem.path for problem in verify(release)] == ["validation/results.json"]


@pytest.mark.parametrize("name", ["SHA256SUMS", "manifest.json"])
def test_a_folder_without_its_papers_is_no_release(release: Path, name: str) -> None:
    (release / name).unlink()
    (problem,) = verify(release)
    assert name in problem.found
    assert problem.todo == "fetch the release again"


def test_a_malformed_checksum_line_is_named(release: Path) -> None:
    sums = (release / "SHA256SUMS").read_text("utf-8")
    (release / "SHA256SUMS").write_text("broken\n" + sums, "utf-8")
    (problem,) = verify(release)
    assert "SHA256SUMS[line 1]: found 'broken', expected `sha256  path`" in problem.found


def test_a_problem_reads_as_a_sentence() -> None:
    problem = Problem("a.parquet", "3 rows", "4", "fetch it again")
    assert str(problem) == "a.parquet: found 3 rows, expected 4; fetch it again"


Edit = Callable[[pa.Table], pa.Table]


def put(column: str, row: int, value: object) -> Edit:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        place = table.column_names.index(column)
        return table.set_column(
            place, table.schema.field(column), pa.array(values, table.schema.field(column).type)
        )

    return change


def forge(release: Path, path: str, change: Edit) -> None:
    """Change a table so that every checksum and paper is right: only its content tells."""
    forged = Forgery(release)
    forged.table(path, change)
    forged.papers()
    forged.sums()


def claim(release: Path, benchmark: str, **facts: object) -> None:
    """Change what the manifest says of a benchmark, and all that is made of that."""
    forged = Forgery(release)
    forged.manifest(lambda document: document["benchmarks"][benchmark].update(facts))
    forged.papers()
    forged.sums()


TRAIN, VECTORS = "data/gsm8k/train.parquet", "vectors/minilm/gsm8k/train.parquet"


def flipped(column: str) -> Edit:
    def change(table: pa.Table) -> pa.Table:
        row = table[column].to_pylist()[5]
        return put(column, 5, [1 - row[0], *row[1:]])(table)

    return change


def swap_rows(table: pa.Table) -> pa.Table:
    return table.take([1, 0, *range(2, len(table))])


@pytest.mark.parametrize("path", [TRAIN, VECTORS])
@pytest.mark.parametrize("name", ["api_key_all_weak", "api_key_m3_all_weak", "paper_m3_all_weak_note"])
def test_a_column_that_nothing_lists_is_found_with_every_checksum_right(
    release: Path, path: str, name: str
) -> None:
    before = validate(release, suites=["layout"]).errors
    forge(release, path, lambda table: table.append_column(name, pa.repeat("x", len(table))))
    (told,) = (f for f in validate(release, suites=["layout"]).errors if f not in before)
    assert (told.expectation, told.examples) == (
        "columns_known",
        ({"path": path, "column": name, "found": "string"},),
    )
    assert [(p.path, p.found) for p in verify(release)] == [(path, f"columns that differ: {name} string")]


@pytest.mark.parametrize(
    ("path", "change", "where", "found"),
    [
        (
            TRAIN,
            flipped("paper_m3_all_weak"),
            TRAIN,
            "column paper_m3_all_weak, first at gsm8k/",
        ),
        (
            TRAIN,
            flipped("paper_m5_all_strong_label"),
            TRAIN,
            "column paper_m5_all_strong_label",
        ),
        (VECTORS, flipped("paper_m3_all_weak"), VECTORS, "wrong values in column paper_m3_all_weak"),
        (VECTORS, put("embedding", 2, [float("nan")] * 384), VECTORS, "wrong values in column embedding"),
        (VECTORS, put("item_id", 2, "gsm8k/other"), VECTORS, "wrong values in column item_id"),
        (VECTORS, lambda t: t.slice(1), VECTORS, "rows 31"),
        (TRAIN, lambda t: t.slice(1), "data/gsm8k", "39 items"),
        (TRAIN, put("item", 0, 999), "data/gsm8k", "40 items"),
        (TRAIN, swap_rows, TRAIN, "items out of order"),
        (TRAIN, put("split_paper", 0, "test"), TRAIN, "column split_paper with ['test']"),
        (TRAIN, put("split_family", 0, "validation"), "data/gsm8k", "scheme family:"),
        (TRAIN, put("subset", 0, "other"), "data/gsm8k", "subsets"),
        (TRAIN, lambda t: t.drop_columns(["family_id"]), TRAIN, "columns that differ: family_id string"),
        (
            "data/gpqa/train.parquet",
            put("question", 0, "Secret?"),
            "data/gpqa/train.parquet",
            "texts that must be withheld: 1",
        ),
        ("data/gpqa/test.parquet", put("family_id", 0, "fam-new"), "data/gpqa", "scheme"),
        ("scores/gsm8k.parquet", put("score", 3, 0.5), "scores/gsm8k.parquet", "mean score"),
        ("scores/gsm8k.parquet", lambda t: t.slice(40), "data/gsm8k", "no score of org/model-0000"),
        ("scores/gsm8k.parquet", put("item", 3, 77), "data/gsm8k", "found item 77, expected 0 to 39"),
        ("groups.parquet", put("model_id", 0, "org/nobody"), "groups.parquet", "candidate org/nobody"),
        (
            "groups.parquet",
            put("kind", 0, "odd"),
            "data/gpqa",
            "found kind 'odd', expected one of all_strong",
        ),
        ("groups.parquet", lambda t: t.slice(1), "data/gpqa", "paper_m3_all_strong: found 2 models"),
        ("groups.parquet", lambda t: t.slice(3), "groups.parquet", "groups of gpqa"),
        ("models.parquet", lambda t: t.slice(1), "models.parquet", "different models 19"),
        ("models.parquet", put("twin_of", 3, "org/model-0000"), "models.parquet", "model-0003: twin_of"),
    ],
)
def test_content_that_does_not_fit_is_found(
    release: Path, path: str, change: Edit, where: str, found: str
) -> None:
    forge(release, path, change)
    told = [(p.path, p.found) for p in verify(release)]
    assert [p for p in told if p[0] == where and found in p[1]] != [], told


@pytest.mark.parametrize(
    ("benchmark", "facts", "where"),
    [
        ("gsm8k", {"n_models": 7}, "scores/gsm8k.parquet"),
        ("gsm8k", {"n_models_complete": 7}, "scores/gsm8k.parquet"),
        ("gsm8k", {"mean_score": 0.9}, "scores/gsm8k.parquet"),
        ("gsm8k", {"binary": False}, "scores/gsm8k.parquet"),
        ("gsm8k", {"subsets": {"gsm8k": 41}}, "data/gsm8k"),
        (
            "gsm8k",
            {"splits": {s: {"train": 40, "validation": 0, "test": 0} for s in SPLIT_SCHEMES}},
            "data/gsm8k",
        ),
        ("gpqa", {"test_items_in_train": {"paper": 0, "family": 0}}, "data/gpqa"),
        ("gsm8k", {"families": {"text": {"families": 1, "items": 2}}}, "data/gsm8k"),
        ("gsm8k", {"neighbours": {"minilm": {"groups": 1, "items": 2}}}, "data/gsm8k"),
        ("gsm8k", {"encoders": ["minilm"]}, "manifest.json"),
    ],
)
def test_claims_of_the_manifest_are_checked(
    release: Path, benchmark: str, facts: dict[str, object], where: str
) -> None:
    claim(release, benchmark, **facts)
    assert where in {p.path for p in verify(release)}


@pytest.mark.parametrize(
    "facts",
    [
        {"groups": [{"column": "paper_m5"}]},
        {"splits": {"paper": {"train": 40}}},
        {"test_items_in_train": {}},
        {"encoders": ["unknown"]},
        {"extra": 1},
    ],
)
def test_a_manifest_that_contradicts_itself_is_malformed(release: Path, facts: dict[str, object]) -> None:
    document = json.loads((release / "manifest.json").read_text("utf-8"))
    document["benchmarks"]["gsm8k"] |= facts
    store.write_json(release / "manifest.json", document)
    (problem,) = verify(release)
    assert "manifest.json: an entry is missing or malformed" in problem.found


def test_a_manifest_cannot_point_outside(release: Path) -> None:
    text = (release / "manifest.json").read_text("utf-8")
    (release / "manifest.json").write_text(text.replace('"gsm8k": {', '"../../gsm8k": {'), "utf-8")
    (problem,) = verify(release)
    assert "malformed" in problem.found


def test_a_split_by_another_rule_is_found(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def first_items(families: object, subsets: list[str], seed: int) -> dict[layout.Split, np.ndarray]:
        n = len(subsets)
        sides = np.split(np.arange(n), [int(0.8 * n), int(0.9 * n)])
        return dict(zip(layout.Split, sides, strict=True))

    monkeypatch.setitem(SPLIT_SCHEMES, "paper", SplitScheme("paper", "first come", first_items))
    problems = verify(built / "release")
    assert "data/gsm8k" in {p.path for p in problems}
    assert all("scheme paper: items on the wrong side" in p.found for p in problems)


def test_a_scheme_that_nobody_knows_is_told(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SPLIT_SCHEMES, "family")
    problems = verify(built / "release")
    assert {p.found for p in problems} == {"scheme family"}


def test_a_table_that_cannot_be_read_is_a_problem_not_a_crash(release: Path) -> None:
    forged = Forgery(release)
    forged.write(TRAIN, b"no table")
    forged.papers()
    forged.sums()
    (problem,) = verify(release)
    assert (problem.path, "unreadable" in problem.found) == ("data/gsm8k", True)


def test_further_checks_run_where_all_else_is_right(release: Path) -> None:
    wrong = Problem("manifest.json", "mu_o 0.5", "0.6")
    assert verify(release, [lambda _: [wrong]]) == [wrong]
    (release / "LICENSE").write_text("none", "utf-8")
    assert [p.path for p in verify(release, [lambda _: [wrong]])] == ["LICENSE"]
