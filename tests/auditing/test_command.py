"""`routerset audit` on what people have: dumps, builds, and names that nobody should have given."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from routerset.etl.cli import main
from routerset.release.auditing.audit import audit, tables, to_json, to_text
from routerset.release.auditing.files import FILES, audit_files
from tests.auditing.worlds import rasch, subject
from tests.release.builds import Bench, add_costs, binary, write_build

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a\x1b[31mred\x07",
    "\u202etxt",
    "@SUM(1)",
    "-1+1",
)
PRICES = "match,in,out,as_of\norg/m0*,1,1,2026-01-01\norg/m1*,4,8,2026-01-01\n"


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """A wide table of 16 models and 120 items, named after a benchmark."""
    scores = rasch(0, 16, 120).scores
    path = tmp_path / "gsm8k.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", *(str(item) for item in range(120))])
        for at, row in enumerate(scores.tolist()):
            writer.writerow([f"org/m{at:02d}", *row])
    return path


def test_a_table_of_scores_is_audited_in_one_screen(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    assert main(["audit", str(answers), "--costs", str(tmp_path / "prices.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 32
    assert all(len(line) <= 80 for line in lines[1:])
    text = " ".join(" ".join(lines).split())
    assert "16 models, 120 items" in text
    assert re.search(r"headroom 0\.\d+ for 5 models over the best one; \d+% of it is there by chance", text)
    assert re.search(r"few cost \d[\d.]* \(best [16]\) USD per million tokens: m\d\d, m\d\d", text)
    assert "costs usd" in text


def test_prices_are_said_to_be_in_vain_where_answers_tell_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benches = [Bench("gsm8k", binary(12, 60, 1)), Bench("arc", binary(12, 60, 2))]
    build = write_build(tmp_path / "build", benches)
    add_costs(build, benches, ("gsm8k",))
    (tmp_path / "prices.csv").write_text("match,in,out,as_of\n*,1,1,2026-01-01\n")
    for costs, told in (("prices.csv", ["gsm8k"]), ("usd", [])):
        given = str(tmp_path / costs) if told else costs
        assert main(["audit", str(build), "--costs", given]) == 0
        found = re.findall(r"(\w+): answers tell what they cost; .* is not used", capsys.readouterr().err)
        assert found == told


def test_json_is_one_object_with_a_reason_for_every_null(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(answers), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (one,) = found["benchmarks"].values()
    assert set(one["findings"]) == set(found["detectors"])
    for finding in one["findings"].values():
        nulls = [name for name, value in finding["values"].items() if value is None]
        assert not nulls or finding["why_not"]


def test_out_has_a_page_tables_and_nothing_else(answers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["audit", str(answers), "--out", str(out)]) == 0
    names = {path.name for path in out.iterdir()}
    assert {"audit.json", "audit.html", "headroom.csv", "few.csv", ".routerset"} <= names
    assert names <= {*FILES, ".routerset"}
    before = (out / "audit.json").read_bytes()
    assert main(["audit", str(answers), "--out", str(out)]) == 0
    assert (out / "audit.json").read_bytes() == before


def test_a_folder_of_somebody_else_is_left_alone(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    assert main(["audit", str(answers), "--out", str(tmp_path / "mine")]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["{answers}", "--costs", "euros"], 2, "expected a file of prices"),
        (["{answers}", "--costs", "nowhere.csv"], 3, "nowhere.csv"),
        (["{folder}/nothing"], 3, "nothing"),
        (["{folder}/empty"], 2, "no dump"),
    ],
)
def test_what_cannot_be_audited(
    words: list[str], code: int, told: str, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (answers.parent / "empty").mkdir()
    given = [word.format(answers=answers, folder=answers.parent) for word in words]
    assert main(["audit", *given]) == code
    assert told in capsys.readouterr().err


def hostile() -> list[object]:
    world = rasch(2)
    names = tuple(HOSTILE)
    return [subject(world.scores, names=names, models=tuple(f"{HOSTILE[at % 6]}{at}" for at in range(60)))]


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def test_names_are_never_markup_formulas_or_commands() -> None:
    found = [audit(each) for each in hostile()]  # type: ignore[arg-type]
    page = audit_files("x\x1b<b>", found)["audit.html"].decode()
    elements = Elements()
    elements.feed(page)
    assert elements.tags.count("script") == 1
    assert all(link.startswith("#") for link in elements.links)
    texts = [page, to_text("x\x1b<b>", found), *tables(found).values()]
    for text in texts:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    for text in tables(found).values():
        for row in csv.reader(text.splitlines()):
            for cell in row:
                assert not cell.startswith(("=", "@", "+")), cell
                assert not cell.startswith("-") or float(cell) < 0
    assert json.loads(to_json("x\x1b", found))["path"] == "x\\x1b"


def test_a_pool_of_one_model_or_none_says_so() -> None:
    world = rasch(0)
    for n in (0, 1):
        found = audit(subject(world.scores[:n]))
        text = to_text("x", [found])
        assert "not known" in text
        json.loads(to_json("x", [found]))


def test_scores_that_are_missing_are_no_zeros(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = answers.read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:-1], ""])
    answers.write_text("\n".join(lines) + "\n")
    assert main(["audit", str(answers), "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["benchmarks"].values()
    assert (one["models"], one["models_left_out"], one["items"]) == (15, 1, 120)


def test_several_benchmarks_fit_the_screen() -> None:
    found = audit(rasch(0))
    text = to_text("x", [found] * 12)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert np.count_nonzero([line.startswith("world") for line in text.splitlines()]) == 12
