"""`routerset leaderboard`, as a maintainer and as a submitter of any intent meet it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerset.etl.cli import main
from routerset.release.evaluator import Release, evaluate
from routerset.release.evaluator.predictions import read_predictions
from tests.leaderboard.handed import always, answers, declaration, hand_in
from tests.test_hostile_names import unsafe

Told = tuple[int, str, str]
Board = Callable[..., Told]


@pytest.fixture
def board(opened: Release, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Board:
    """Runs the verb on submissions; returns its exit code and what it said, once no line of it was unsafe."""

    def run(submissions: Path, *words: object, out: Path = tmp_path / "board") -> Told:
        capfdbinary.readouterr()
        code = main(["leaderboard", str(opened.path), str(submissions), "--out", str(out), *map(str, words)])
        told, err = capfdbinary.readouterr()
        assert (unsafe(told), unsafe(err)) == ([], [])
        return code, told.decode(), err.decode()

    return run


def document(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "board/leaderboard.json").read_text("utf-8"))
    return found


def reasons(tmp_path: Path) -> dict[str, str]:
    return {row["name"]: row["reason"] for row in document(tmp_path)["refused"]}


def test_ties_share_a_rank_and_who_is_worse_has_another(
    handed_in: Path, board: Board, tmp_path: Path
) -> None:
    assert board(handed_in)[0] == 0
    boards = document(tmp_path)["boards"]
    assert [of["m"] for of in boards] == [3, 5]
    for of in boards:
        ranks = {line["name"]: (line["rank"], line["last"], line["groups"]) for line in of["submissions"]}
        assert ranks == {"strong": (1, 2, "1"), "twin": (1, 2, "1"), "weak": (3, 3, "2")}
        p = {(pair["a"], pair["b"]): pair["difference_p_holm"] for pair in of["pairs"]}
        assert len(p) == 3
        assert p["strong", "weak"] < 0.05
        weak = of["submissions"][-1]
        assert weak["over_best_single"] == pytest.approx(weak["behind_first"], abs=0.1)
        assert weak["behind_first_hi"] < 0
        assert weak["over_best_single_p_holm"] < 0.05


def test_scores_are_the_evaluators_own(
    opened: Release, handed_in: Path, board: Board, tmp_path: Path
) -> None:
    board(handed_in)
    router = read_predictions(handed_in / "weak/predictions.csv", opened)
    found = evaluate(opened, {"weak": lambda: router}, sizes=[3])
    (line,) = (row for row in document(tmp_path)["boards"][0]["submissions"] if row["name"] == "weak")
    (mean,) = found.overall
    assert [line["mu_o"], line["mu_o_lo"], line["mu_o_hi"]] == [
        mean.metrics["mu_o"].value, mean.metrics["mu_o"].lo, mean.metrics["mu_o"].hi
    ]  # fmt: skip
    by = {row.benchmark: row.metrics["mu_o"].value for row in found.means}
    assert {name: of["mu_o"] for name, of in line["benchmarks"].items()} == by


def test_the_same_submissions_give_the_same_bytes(handed_in: Path, board: Board, tmp_path: Path) -> None:
    board(handed_in)
    shutil.copytree(handed_in, tmp_path / "elsewhere/deeper")
    board(tmp_path / "elsewhere/deeper", out=tmp_path / "again")
    names = sorted(path.name for path in (tmp_path / "board").iterdir())
    assert names == [".routerset", "index.html", "leaderboard.csv", "leaderboard.json"]
    for name in names:
        content = (tmp_path / "board" / name).read_bytes()
        assert content == (tmp_path / "again" / name).read_bytes()
        assert str(tmp_path).encode() not in content


def test_a_refused_submission_costs_only_itself(
    opened: Release, handed_in: Path, board: Board, tmp_path: Path
) -> None:
    board(handed_in)
    alone = document(tmp_path)
    hand_in(handed_in / "cheat", answers(opened, always(1)), training_test_items=True)
    code, told, _ = board(handed_in)
    assert code == 0
    assert "cheat: declares that it learnt from test items" in told
    found = document(tmp_path)
    assert found["boards"] == alone["boards"]
    assert board(handed_in, "--strict")[0] == 1


SPLIT = "declares that it learnt from test items: split "


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"training_test_items": True}, "training.test_items is true"),
        ({"training_test_items": None}, "missing required field `test_items`"),
        ({"training_test_items": 0}, "Expected `bool`, got `int`, at `training.test_items`"),
        ({"training_sets": [{"set": "ONE", "splits": ["train", "Test"]}]}, f"{SPLIT}'Test' of 'ONE'"),
        ({"training_sets": [{"set": "fixture", "splits": ["all"]}]}, f"{SPLIT}'all' of 'fixture'"),
        ({"training_sets": None}, "missing required field `sets`"),
        ({"training_sets": [{"set": "x", "splits": []}]}, "length >= 1, at `training.sets[0].splits`"),
        ({"router": None}, "missing required field `router`"),
        ({"router": ""}, "length >= 1, at `router`"),
        ({"router": " x"}, "without spaces at its ends"),
        ({"router": "x" * 61}, "length <= 60, at `router`"),
        ({"router": "a\x1b[2Jb"}, r"found 'a\x1b[2Jb', expected text on one line"),
        ({"router": "a\u202eb"}, r"found 'a\u202eb'"),
        ({"version": 1}, "Expected `str`, got `int`, at `version`"),
        ({"url": "javascript:alert(1)"}, "url: found 'javascript:alert(1)', expected https://"),
        ({"url": "https://user@x.org"}, "expected https://"),
        ({"url": 'https://x.org/"onclick'}, "expected https://"),
        ({"url": "https://"}, "expected https://"),
        ({"url": "https://[x"}, "expected https://"),
        ({"cost": "gold"}, "Invalid enum value 'gold', at `cost`"),
        ({"commitment_date": "yesterday"}, "at `commitment.date`"),
        ({"commitment_sha256": "ABC"}, "at `commitment.sha256`"),
        ({"commitment_sha256": "0" * 64}, "the file changed after its commitment"),
        ({'"::error::\\u001b[2J"': 1}, r"unknown field `::error::\x1b[2J`"),
        ({"authors": ["a"] * 51}, "length <= 50, at `authors`"),
    ],
)
def test_a_declaration_that_is_refused(
    changes: dict[str, object], reason: str, opened: Release, board: Board, tmp_path: Path
) -> None:
    hand_in(tmp_path / "in/one", answers(opened, always(1)), **changes)
    assert board(tmp_path / "in")[0] == 0
    assert reason in reasons(tmp_path)["one"]


def leave_out(release: Release) -> bytes:
    return b"\n".join(answers(release, always(0)).split(b"\n")[:-2])


FILES: dict[str, tuple[Callable[[Release], bytes], str]] = {
    "a missing item": (leave_out, "no row for test item 'two-"),
    "a repeated item": (lambda r: (a := answers(r, always(0))) + a.split(b"\n")[1] + b"\n", "repeats row 1"),
    "an unknown item": (lambda r: answers(r, always(0)) + b"x,one,3,all_weak,y\n", "not a test item: 'x'"),
    "an unknown model": (
        lambda r: re.sub(b"org/model-\\d+", b"::error::\x1b[2J", answers(r, always(0))),
        r"not a candidate: '::error::\x1b[2J'",
    ),
    "a cell left out": (
        lambda r: answers(r, always(0), lambda g: (g.m, g.kind, g.benchmark) != (3, "all_weak", "one")),
        "m = 3: answers nothing of one all_weak",
    ),
    "other columns": (lambda r: b"item,llm\n1,2\n", "expected, each once, item_id"),
    "no rows": (lambda r: b"item_id,model\n", "the file has no rows"),
    "nothing": (lambda r: b"", "unreadable"),
    "no text": (lambda r: b"\x00\xff\x00", "unreadable"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_refused(name: str, opened: Release, board: Board, tmp_path: Path) -> None:
    make, reason = FILES[name]
    hand_in(tmp_path / "in/bad", make(opened))
    hand_in(tmp_path / "in/good", answers(opened, always(0)))
    assert board(tmp_path / "in")[0] == 0
    assert reason in reasons(tmp_path)["bad"]
    assert [line["name"] for line in document(tmp_path)["boards"][0]["submissions"]] == ["good"]


def test_a_size_may_be_left_out_whole(opened: Release, board: Board, tmp_path: Path) -> None:
    hand_in(tmp_path / "in/some", answers(opened, always(0), lambda group: group.m == 3))
    hand_in(tmp_path / "in/all", answers(opened, always(1)))
    board(tmp_path / "in")
    lines = [{line["name"] for line in of["submissions"]} for of in document(tmp_path)["boards"]]
    assert lines == [{"some", "all"}, {"all"}]
    board(tmp_path / "in", "--sizes", "5")
    assert reasons(tmp_path) == {"some": "answers no size of this board; it has m = 5"}


def test_a_file_and_a_version_count_once(opened: Release, board: Board, tmp_path: Path) -> None:
    content = answers(opened, always(0))
    hand_in(tmp_path / "in/b-first", content, router="R", commitment_date="2026-01-01")
    hand_in(tmp_path / "in/a-copy", content, router="S", commitment_date="2026-01-02")
    hand_in(tmp_path / "in/c-other", answers(opened, always(1)), router="r", commitment_date="2026-01-02")
    lines = content.split(b"\n")
    mixed = b"\n".join([lines[0], *lines[-2:0:-1], b""])
    hand_in(tmp_path / "in/d-mixed", mixed, router="T", commitment_date="2026-01-03")
    board(tmp_path / "in")
    assert reasons(tmp_path) == {
        "a-copy": "its file is that of b-first, which was committed first",
        "c-other": "b-first is r 1.0, too, and was committed first",
    }
    first, second = document(tmp_path)["boards"][0]["submissions"]
    assert (first["rank"], second["rank"]) == (1, 1)
    assert (first["same_as"], second["same_as"]) == (None, "b-first")


def test_a_commitment_waits_for_its_file(opened: Release, board: Board, tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    content = answers(opened, always(0))
    hand_in(before / "one", content)
    (before / "one/predictions.csv").unlink()
    code, told, _ = board(before)
    assert (code, document(tmp_path)["waiting"][0]["name"]) == (0, "one")
    assert "no submission was scored" in told
    hand_in(now / "one", content)
    hand_in(now / "late", answers(opened, always(1)))
    board(now, "--committed", before)
    assert set(reasons(tmp_path)) == {"late"}
    assert "its commitment was not there before" in reasons(tmp_path)["late"]
    hand_in(now / "one", answers(opened, always(2)))  # with a new commitment that fits
    board(now, "--committed", before)
    assert reasons(tmp_path)["one"].startswith("its commitment changed: before, it was ")


def test_odd_things_in_the_folder(opened: Release, board: Board, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    content = answers(opened, always(0))
    hand_in(folder / "good", content)
    hostile = "::error::x\x1b[2J\n"
    for name in ("link", "pipe", "manifest-link", "both", "deep", "long", "no-text", "none", hostile):
        hand_in(folder / name, content)
    (folder / "link/predictions.csv").unlink()
    (folder / "link/predictions.csv").symlink_to(tmp_path / "in/good/predictions.csv")
    (folder / "pipe/predictions.csv").unlink()
    os.mkfifo(folder / "pipe/predictions.csv")
    (folder / "manifest-link/submission.toml").unlink()
    (folder / "manifest-link/submission.toml").symlink_to("/etc/hostname")
    (folder / "both/predictions.parquet").write_bytes(b"")
    (folder / "deep/submission.toml").write_text("a = " + "[" * 9000)
    (folder / "long/submission.toml").write_text("#" * 40000)
    (folder / "no-text/submission.toml").write_bytes(b"\x00\xff")
    (folder / "none/submission.toml").unlink()
    (folder / "folder-link").symlink_to(folder / "good")
    (folder / "README.md").write_text("words")
    (folder / ".git").mkdir()
    code, _, err = board(folder)
    assert code == 0
    found = reasons(tmp_path)
    assert {name: reason.partition(",")[0] for name, reason in found.items() if "link" in name} == {
        "link": "predictions.csv: found a link",
        "manifest-link": "submission.toml: found a link",
        "folder-link": "found a link",
    }
    assert "a named pipe" in found["pipe"]
    assert "expected one of them" in found["both"]
    assert "nested too deep" in found["deep"]
    assert "32,768 at most" in found["long"]
    assert "decode byte" in found["no-text"]
    assert "not found" in found["none"]
    assert found[r"::error::x\x1b[2J\n"].startswith("name of the folder")
    assert [s["name"] for s in document(tmp_path)["submissions"]] == ["good"]
    assert [line for line in err.splitlines() if line.startswith("note: ")] == [
        "note: .git: no folder of a submission, not looked at",
        "note: README.md: no folder of a submission, not looked at",
    ]


def test_a_parquet_file_that_grows_is_refused_unread(board: Board, tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in/bomb", b"")
    (folder / "predictions.csv").unlink()
    column = pa.array([0.5]).take(pa.array([0] * 1_000_000))
    pq.write_table(pa.table({f"c{i}": column for i in range(140)}), folder / "predictions.parquet")
    sha = hashlib.sha256((folder / "predictions.parquet").read_bytes()).hexdigest()
    (folder / "submission.toml").write_text(declaration(sha))
    board(tmp_path / "in")
    assert "140,000,000 values" in reasons(tmp_path)["bomb"]


def test_nothing_of_a_stranger_is_markup(opened: Release, board: Board, tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)>{{ 7*7 }}"
    content = answers(opened, always(0))
    hand_in(
        tmp_path / "in/one",
        content,
        router=bad,
        authors=[bad],
        contact=bad,
        training_sets=[{"set": bad, "splits": [bad]}],
        commitment_at="javascript:alert(1)",
        url="https://example.org/a?b=1&c=2",
    )
    hand_in(tmp_path / "in/two", content + b"\n", router=bad, version=bad, training_test_items=True)
    board(tmp_path / "in")
    page = (tmp_path / "board/index.html").read_text("utf-8")
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;{{ 7*7 }}") >= 5
    assert set(re.findall(r'href="([^#"][^"]*)"', page)) == {"https://example.org/a?b=1&amp;c=2"}
    assert not re.search(r'(src|href)="(?!#|https://example)', page)


def test_a_table_opens_in_a_spreadsheet_as_text(opened: Release, board: Board, tmp_path: Path) -> None:
    hand_in(tmp_path / "in/one", answers(opened, always(0)), router="=HYPERLINK(1)", version="2")
    board(tmp_path / "in")
    rows = list(csv.DictReader((tmp_path / "board/leaderboard.csv").read_text("utf-8").splitlines()))
    assert [row["title"] for row in rows if row["name"] == "one"] == ["'=HYPERLINK(1) 2"] * 2
    assert [row["name"] for row in rows[:4]] == ["one", "best_single", "random", "oracle"]


def test_a_name_of_a_router_is_no_harm(opened: Release, board: Board, tmp_path: Path) -> None:
    hand_in(tmp_path / "in/best_single", answers(opened, always(0)))
    hand_in(tmp_path / "in/oracle", answers(opened, always(1)))
    board(tmp_path / "in")
    found = document(tmp_path)["boards"][0]
    assert {line["name"] for line in found["submissions"]} == {"best_single", "oracle"}
    assert [line["name"] for line in found["references"]] == ["best_single", "random", "oracle"]
    assert found["references"][2]["mu_o"] > found["submissions"][0]["mu_o"]


def test_what_is_printed_fits_a_terminal(handed_in: Path, opened: Release, board: Board) -> None:
    long = "a" * 64
    hand_in(handed_in / long, answers(opened, lambda group, item: item % group.m))
    hand_in(handed_in / "bad", b"x,y\n" + b"z" * 500)
    _, told, _ = board(handed_in)
    assert max(map(len, told.splitlines())) <= 80
    assert re.search(r"^  \d(-\d)? +weak +0\.\d{3} \[.*\* .*\*  \d", told, re.MULTILINE)


def test_json_on_stdout_is_the_file(handed_in: Path, board: Board, tmp_path: Path) -> None:
    _, told, _ = board(handed_in, "--format", "json")
    assert json.loads(told) == document(tmp_path)


def test_a_folder_of_somebody_else_is_left_alone(handed_in: Path, board: Board, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/x").write_text("x")
    code, _, err = board(handed_in, out=tmp_path / "theirs")
    assert (code, [path.name for path in (tmp_path / "theirs").iterdir()]) == (2, ["x"])
    assert "nothing was touched" in err
    assert board(handed_in, out=tmp_path / "x.html")[0] == 2
    assert board(tmp_path / "nowhere")[0] == 3


def test_results_for_the_hub(handed_in: Path, board: Board, tmp_path: Path) -> None:
    import yaml
    from huggingface_hub import parse_eval_result_entries

    words = ("--eval-results", tmp_path / "hub", "--dataset", "org/set", "--url", "https://x.org")
    assert board(handed_in, *words, "--revision", "0" * 40)[0] == 0
    files = sorted(str(path.relative_to(tmp_path / "hub")) for path in (tmp_path / "hub").rglob("*.yaml"))
    assert files == [f"{name}/.eval_results/set.yaml" for name in ("strong", "twin", "weak")]
    written = yaml.safe_load((tmp_path / "hub" / files[2]).read_text("utf-8"))
    entries = parse_eval_result_entries(written)
    tasks = [entry.task_id for entry in entries]
    assert tasks == ["one", "two"]
    by = document(tmp_path)["boards"][0]["submissions"][-1]["benchmarks"]
    assert [entry.value for entry in entries] == [by[task]["mu_o"] for task in tasks]
    assert "groups of 3" in str(entries[0].notes)
    assert set(written[0]["dataset"]) == {"id", "task_id", "revision"}
    assert {key for entry in written for key in entry} == {"dataset", "value", "source", "notes"}
    shutil.rmtree(handed_in / "weak")
    board(handed_in, *words)
    assert len(list((tmp_path / "hub").rglob("*.yaml"))) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--dataset", "org/set"],
        ["--eval-results", "hub"],
        ["--eval-results", "hub", "--dataset", "../set"],
        ["--eval-results", "hub", "--dataset", "a/b", "--url", "javascript:1"],
        ["--eval-results", "hub", "--dataset", "a/b", "--revision", "main"],
        ["--sizes", "three"],
    ],
)
def test_options_that_mean_nothing(words: list[str], handed_in: Path, board: Board, tmp_path: Path) -> None:
    assert board(handed_in, *words)[0] == 2
    assert not (tmp_path / "board").exists()
