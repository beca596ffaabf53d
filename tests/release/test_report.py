"""The report of a release: its tables, figures, page and baseline cells."""

from __future__ import annotations

import csv
import json
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerset.release.auditing.files import FILES as AUDIT_FILES
from routerset.release.build import write_release
from routerset.release.evaluator import UsageError, evaluate, load_release
from routerset.release.evaluator.averages import average, difference
from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.scaling import PROBABILITIES
from routerset.release.manifest import read_manifest
from routerset.release.reporting import grid as grids
from routerset.release.reporting import tables as contents
from routerset.release.reporting.check import check_report
from routerset.release.reporting.evaluation import Findings, find
from routerset.release.reporting.grid import Column, Grid
from routerset.release.reporting.page import render_page
from routerset.release.reporting.report import BASELINES, FILES, reports_hook, write_report
from routerset.release.verify import verify
from tests.release.builds import Bench, binary, options, small_benches, write_build


@pytest.fixture(scope="module")
def reported(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with its report; not to be changed."""
    release = tmp_path_factory.mktemp("reported") / "release"
    shutil.copytree(built / "release", release)
    reports_hook(release)
    return release


@pytest.fixture(scope="module")
def found(built: Path) -> Findings:
    return find(built / "release")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


NOT_HERE = re.compile("cost|rate|held_out")
"""Files that are there where costs are known, or where asked for (test_report_costs)."""


def test_a_report_has_every_file(reported: Path) -> None:
    expected = {name for name in FILES if not NOT_HERE.search(name)}
    assert names(reported / "reports") == {*expected, "audit"}
    assert {"audit.json", "audit.html", "summary.md"} <= names(reported / "reports/audit") <= {*AUDIT_FILES}


def test_the_same_release_gives_the_same_bytes_wherever_it_lies(reported: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(reported, tmp_path / "elsewhere"))
    written = write_report(release, tmp_path / "out")
    for path in written:
        assert path.read_bytes() == (reported / "reports" / path.name).read_bytes(), path.name
    assert {path.name for path in written} == names(reported / "reports") - {"audit"}


def chunks(png: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append(png[at + 4 : at + 8])
        at += 12 + length
    return found


@pytest.mark.parametrize("name", ["figure2_scaling.png", "figure3_kinds.png"])
def test_pictures_carry_no_text_and_no_time(reported: Path, name: str) -> None:
    kinds = chunks((reported / "reports" / name).read_bytes())
    assert set(kinds) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_files_of_an_earlier_report_are_removed(reported: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    assert "table2.md" in {path.name for path in write_report(reported, out)}
    (out / "mine.txt").write_text("kept")
    written = write_report(reported, out, benchmarks=["gsm8k"], sizes=[3])
    assert names(out) == {path.name for path in written} | {"mine.txt", ".routerset"}
    assert "table2.md" not in names(out)


def test_results_are_those_of_the_evaluator(reported: Path) -> None:
    routers = ["oracle", "best_single", "knn"]
    expected = evaluate(load_release(reported), routers, benchmarks=["gsm8k"], sizes=[5]).means
    with (reported / "reports" / "results.csv").open(newline="") as file:
        rows = {(row["benchmark"], row["m"], row["router"]): row for row in csv.DictReader(file)}
    for row in expected:
        written = rows["gsm8k", "5", row.router]
        for name, estimate in row.metrics.items():
            values = [written[name + suffix] for suffix in ("", "_lo", "_hi")]
            parts = (estimate.value, estimate.lo, estimate.hi)
            assert values == ["" if v is None else str(v) for v in parts]


def test_what_cannot_be_evaluated_is_noted(found: Findings) -> None:
    assert set(found.benchmarks) == {"arc", "gsm8k", "gpqa", "ifeval", "truthfulqa", "winogrande"}
    assert {row.benchmark for row in found.means} == {"gsm8k", "gpqa", "truthfulqa"}
    notes = "\n".join(found.notes)
    assert "arc, ifeval: no paper groups of m = 3 or m = 5" in notes
    assert "arc, winogrande: no vectors, so without c_roberta, knn" in notes
    assert "winogrande: split paper: data/winogrande: the train split of scheme 'paper' is empty" in notes


def test_a_release_without_groups_and_vectors_has_a_report(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("arc", binary(6, 20, 1), sizes=(), encoders={})])
    write_release(build, build / "release", options(), reports=reports_hook)
    assert names(build / "release/reports") == {
        "audit",
        "baselines.json",
        "figure2_scaling.csv",
        "figure2_scaling.png",
        *(f"pool.{ending}" for ending in ("md", "tex", "csv")),
        "report.html",
    }
    assert list(check_report(build / "release")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"benchmarks": ["nope"]}, "no benchmark 'nope'; this release has arc, "),
        ({"encoder": "nope"}, "no vectors by encoder 'nope'; this release has minilm, sbert"),
        ({"routers": ["nope"]}, "no router 'nope'"),
    ],
)
def test_unknown_names(built: Path, tmp_path: Path, arguments: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        write_report(built / "release", tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_progress_names_each_benchmark_once(built: Path) -> None:
    told: list[tuple[int, int, str]] = []
    find(built / "release", benchmarks=["gsm8k", "arc"], progress=lambda *step: told.append(step))
    assert told == [(0, 2, "arc"), (1, 2, "gsm8k"), (2, 2, "")]


# Baseline cells


def test_baselines_come_out_again(reported: Path) -> None:
    rows = json.loads((reported / "reports" / BASELINES).read_text())
    assert {(row["scheme"], row["m"]) for row in rows} == {
        (s, m) for s in ("paper", "family") for m in (3, 5)
    }
    assert list(check_report(reported)) == []


def test_a_changed_number_of_the_audit_is_found(reported: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(reported, tmp_path / "release"))
    path = release / "reports/audit/audit.json"
    path.write_text(path.read_text("utf-8").replace('"headroom": 0.', '"headroom": 0.9', 1), "utf-8")
    (problem,) = check_report(release)
    assert problem.path == "reports/audit/audit.json"
    assert '"headroom": 0.9' in problem.found


def test_a_changed_baseline_is_found(reported: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(reported, tmp_path / "release"))
    path = release / "reports" / BASELINES
    content = path.read_text("utf-8")
    line = next(line for line in content.splitlines() if '"router": "knn"' in line)
    value = json.loads(line.rstrip(","))["mu_o"]
    changed = line.replace(f'"mu_o": {value},', '"mu_o": 0.123456,')
    path.write_text(content.replace(line, changed), "utf-8")
    (problem,) = check_report(release)
    assert problem.path == "reports/baselines.json"
    assert f"in line {content.splitlines().index(line) + 1} (" in problem.found
    assert '"mu_o": 0.123456' in problem.found
    assert f'"mu_o": {value}' in problem.expected


WITHOUT_THE_LIBRARIES_OF_A_REPORT = """
import sys
from importlib import metadata
from pathlib import Path

ABSENT = ("jinja2", "markupsafe", "matplotlib", "pillow", "PIL", "duckdb", "torch", "pandas")

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(name)

def version(name, known=metadata.version):
    if name in ABSENT:
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.version = version
sys.meta_path.insert(0, Absent())
from routerset.release.reporting.check import check_report
print(list(check_report(Path(sys.argv[1]), print)))
"""


def test_numbers_are_checked_without_the_libraries_of_a_report(reported: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_THE_LIBRARIES_OF_A_REPORT, reported]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = "reports/figure2_scaling.png, reports/figure3_kinds.png"
    assert said.stdout.splitlines() == [
        "not compared: reports/report.html: jinja2 is not installed",
        "not compared: reports/audit/audit.html: jinja2 is not installed",
        f"not compared: {figures}: matplotlib is not installed",
        "[]",
    ]


def test_a_release_ships_its_report_and_verifies(tmp_path: Path) -> None:
    build = write_build(tmp_path, small_benches()[:1])
    result = write_release(build, build / "release", options(), reports=reports_hook)
    assert "reports/report.html" in result.files
    card = (build / "release/README.md").read_text("utf-8")
    table = (build / "release/reports/summary.md").read_text("utf-8").splitlines()

    def cells(line: str) -> list[str]:
        return sorted(cell.strip() for cell in line.split("|"))

    shown = [cells(line) for line in card.splitlines()]  # the card has the mean before the others
    assert [line for line in table if cells(line) not in shown] == []
    assert "(reports/figure2_scaling.png)" in card
    assert "(reports/figure3_kinds.png)" in card
    lines = (build / "release/reports/audit/summary.md").read_text("utf-8")
    assert lines in card
    assert lines.count("\n") == 5
    assert verify(build / "release", [check_report]) == []


# Statistics


def test_a_difference_combines_the_distances_to_the_limits() -> None:
    a, b = Estimate(0.6, 0.5, 0.64), Estimate(0.4, 0.36, 0.43)
    assert difference(a, b) == Estimate.of(
        0.2, 0.2 - (0.1**2 + 0.03**2) ** 0.5, 0.2 + (0.04**2 + 0.04**2) ** 0.5
    )


def test_an_average_shrinks_with_the_number_of_values() -> None:
    assert average([Estimate(0.5, 0.4, 0.6)] * 4) == Estimate(0.5, 0.45, 0.55)


def test_what_is_undefined_stays_undefined() -> None:
    nothing, bare = Estimate(None, None, None), Estimate(0.5, None, None)
    assert difference(nothing, bare) == nothing
    assert difference(bare, bare) == Estimate(0.0, None, None)
    assert average([]) == nothing
    assert average([bare, nothing]) == nothing
    assert average([bare, Estimate(0.7, 0.6, 0.8)]) == Estimate(0.6, None, None)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    low, value, high = sorted(draw(st.lists(st.integers(0, 999), min_size=3, max_size=3, unique=True)))
    return Estimate(value / 999, low / 999, high / 999)


@given(estimates(), estimates())
def test_swapping_the_sides_mirrors_the_difference(a: Estimate, b: Estimate) -> None:
    one, other = difference(a, b), difference(b, a)
    assert one.value is not None
    assert one.lo is not None
    assert one.hi is not None
    assert one.lo <= one.value <= one.hi
    assert (-one.hi, -one.lo) == pytest.approx((other.lo, other.hi), abs=1e-6)


def test_leakage_shows_the_repeated_share_and_both_splits(found: Findings, built: Path) -> None:
    grid = contents.leaks(found)
    entry = read_manifest(built / "release").benchmarks["gpqa"]
    share = entry.test_items_in_train["paper"] / entry.splits["paper"]["test"]
    assert share > 0
    assert grid.rows[0][:4] == ("gpqa", 3, "oracle", share)
    family = evaluate(
        load_release(built / "release"), ["knn"], benchmarks=["gpqa"], sizes=[3], scheme="family"
    )
    knn = next(row for row in grid.rows if row[:3] == ("gpqa", 3, "knn"))
    assert knn[5] == family.means[0].metrics["mu_o"]
    assert isinstance(knn[4], Estimate)
    assert isinstance(knn[5], Estimate)
    assert knn[6] == difference(knn[4], knn[5])


def test_verdicts_count_every_cell_of_an_existing_router_and_mind_how_many_they_are(found: Findings) -> None:
    assert contents.verdicts(found) == (0, 0, 0)  # too few test items
    knn = next(row for row in found.means if row.router == "knn")
    told = [(1.2, 0.001), (0.8, 0.002), (1.1, 0.03), (1.0, 0.9), (1.3, None)]
    means = [replace(knn, p_best_train=p, metrics=knn.metrics | {"v_b_train": Estimate(v)}) for v, p in told]
    oracle = replace(next(row for row in found.means if row.router == "oracle"), p_best_train=1e-9)
    assert contents.verdicts(replace(found, means=(*means, oracle))) == (1, 1, 2)


# Tables as text

GRID = Grid(
    "V_B & more",
    (Column("router", "Router"), Column("m", "m"), Column("mu_o", "mu_o", digits=2), Column("x", "x")),
    (
        ("oracle", 3, Estimate(0.5, 0.25, 0.75), 0.1234),
        ("own_router", 5, Estimate(None, None, None), None),
        ("random", 5, None, -0.0001),
        ("knn", 5, Estimate(0.5, 0.25, 0.75, few_items=True), 0.0),
        ("mean", 5, Estimate(0.75), 0.0),
    ),
    frozenset({(4, 2)}),
)


def test_markdown() -> None:
    assert grids.to_markdown(GRID) == (
        "V_B & more\n\n"
        "| Router | m | mu_o | x |\n"
        "|---|---:|---:|---:|\n"
        "| Oracle r_o | 3 | 0.50<br><sub>0.25..0.75</sub> | 0.123 |\n"
        "| own_router | 5 | - | - |\n"
        "| Random | 5 | - | 0.000 |\n"
        "| PRknn | 5 | 0.50<br><sub>0.25..0.75</sub>~ | 0.000 |\n"
        "| Train mean | 5 | **0.75** | 0.000 |\n"
    )


def test_latex() -> None:
    lines = grids.to_latex(GRID).splitlines()
    assert lines[1] == r"\caption{$V_B$ \& more}\\\toprule"
    assert lines[2] == r"Router & m & $\mu_o$ & x \\\midrule\endhead"
    assert lines[3] == r"Oracle $r_o$ & 3 & $0.50_{0.25}^{0.75}$ & 0.123 \\"
    assert lines[4] == r"own\_router & 5 & - & - \\"
    assert lines[6] == r"PRknn & 5 & $0.50_{0.25}^{0.75}$$\sim$ & 0.000 \\"
    assert lines[7].endswith(r"& 5 & $\mathbf{0.75}$ & 0.000 \\")


def test_csv() -> None:
    assert grids.to_csv(GRID) == (
        "router,m,mu_o,mu_o_lo,mu_o_hi,x\noracle,3,0.5,0.25,0.75,0.1234\nown_router,5,,,,\nrandom,5,,,,-0.0001\n"
        "knn,5,0.5,0.25,0.75,0.0\nmean,5,0.75,,,0.0\n"
    )


# The page


class Page(HTMLParser):
    """Checks that tags nest, and collects them."""

    EMPTY = frozenset({"meta", "line", "circle", "rect", "path", "polygon", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(reported: Path) -> Page:
    return Page((reported / "reports/report.html").read_text(encoding="utf-8"))


def test_the_page_loads_nothing(page: Page, reported: Path) -> None:
    assert [tag for tag, attributes in page.tags if "src" in attributes or tag in ("link", "iframe")] == []
    assert all((a["href"] or "").startswith("#") for a in page.all("a"))
    text = (reported / "reports/report.html").read_text(encoding="utf-8")
    assert re.findall(r"https?://|url\(|@import", text) == []
    policies = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert [(p or "").split(";")[0] for p in policies] == ["default-src 'none'"]


def test_links_and_ids_of_the_page_fit(page: Page) -> None:
    ids = [str(a["id"]) for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:] for a in page.all("a")}
    targets |= {str(a["aria-labelledby"]) for _, a in page.tags if "aria-labelledby" in a}
    assert targets <= set(ids)


def test_the_page_speaks_to_those_who_cannot_see_it(page: Page, found: Findings) -> None:
    pictures = [a for a in page.all("svg") if a.get("aria-hidden") != "true"]
    assert len(pictures) == len(found.curves) + len({row.benchmark for row in found.means})
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    tracks = [a for a in page.all("span") if a.get("class") == "track"]
    assert len(tracks) == 2 * len({row.benchmark for row in found.means})
    oracles = [
        row.metrics["mu_o"] for m in (3, 5) for row in found.means if (row.m, row.router) == (m, "oracle")
    ]
    for track, e in zip(tracks, oracles, strict=True):
        assert f"Oracle r_o {grids.tell(e)}" in str(track["aria-label"])
    assert all(a.get("scope") for a in page.all("th"))


def test_the_page_shows_each_value_with_its_interval(reported: Path, found: Findings) -> None:
    text = (reported / "reports/report.html").read_text(encoding="utf-8")
    for row in found.means:
        assert row.metrics["mu_o"].lo is None  # too few test items, which its notes say
        assert f"<b>{row.metrics['mu_o'].value:.3f}</b></td>" in text
    assert any("too few items" in note for note in found.notes)
    few = [
        replace(row, few_items=True, metrics=row.metrics | {"mu_o": Estimate(0.5, 0.375, 0.625, True)})
        for row in found.means
    ]
    assert "<b>0.500</b><small>0.375 to 0.625~</small>" in render_page(replace(found, means=tuple(few)))


def test_the_page_says_what_it_is_of(reported: Path) -> None:
    text = (reported / "reports/report.html").read_text(encoding="utf-8")
    manifest = read_manifest(reported)
    scores = sum(b.n_scores for b in manifest.benchmarks.values())
    assert f"{scores:,} scores of {manifest.n_models:,} LLMs" in text
    assert f"version {manifest.version}" in text


def test_names_cannot_inject_markup(found: Findings) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    rows = tuple(replace(row, router=hostile) if row.router == "knn" else row for row in found.means)
    cells = tuple(replace(row, router=hostile) if row.router == "knn" else row for row in found.rows)
    curve = replace(found.curves[0], reference_model=hostile)
    manifest = replace(found.manifest, name=hostile)
    text = render_page(
        replace(found, manifest=manifest, means=rows, rows=cells, curves=(curve,), notes=(hostile,))
    )
    assert Page(text).all("img") == []
    assert "&gt;&lt;img src=x onerror=alert(1)&gt;" in text


def test_every_picture_of_the_page_has_a_role_and_a_label_or_is_hidden(found: Findings) -> None:
    pictures = re.findall(r"<svg\b[^>]*>", render_page(found))
    named = [one for one in pictures if 'role="img"' in one and re.search('aria-label="[^"]+"', one)]
    hidden = [one for one in pictures if 'aria-hidden="true"' in one]
    assert len(named) >= 6
    assert len(named) + len(hidden) == len(pictures)


def test_axes_end_with_values_and_say_what_they_count(found: Findings) -> None:
    page = render_page(found)
    panels = re.findall(r"<svg viewBox.*?</svg>", page, re.DOTALL)
    of_pool = [one for one in panels if "candidates m, log scale" in one]
    assert len(of_pool) == len(found.curves)
    for curve, panel in zip(found.curves, of_pool, strict=True):
        ticks = re.findall(r'text-anchor="middle">([\d,]+)</text>', panel)
        assert (ticks[0], ticks[-1]) == ("1", f"{curve.pool:,}")
        assert re.findall(r'class="name">(?:p = )?([\d.]+)</text>', panel) == [
            f"{p:g}" for p in PROBABILITIES
        ]
        assert ">mean score</text>" in panel


def test_heads_stick_with_their_columns(found: Findings) -> None:
    page = render_page(found)
    for table in re.findall(r'<table[^>]*class="(?:grid|paper)".*?</table>', page, re.DOTALL):
        head, body = table.split("</thead>")
        assert head.count('class="pin"') == 1
        row = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)[-1]
        at = re.findall(r"<(t[hd][^>]*)>", row)
        heads = re.findall(r"<th\b[^>]*>", head)
        pinned = next(i for i, cell in enumerate(heads) if "pin" in cell)
        assert 'class="pin"' in at[pinned]


def test_a_best_router_below_the_best_single_llm_is_marked(found: Findings) -> None:
    assert contents.behind(found) <= contents.leading(found)
    first = next(row for row in found.means if row.router == "best_single")
    cell = (first.benchmark, first.m)

    def with_single(value: float) -> Findings:
        changed = replace(first, metrics=first.metrics | {"mu_o": Estimate(value)})
        return replace(found, means=tuple(changed if row is first else row for row in found.means))

    above, below = (with_single(value) for value in (2.0, -1.0))
    assert cell in {key[:2] for key in contents.behind(above)}
    assert cell not in {key[:2] for key in contents.behind(below)}
    marked = render_page(above).count("best router below best single")
    assert marked == render_page(below).count("best router below best single") + 1


def test_kinds_that_are_one_group_are_said_to_be(tmp_path: Path) -> None:
    build = write_build(tmp_path, [Bench("arc", binary(9, 60, 1), sizes=(3,), encoders={})])
    write_release(build, build / "release", options())
    assert find(build / "release", sizes=[3]).one_group == frozenset()
    groups = build / "release/groups.parquet"
    table = pq.read_table(groups)
    rows = table.to_pylist()
    models = {row["rank"]: row["model_id"] for row in rows if row["kind"] == "all_strong"}
    shared = [{**row, "model_id": models[row["rank"]]} for row in rows]
    pq.write_table(pa.Table.from_pylist(shared, schema=table.schema), groups)
    alike = find(build / "release", sizes=[3])
    assert alike.one_group == {("arc", 3)}
    assert "arc: m = 3: the kinds are one and the same group of LLMs" in "\n".join(alike.notes)
    assert render_page(alike).count("kinds: one group") > 2
