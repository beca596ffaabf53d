"""`routerset validate` as people and CI call it: exit codes, formats, results and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from tests.expectations.builds import Copy
from tests.expectations.mutations.edits import MODELS, cast, cell


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Copy:
    return Copy(good, tmp_path / "build")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["validate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_release_that_holds_exits_0_with_its_warnings(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, copy.root / "release")
    other = [line for line in err.splitlines() if not line.startswith("checking ")]  # where it takes long
    assert (code, other) == (0, [])
    assert re.search(r"^groups +learnable +warning +\d+$", out, re.MULTILINE)
    assert re.search(r"^items +table_4_counts +warning +\d+$", out, re.MULTILINE)
    assert re.search(r"^splits +\w+ +warning +\d+$", out, re.MULTILINE)
    assert re.search(r"^\d+ expectations: 0 errors, 3 warnings$", out.splitlines()[-1])


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + 64 * "0" + "\nsize 7\n"


def files_of(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_nothing_writes_into_a_release_unless_told_to(
    copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    release = copy.root / "release"
    before = files_of(release)
    assert main(["validate", str(release)]) == 0
    assert main(["verify", str(release)]) == 0
    for _ in range(2):
        assert main(["validate", str(copy.root), "--table", "models"]) == 0
    assert main(["evaluate", str(release), "--routers", "oracle", "--sizes", "3"]) == 0
    capsys.readouterr()
    assert main(["report", str(release), "--sizes", "3"]) == 0
    written, told = capsys.readouterr()
    assert written.splitlines()
    assert all(Path(line).is_file() for line in written.splitlines())
    assert told.splitlines()[-1] == f"report: {tmp_path / 'report'}"
    assert files_of(release) == before
    assert (copy.root / "validation/results.json").is_file()
    assert main(["validate", str(release), "--table", "models", "--out", str(tmp_path / "pages")]) == 0
    assert json.loads((tmp_path / "pages/results.json").read_text("utf-8"))["errors"] == 0
    assert files_of(release) == before


def test_pages_ask_no_other_host_and_link_to_what_is_there(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(MODELS, 0, "params_b", -7.0)(copy)
    assert run(capsys, copy.root, "--table", "models")[0] == 1
    docs = copy.root / "validation/data_docs"
    pages = sorted(docs.rglob("*.html"))
    index = (docs / "index.html").read_text("utf-8")
    assert len(pages) > 1
    assert "params_positive" in index
    for page in pages:
        text = page.read_text("utf-8")
        assert "://" not in text
        assert "<script" not in text
    links = re.findall(r'href="([^"#]+)"', index)
    assert links
    assert [link for link in links if not (docs / link).is_file()] == []


def test_errors_exit_1_and_every_format_names_them(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    cell("release/models.parquet", 0, "params_b", -7.0)(copy)
    path = copy.root / "release"
    code, text, _ = run(capsys, path, "--table", "models")
    assert code == 1
    assert re.search(r"^models +params_positive +error +1$", text, re.MULTILINE)
    assert "model_id org-0/model-0020, params_b -7.0" in text
    code, lines, _ = run(capsys, path, "--table", "models", "--format", "github")
    assert code == 1
    assert lines.startswith(f"::error file={path},title=models.params_positive::1 unexpected in models: ")
    code, document, _ = run(capsys, path, "--table", "models", "--format", "json")
    assert code == 1
    (failed, *_) = (f for f in json.loads(document)["findings"] if not f["success"])  # and more negative
    assert (failed["expectation"], failed["severity"], failed["unexpected"]) == (
        "params_positive",
        "error",
        1,
    )
    assert failed["examples"] == [{"model_id": "org-0/model-0020", "params_b": -7.0}]
    assert failed["why"]
    assert failed["reference"]


def test_what_cannot_be_read_is_annotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "models.parquet"
    path.write_text("not Parquet", "utf-8")
    code, out, err = run(capsys, path, "--format", "github")
    assert code == 3
    assert out.startswith(f"::error file={path},title=unreadable::{path}: ")
    assert err.startswith(f"routerset: {path}: ")


def test_drift_is_told_against_the_release_before(
    good: Path, copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    cell("release/groups.parquet", 0, "model_id", "no/body")(copy)
    arguments = (copy.root / "release", "--table", "drift")
    code, out, _ = run(capsys, *arguments, "--previous", good / "release")
    assert code == 0
    assert "groups_kept" in out
    assert "groups_kept" not in run(capsys, *arguments)[1]


def cut(copy: Copy) -> Path:
    path = copy.root / "release/models.parquet"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:200])
    return copy.root / "release"


def text_named_parquet(copy: Copy) -> Path:
    copy.text("scores.parquet", "model,item,score\n")
    return copy.root / "scores.parquet"


def empty_folder(copy: Copy) -> Path:
    (copy.root / "empty").mkdir()
    return copy.root / "empty"


def pointer(copy: Copy) -> Path:
    path = copy.root / "release/data/arc/test.parquet"
    path.unlink()
    copy.text("release/data/arc/test.parquet", POINTER)
    return copy.root / "release"


def pointed_manifest(copy: Copy) -> Path:
    (copy.root / "release/manifest.json").unlink()
    copy.text("release/manifest.json", POINTER)
    return copy.root / "release"


def newer(copy: Copy) -> Path:
    copy.json("release/manifest.json", lambda d: d.update(schema_version=3))
    return copy.root / "release"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            cut,
            r"release/models\.parquet: unreadable .*; expected a whole Parquet file; fetch or build it again",
        ),
        (pointer, r"data/arc/test\.parquet: found a Git LFS pointer, .*: run `git lfs pull` where it lies"),
        (pointed_manifest, r"manifest\.json: found a Git LFS pointer, .*: run `git lfs pull`"),
        (text_named_parquet, r"scores\.parquet: unreadable .*; expected a whole Parquet file"),
        (
            empty_folder,
            r"empty: found no manifest\.json.*; expected the folder of a build, a release or dumps",
        ),
        (
            newer,
            r"manifest\.json: schema_version: found 3, expected 2; use the version of routerset that wrote",
        ),
        (lambda copy: copy.root / "none", r"none: not found; expected a build, a release, a table or a dump"),
    ],
    ids=["cut", "pointer", "pointed manifest", "text", "empty", "newer", "nothing"],
)
def test_what_cannot_be_read_exits_3_and_names_the_file(
    damage: Callable[[Copy], Path], said: str, copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, damage(copy))
    assert (code, out) == (3, "")
    assert re.search(said, err)
    assert "Traceback" not in err


def test_an_unknown_table_exits_2_and_lists_those_there_are(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, good, "--table", "results")
    assert (code, out) == (2, "")
    assert "--table: found 'results', expected one of layout, manifest, models" in err


def test_a_column_of_another_type_exits_1_and_says_what_did_not_run(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    cast(MODELS, "params_b", pa.string())(copy)
    code, out, _ = run(capsys, copy.root / MODELS)
    assert code == 1
    assert "path models.parquet, column params_b, expected double, found string" in " ".join(out.split())
    assert "not run: models.params_positive" in out
    assert not (copy.root / "tables/validation").exists()


@pytest.mark.parametrize(
    "lost", ["data/arc/test.parquet", "scores/arc.parquet", "models.parquet", "groups.parquet"]
)
def test_a_lost_file_is_one_finding(copy: Copy, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.root / "release" / lost).unlink()
    code, document, _ = run(capsys, copy.root / "release", "--format", "json")
    findings = json.loads(document)["findings"]
    failed = [f for f in findings if not f["success"] and f["severity"] == "error"]
    (root,) = (f for f in failed if not f["cause"])
    assert (code, root["expectation"], root["unexpected"]) == (1, "files_present", 1)
    assert root["examples"] == [{"path": lost}]
    assert "tables_present" in {f["expectation"] for f in failed if f["cause"]}


def test_another_fault_beside_a_lost_file_stands_for_itself(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy.root / "release/data/arc/test.parquet").unlink()
    copy.json("release/manifest.json", lambda d: d["tables"]["groups.parquet"].update(rows=7))
    _, document, _ = run(capsys, copy.root / "release", "--format", "json")
    failed = [f for f in json.loads(document)["findings"] if not f["success"] and not f["cause"]]
    assert {"files_present", "row_counts", "checksums"} <= {f["expectation"] for f in failed}


def test_what_is_withheld_is_never_printed(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    """Not where it stands in its own column, in a note of a footer, or as the key of a JSON document."""
    secret = pq.read_table(copy.root / "tables/items/benchmark=gpqa/part-0.parquet")["question"][0].as_py()
    assert secret
    data = "release/data/gpqa/train.parquet"
    copy.rows(data, lambda rows: rows[0].update(question=secret, prompt=secret))
    table = pq.read_table(copy.root / "release/groups.parquet")
    copy.table("release/groups.parquet", table.replace_schema_metadata({secret: secret, b"note": secret}))
    copy.text("release/reports/table9.json", json.dumps({secret: {secret: secret}}))
    failed = set()
    for form in ("text", "json", "github"):
        code, out, err = run(
            capsys, copy.root / "release", "--format", form, "--out", copy.root.parent / form
        )
        assert code == 1
        pages = [page.read_text("utf-8") for page in (copy.root.parent / form).rglob("*") if page.is_file()]
        for said in (out, err, *pages):
            assert secret[:20] not in said
        failed |= set(re.findall(r"text_withheld\w*|notes_known", out))
    assert failed == {"text_withheld", "text_withheld_elsewhere", "notes_known"}
