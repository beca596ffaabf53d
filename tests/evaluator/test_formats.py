from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from routerset.release.evaluator import Evaluation, InputError, Release, UsageError, evaluate, load_release
from routerset.release.evaluator.__main__ import build_parser, main
from routerset.release.evaluator.averages import ALL, mean_over_benchmarks
from routerset.release.evaluator.exports import export, markdown
from routerset.release.evaluator.intervals import holm
from routerset.release.evaluator.latex import SIZES, TEXT_WIDTH, latex
from routerset.release.evaluator.layouts import Column, View
from routerset.release.evaluator.options import COMMAND, Rule, check_options, flag
from routerset.release.evaluator.pairing import Pair
from routerset.release.evaluator.selectors import Selector
from routerset.release.evaluator.views import VIEWS
from tests.evaluator.releases import random_fixture, write_release

ROUTERS = ["knn", "best_single", "heuristic", "oracle"]
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "a|b`c*_d_*<e>",
    "x_y & 100% #1 {z} ~^\\",
    "[x](y)",
    "two\nlines",
    "--",
    "中",
]

BARE, TIERS = View("rows", "Rows."), View("tiers", "Tiers.")


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Two benchmarks with enough test items for intervals, whose models have sizes; one has m = 10 alone."""
    folder = tmp_path_factory.mktemp("priced")
    sizes = {"a": 350, "b": 300}
    fixtures = [
        random_fixture("toy", ms=(3, 5, 10), sizes=sizes),
        random_fixture("other", ms=(3, 5), sizes=sizes, seed=1),
    ]
    write_release(folder, fixtures)
    models = sorted({*pq.read_table(folder / "groups.parquet")["model_id"].to_pylist()})
    costs = [1.5 * (1 + i % 7) for i in range(len(models))]
    pq.write_table(pa.table({"model_id": models, "params_b": costs}), folder / "models.parquet")
    return load_release(folder)


@pytest.fixture(scope="module")
def result(priced: Release) -> Evaluation:
    return evaluate(priced, ROUTERS, pairs=True, costs="params_b", resamples=200)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


CALLS = [(), ("--costs", "params_b"), ("--differences",), ("--differences", "--costs", "params_b")]


@pytest.mark.parametrize("means", [(), ("--means",)], ids=["cells", "means"])
@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_csv_says_what_json_says_whoever_reads_it(
    priced: Release,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    call: tuple[str, ...],
    means: tuple[str, ...],
) -> None:
    arguments = (priced.path, "--routers", ",".join(ROUTERS), "--resamples", 200, *call, *means)
    code, out, _ = run(capsys, *arguments, "--format", "json")
    assert code == 0
    records = json.loads(out)
    assert ({record["kind"] for record in records} == {"mean"}) == bool(means)
    code, out, _ = run(capsys, *arguments, "--format", "csv")
    assert code == 0
    path = tmp_path / "results.csv"
    path.write_text(out)
    fullest = max(records, key=len)
    assert next(csv.reader(io.StringIO(out))) == list(fullest)
    whole = [{key: record.get(key) for key in fullest} for record in records]
    options = pa_csv.ConvertOptions(strings_can_be_null=True)
    assert pa_csv.read_csv(path, convert_options=options).to_pylist() == whole
    frame = pd.read_csv(path, dtype_backend="pyarrow").to_dict("records")
    assert [{k: None if pd.isna(v) else v for k, v in row.items()} for row in frame] == whole
    with duckdb.connect() as connection:
        found = connection.sql(f"select * from read_csv('{path}', sample_size=-1)").fetchall()
    assert [dict(zip(fullest, row, strict=True)) for row in found] == whole


def test_scaling_has_a_row_for_each_size(priced: Release, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (priced.path, "--scaling", "--benchmarks", "toy", "--format")
    (curve,) = json.loads(run(capsys, *arguments, "json")[1])
    rows = list(csv.DictReader(io.StringIO(run(capsys, *arguments, "csv")[1])))
    assert [int(row["m"]) for row in rows] == curve["m"]
    for p, accuracy in curve["accuracy"].items():
        assert [float(row[f"accuracy_{p}"]) for row in rows] == accuracy
    assert "| m | p = 0 | p = 0.1 |" in run(capsys, *arguments, "md")[1]


def test_texts_in_csv_are_no_formulas_and_keep_their_row(tmp_path: Path) -> None:
    records = [{"router": name, "mu_o": -0.5, "optimal": None, "few": True} for name in HOSTILE]
    text = export("csv", BARE, records)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["router"] for row in rows] == [
        "'" + HOSTILE[0],
        *HOSTILE[1:4],
        "two\\nlines",
        "'--",
        "中",
    ]
    assert {row["mu_o"] for row in rows} == {"-0.5"}  # a number is none
    assert {(row["optimal"], row["few"]) for row in rows} == {("", "true")}
    for name in ("+1", " +1", "@SUM(A1)", "\uff1d1", "-1+1"):
        assert export("csv", BARE, [{"a": name}]).splitlines()[1].strip('"').startswith("'")


def test_columns_do_not_depend_on_which_record_comes_first() -> None:
    short, full = {"a": 1, "c": 2}, {"a": 1, "b": 3, "c": 4}
    heads = {export("csv", BARE, records).splitlines()[0] for records in ([short, full], [full, short])}
    assert heads == {"a,b,c"}
    assert export("csv", BARE, []) == ""


def cells_of(line: str) -> list[str]:
    assert line.startswith("| ")
    return re.split(r"(?<!\\)\|", line)[1:-1]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_markdown_is_one_table(
    priced: Release, capsys: pytest.CaptureFixture[str], call: tuple[str, ...]
) -> None:
    code, out, _ = run(
        capsys, priced.path, "--routers", ",".join(ROUTERS), "--resamples", 200, *call, "--format", "md"
    )
    assert code == 0
    caption, empty, head, rule, *rows = out.splitlines()
    assert not empty
    assert set(rule) <= set("|-:")
    assert {len(cells_of(row)) for row in rows} == {len(cells_of(head))} == {len(rule.split("|")) - 2}
    assert "groups: paper, split: paper" in caption
    assert any(row.startswith(f"| {ALL} ") for row in rows)
    if not call:
        assert re.search(r"\| toy \| 3 \| 65 \| oracle\\\* \| 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]~ \|", out)


def test_markdown_shows_texts_as_they_are() -> None:
    assert [markdown(name) for name in HOSTILE[1:5]] == [
        r"a\|b\`c\*\_d\_\*\<e\>",
        r"x_y \& 100% #1 {z} \~^" + r"\\",
        r"\[x](y)",
        r"two\\nlines",
    ]
    lines = export("md", BARE, [{"router": name, "x": 1.0} for name in HOSTILE]).splitlines()
    assert {len(cells_of(line)) for line in lines[2:3] + lines[4:]} == {2}


COMMANDS = {
    *("begin", "end", "caption", "label", "centering", "setlength", "tabcolsep", "toprule", "midrule"),
    *("bottomrule", "multicolumn", "textbf", "addlinespace", "sim", "mu", "cdot", "resizebox", "textwidth"),
    *("endhead", "endfirsthead", "endfoot", "textbackslash", "textasciitilde", "textasciicircum"),
    *("textless", "textgreater", "textbar", "textasciigrave", "symbol", "usepackage", *SIZES),
}


def check_latex(text: str) -> tuple[str, int]:
    """Fails unless braces, environments and math are balanced, each row has every column and nothing is left
    that LaTeX would take for a command; returns the environment and the number of rows.
    """
    comment, *rest = text.splitlines()
    assert comment.startswith("% needs \\usepackage{booktabs}")
    body = "\n".join(rest)
    assert "%" not in re.sub(r"\\%|\{%$", "", body, flags=re.MULTILINE)
    depth, math, environments, opened = 0, False, [], []
    for token in re.findall(r"\\[a-zA-Z]+|\\.|[{}$_^#~&]|[^\\{}$_^#~&]+", body, re.DOTALL):
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            assert depth >= 0
        elif token == "$":
            math = not math
        elif token in "_^":
            assert math, f"{token} outside of math in {body}"
        elif token[:1] == "\\" and token[1:].isalpha():
            assert token[1:] in COMMANDS, token
        else:
            assert token not in ("#", "~")
    assert not depth
    assert not math
    for which, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        opened.append(name) if which == "begin" else environments.append(opened.pop())
        assert which == "begin" or environments
    assert not opened
    kinds = re.search(r"@\{\}([lr]+)@\{\}", body)
    assert kinds
    rows = [line for line in body.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(kinds[1]) - 1}
    assert not any(line.startswith(("[", "*")) for line in body.splitlines())
    assert body.count(r"\caption{") == body.count(r"\label{tab:") == 1
    table = "longtable" if "longtable" in environments else "table"
    for package in {"longtable": ("longtable",), "table": ("graphicx",) * ("resizebox" in body)}[table]:
        assert rf"\usepackage{{{package}}}" in comment
    return table, len(rows)


@pytest.mark.parametrize("call", [*CALLS, ("--scaling",)], ids=" ".join)
def test_latex_is_sound_and_fits_the_page(
    priced: Release, capsys: pytest.CaptureFixture[str], call: tuple[str, ...]
) -> None:
    asked = () if "--scaling" in call else ("--routers", ",".join(ROUTERS), "--resamples", 200)
    code, out, _ = run(capsys, priced.path, *asked, *call, "--format", "latex")
    assert code == 0
    table, n = check_latex(out.rstrip("\n"))
    assert (table == "longtable") == (n > 40)
    assert "resizebox" not in out
    assert r"\small" in out
    if not call:
        assert re.search(r"oracle\$\^\{\*\}\$ & \$0\.\d{3}_\{\[\.\d{3},\.\d{3}\]\\sim\}\$ & ", out)
        assert r"\multicolumn{8}{l}{\textbf{toy, m = 3, 65 test items}}" in out


def test_latex_escapes_what_names_hold(result: Evaluation) -> None:
    records = [replace(result.means[0], router=name).to_dict() for name in HOSTILE]
    text = export("latex", VIEWS["means"], records)
    check_latex(text)
    assert r"x\_y \& 100\% \#1 \{z\} \textasciitilde{}\textasciicircum{}\textbackslash{} &" in text
    assert "U+4E2D" in text
    assert latex("[a") == "{[}a"  # which \\ would read as its option
    assert latex("mu_o and V_B", symbols=True) == r"$\mu_o$ and $V_B$"
    assert latex("V_B") == r"V\_B"


def test_latex_of_many_columns_is_made_to_fit() -> None:
    records = [{f"column {i}": f"a text of {i}" for i in range(30)}]
    text = export("latex", BARE, records)
    check_latex(text)
    assert r"\resizebox{\textwidth}{!}{%" in text
    assert TEXT_WIDTH == 345


def test_results_without_a_view_show_all_they_have() -> None:
    records = [
        {"tier": "<=3B", "share": 0.25, "share_lo": 0.125, "share_hi": 0.5},
        {"tier": None, "share": None, "share_lo": None, "share_hi": None},
    ]
    assert export("md", TIERS, records).splitlines() == [
        "Tiers.",
        "",
        "| tier | share |",
        "|---|---:|",
        r"| \<=3B | 0.250 [0.125, 0.500] |",
        "| - | - |",
    ]
    assert export("csv", TIERS, records).splitlines()[1:] == ["<=3B,0.25,0.125,0.5", ",,,"]
    assert json.loads(export("json", TIERS, records)) == records
    check_latex(export("latex", TIERS, records))


def test_numbers_of_any_size_in_latex() -> None:
    records = [{"a": 4.2e-05, "a_lo": 1e-05, "a_hi": 0.25, "b": True, "c": None, "d": 12345678.0, "e": 3}]
    text = export("latex", BARE, records)
    check_latex(text)
    assert r"$4.2\cdot10^{-5}_{[1\cdot10^{-5},.250]}$ & yes & -- & $1.235\cdot10^{7}$ & $3$ \\" in text


def test_the_points_of_a_curve_are_rows() -> None:
    records = [
        {"router": "knn", "cost": [1.0, 2.0], "score": [0.5, 0.75]},
        {"router": "none", "cost": [], "score": []},
        {"router": "odd", "cost": [1, 2], "score": [3]},
    ]
    assert export("csv", BARE, records).splitlines() == [
        "router,cost,score",
        "knn,1.0,0.5",
        "knn,2.0,0.75",
        "none,,",
        'odd,"[1, 2]",[3]',
    ]
    assert len(export("md", BARE, records).splitlines()) == 4 + 4
    routers = View("routers", "Routers.", (Column("router", "router"), Column("absent", "absent")))
    assert export("md", routers, records).splitlines()[2:] == [
        "| router |",
        "|---|",
        *(f"| {record['router']} |" for record in records),
    ]
    assert json.loads(export("json", BARE, records)) == records


@pytest.mark.parametrize("which", ["rows", "means", "overall", "differences", "overall_differences"])
def test_arrow_and_frames_hold_every_field(result: Evaluation, which: str) -> None:
    records = [record.to_dict() for record in getattr(result, which)]
    assert records
    table = result.to_arrow(which)
    assert table.to_pylist() == [{key: record.get(key) for key in table.column_names} for record in records]
    assert {key for record in records for key in record} == set(table.column_names)
    assert {str(kind) for kind in table.schema.types} <= {"string", "bool", "int64", "double"}
    frame = result.to_frame(which)
    assert {str(kind) for kind in frame.dtypes} <= {"string", "boolean", "Int64", "Float64"}
    assert list(frame.columns) == list(max(records, key=len))
    assert frame["benchmark"].tolist() == [record["benchmark"] for record in records]
    assert frame["mu_o"].isna().sum() == 0


def test_types_do_not_depend_on_what_was_found(priced: Release, result: Evaluation) -> None:
    bare = evaluate(priced, ["random"], benchmarks=["toy"], sizes=[3], resamples=0)
    full = {field.name: field.type for field in result.to_arrow().schema}
    for field in bare.to_arrow().schema:
        assert full[field.name] == field.type, field.name
    assert bare.to_arrow("differences").num_rows == 0
    assert bare.to_arrow("differences").schema.field("m").type == pa.int64()
    assert "budget" in bare.to_arrow("selections").schema.names
    with pytest.raises(UsageError, match="no results 'plots'; valid: rows, means, differences, overall"):
        bare.to_arrow("plots")


def test_a_frame_without_pandas_is_an_error_that_says_so(
    result: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"to_frame\(\) needs pandas .* to_arrow\(\)"):
        result.to_frame()
    assert result.to_arrow().num_rows == len(result.rows)


def test_means_over_benchmarks_weigh_each_the_same(result: Evaluation) -> None:
    assert [(row.m, row.router) for row in result.overall] == [(m, name) for m in (3, 5) for name in ROUTERS]
    for row in result.overall:
        parts = [p for p in result.means if (p.m, p.router) == (row.m, row.router)]
        assert (row.benchmark, row.kind, row.n_test) == (ALL, "mean", 130)
        for name, e in row.metrics.items():
            of = [part.metrics[name] for part in parts]
            if None in (values := [part.value for part in of]):
                assert e.value is None
                continue
            assert e.value == pytest.approx(sum(v or 0 for v in values) / 2, abs=1e-6)
            if all(part.lo is not None for part in of):
                below = hypot(*((part.value or 0) - (part.lo or 0) for part in of)) / 2
                assert e.lo == pytest.approx((e.value or 0) - below, abs=2e-6)
            else:
                assert e.lo is None
        assert row.spending is not None
        area = row.spending.metrics["area_cap"]
        areas = [p.spending.metrics["area_cap"].value for p in parts if p.spending]
        if row.router == "best_single":  # which has no choice under a cap
            assert areas == [None, None] == [area.value, area.lo]
        else:
            assert area.value == pytest.approx(sum(v or 0 for v in areas) / 2, abs=1e-6)
    assert any("m = 10: no mean over benchmarks, without knn on other" in note for note in result.notes)


def test_no_mean_over_one_benchmark_or_over_some(result: Evaluation) -> None:
    alone = [row for row in result.means if row.benchmark == "toy"]
    assert mean_over_benchmarks(alone) == ((), [])
    some = [row for row in result.means if row.m == 3 and (row.benchmark, row.router) != ("toy", "knn")]
    assert mean_over_benchmarks(some) == ((), ["m = 3: no mean over benchmarks, without knn on toy"])


def test_rows_and_json_stay_free_of_means(priced: Release, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (priced.path, "--routers", "knn,oracle", "--sizes", 3, "--resamples", 0)
    rows = json.loads(run(capsys, *arguments, "--format", "json")[1])
    assert {(row["benchmark"], row["kind"] == "mean") for row in rows} == {("other", False), ("toy", False)}
    means = json.loads(run(capsys, *arguments, "--format", "json", "--means")[1])
    assert [row["benchmark"] for row in means] == ["other"] * 2 + ["toy"] * 2 + [ALL] * 2
    assert set(means[-1]) == set(rows[0])
    text = run(capsys, *arguments)[1]
    assert text.index("other  m=3") < text.index("toy  m=3") < text.index(f"{ALL}  m=3")


def test_differences_over_benchmarks_are_tested_together(result: Evaluation) -> None:
    every = result.overall_differences
    assert len(every) == 2 * 6
    adjusted = holm([d.p for d in every])
    for d, p in zip(every, adjusted, strict=True):
        of = [x for x in result.differences if x.kind == "mean"]
        parts = [x for x in of if (x.m, x.router_a, x.router_b) == (d.m, d.router_a, d.router_b)]
        assert len(parts) == 2
        mu = d.metrics["mu_o"]
        assert mu.value == pytest.approx(sum(x.metrics["mu_o"].value or 0 for x in parts) / 2, abs=1e-6)
        assert (d.p_holm, d.n_comparisons) == (p, 12)
        if mu.lo is not None and mu.hi is not None and d.p is not None:
            assert (d.p < 0.05) == (not mu.lo <= 0 <= mu.hi)
    means = [d for d in result.differences if d.kind == "mean"]
    assert {d.n_comparisons for d in means} == {len(means)}


def test_differences_in_cost_metrics_are_paired(result: Evaluation) -> None:
    rows = {(r.benchmark, r.m, r.kind, r.router): r for r in (*result.rows, *result.means)}
    tighter = 0
    for d in result.differences:
        a, b = (
            rows[d.benchmark, d.m, d.kind, name].spending if d.spending else None
            for name in (d.router_a, d.router_b)
        )
        if d.spending is None or a is None or b is None:
            assert "best_single" in (d.router_a, d.router_b)  # which has no curve
            continue
        for name, e in d.spending.metrics.items():
            values = a.metrics[name].value, b.metrics[name].value
            if None in values:
                assert e.value is None
            else:
                assert e.value == pytest.approx((values[0] or 0) - (values[1] or 0), abs=2e-6)
        area, of_a = d.spending.metrics["area_cap"], a.metrics["area_cap"]
        if area.lo is not None and area.hi is not None:
            assert d.spending.p is not None
            assert (d.spending.p < 0.05) == (not area.lo <= 0 <= area.hi)
            tighter += area.hi - area.lo < (of_a.hi or 1) - (of_a.lo or 0)
        assert {"area_cap", "area_cap_lo", "area_cap_p", "area_cap_p_holm", "costs"} <= set(d.to_dict())
    assert tighter > 10  # as items are shared
    means = [d.spending for d in result.differences if d.kind == "mean" and d.spending]
    assert [told.p_holm for told in means] == holm([told.p for told in means])
    assert any(d.spending and d.spending.p_holm is not None for d in result.overall_differences)


@pytest.mark.parametrize("call", [*CALLS, ("--scaling",)], ids=" ".join)
def test_tables_fit_80_columns(
    priced: Release, capsys: pytest.CaptureFixture[str], call: tuple[str, ...]
) -> None:
    drawn = () if "--scaling" in call else ("--resamples", 200)
    code, out, _ = run(capsys, priced.path, *drawn, *call)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "toy" in out


VALUES: dict[str, tuple[str, ...]] = {
    "sizes": ("3",),
    "track": ("seen",),
    "format": ("json",),
    "seed": ("0",),
    "resamples": ("10",),
    "costs": ("params_b",),
    "routers": ("knn",),
    "curve": ("cap",),
    "selector": ("cap",),
    "alpha": ("1",),
    "confidence": ("small",),
    "by": ("tier",),
}
ALONE = {rule.option: rule.only for rule in COMMAND if rule.only is not None}
OPTIONS = [a for a in build_parser("x")._actions if a.dest not in ("help", "release")]


@pytest.mark.parametrize("alone", ALONE)
@pytest.mark.parametrize("option", OPTIONS, ids=lambda action: action.dest)
def test_what_has_no_effect_is_refused(
    toy: Release, capsys: pytest.CaptureFixture[str], option: Any, alone: str
) -> None:
    if option.dest == alone or option.dest in ALONE[alone]:
        return
    value = () if option.nargs == 0 else VALUES.get(option.dest, ("x",))
    given = (f"--{alone}", *(("--predictions", "x.csv") if alone == "commit" else ()))
    code, out, err = run(capsys, toy.path, *given, option.option_strings[0], *value)
    assert (code, out) == (2, "")
    assert f"--{alone} cannot be used with" in err or f"--{option.dest} cannot be used with --{alone}" in err
    assert option.option_strings[0] in err


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("--track", "unseen", "--compat"), "--compat cannot be used with --track unseen"),
        (("--costs", "gold"), "no costs 'gold'"),
    ],
)
def test_what_evaluate_refuses_is_wrong_usage(
    toy: Release, capsys: pytest.CaptureFixture[str], pair: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, toy.path, *pair)
    assert (code, out) == (2, "")
    assert said in err


def test_the_table_of_options_names_options_that_exist() -> None:
    names = {action.dest for action in build_parser("x")._actions}
    for rule in COMMAND:
        told = {rule.option, *(rule.only or ()), *rule.never, *rule.needs}
        assert {name.partition("=")[0] for name in told} <= names | {"covers"}
    check_options({"release", "benchmarks", "scaling", "format"})
    check: Callable[[set[str]], None] = check_options
    with pytest.raises(UsageError, match="--mlc-model needs --routers mlc or all"):
        check({"mlc_model", "routers", "routers=knn"})
    check({"mlc_model", "routers", "routers=knn", "routers=mlc"})


GIVEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("predictions", "method", "mlc_model", "budget", "hold_out"), ("x",)),
    **VALUES,
    "track": ("unseen",),
    "pair": ("a,b",),
}


def words_of(*names: str) -> list[str]:
    """A command line that has options, by their names in Python."""
    actions = {action.dest: action for action in OPTIONS}
    found = []
    for name, _, value in (name.partition("=") for name in names):
        values = () if actions[name].nargs == 0 else (value,) if value else GIVEN.get(name, ("x",))
        found += [actions[name].option_strings[0], *values]
    return found


APART = [(rule, other) for rule in COMMAND for other in sorted(rule.never) if other != "covers"]


@pytest.mark.parametrize(("rule", "other"), APART, ids=lambda of: getattr(of, "option", of))
def test_of_two_options_that_do_not_go_together_both_are_named(
    toy: Release, capsys: pytest.CaptureFixture[str], rule: Rule, other: str
) -> None:
    needed = [each.needs[0] for each in COMMAND if each.option in (rule.option, other) and each.needs]
    code, out, err = run(capsys, toy.path, *words_of(*dict.fromkeys([rule.option, other, *needed])))
    assert (code, out) == (2, "")
    assert "cannot be used with" in err
    assert flag(rule.option).split()[0] in err
    assert flag(other).split()[0] in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "rule", [rule for rule in COMMAND if rule.needs], ids=lambda r: f"{r.option}-{r.needs}"
)
def test_an_option_without_what_it_needs_is_refused(
    toy: Release, capsys: pytest.CaptureFixture[str], rule: Rule
) -> None:
    code, out, err = run(capsys, toy.path, *words_of(rule.option))
    assert (code, out) == (2, "")
    assert f"{flag(rule.option)} needs {rule.says}; name that, or leave it out" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"track": "unseen", "compat": True}, "compat cannot be used with track=unseen"),
        ({"hold_out": ["all"], "compat": True}, "hold_out cannot be used with compat"),
        ({"hold_out": "all", "track": "unseen"}, "hold_out cannot be used with track=unseen"),
        ({"pseudo_specialists": True}, "pseudo_specialists needs --costs KIND"),
        (
            {"pseudo_specialists": True, "costs": "params_b", "pair": Pair("a", "b")},
            "cannot be used with pair",
        ),
        ({"pair": Pair("a", "b"), "sizes": [3]}, "pair cannot be used with sizes"),
        ({"pair": Pair("a", "b"), "method": "paper"}, "pair cannot be used with method"),
        ({"pair": Pair("a", "b"), "covers": bool}, "pair cannot be used with covers"),
        ({"curve": "cap"}, "curve needs --costs KIND"),
        ({"selector": Selector("cap")}, "selector needs --costs KIND"),
        ({"encoder": "minilm", "routers": ["oracle", "best_single"]}, "encoder needs a router that reads"),
        ({"pairs": True, "routers": ["knn"]}, "pairs needs two routers or more"),
    ],
)
def test_arguments_of_which_one_would_have_no_effect_are_value_errors(
    toy: Release, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        evaluate(toy, **{"resamples": 0, **arguments})
