"""A new router and a new metric are in the report as soon as they have a row."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluator.registries import add_metric, add_router

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reports(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report by a copy of the product that has one router and one metric more."""
    place = tmp_path_factory.mktemp("product")
    for room in ("routerset/__init__.py", "schemas", "release"):
        target = place / "routerset" / room.removeprefix("routerset/")
        copy = shutil.copy if room.endswith(".py") else shutil.copytree
        target.parent.mkdir(exist_ok=True)
        copy(ROOT / room, target)
    add_router(place / "routerset/release/evaluator")
    add_metric(place / "routerset/release/evaluator")
    script = (
        "import sys\nfrom pathlib import Path\nfrom routerset.release.reporting.report import write_report\n"
        "write_report(Path(sys.argv[1]), Path('reports'), benchmarks=['gsm8k'], sizes=[3], "
        "routers=['oracle', 'knn', 'last'])\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, built / "release"],
        cwd=place,
        check=True,
        env=os.environ | {"PYTHONPATH": str(place)},
    )
    return place / "reports"


def test_results_have_both(reports: Path) -> None:
    with (reports / "results.csv").open(newline="") as file:
        rows = {row["router"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["oracle", "knn", "last"]
    assert float(rows["oracle"]["regret"]) == 0
    gap = float(rows["oracle"]["mu_o"]) - float(rows["last"]["mu_o"])
    assert float(rows["last"]["regret"]) == pytest.approx(gap, abs=2e-6) != 0


def test_tables_and_figures_call_the_router_by_its_title(reports: Path) -> None:
    table = (reports / "table1.md").read_text("utf-8")
    assert [line.split("|")[2].strip() for line in table.splitlines()[2:]] == [
        "Oracle r_o",
        "The last one",
        "PRknn",
    ]
    assert "The last one" in (reports / "summary.tex").read_text("utf-8")


def test_the_page_shows_both(reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    assert "--last:#123456;" in page
    assert "--last:#abcdef;" in page
    assert "<div><dt>Regret</dt><dd>what the oracle has and the router has not</dd></div>" in page
    assert '<th scope="col" class="num">Regret</th>' in page
