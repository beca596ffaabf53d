"""Pictures of a report: their size, and that nothing but what they show tells their bytes."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from routerset.release.evaluator.results import Estimate
from routerset.release.reporting.panels import Axis, Line, Panel, Point
from routerset.release.reporting.paper_tables import KindRow
from routerset.release.reporting.plots_png import curves_png, kinds_png, pixels

ROUTERS = (
    "oracle", "r_o_0.5", "best_single", "linear", "mlp", "c_roberta", "mlc", "knn", "kmeans", "knn_sweep",
    "mlp_per_model", "svm",
)  # fmt: skip
"""More than stand in one row of a legend."""


def panel(name: str = "arc") -> Panel:
    lines = (Line("zero", (1, 2), (0.3, 0.5)), Line("random", (1, 4), (0.4, 0.4), step=True))
    points = (Point("knn", 2, Estimate(0.5, 0.4, 0.6)), Point("mlp", 3, Estimate(0.5)))
    return Panel(
        name, "m = 5", Axis(1, 4, (2, 3)), Axis(0, 1, (0.5,)), lines, points, ((1.5, 0.2, "org/model"),)
    )


def kinds(name: str) -> list[KindRow]:
    of = {"all_strong": Estimate(0.9, 0.8, 1.0), "all_weak": Estimate(0.4), "strong_to_weak": Estimate()}
    return [KindRow(name, 5, router, of) for router in ROUTERS]


def size(png: bytes) -> tuple[int, int]:
    from PIL import Image

    return Image.open(io.BytesIO(png)).size


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_a_picture_has_the_size_that_its_panels_tell(n: int) -> None:
    assert size(curves_png([panel()] * n, "mean cost, USD")) == pixels(n)
    rows = [row for i in range(n) for row in kinds(f"benchmark_{i}")]
    assert size(kinds_png(rows, [])) == pixels(n)


def test_the_style_of_the_user_changes_nothing() -> None:
    import matplotlib as mpl

    plain = curves_png([panel()], "cost")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "figure.constrained_layout.use": True}):
        assert curves_png([panel()], "cost") == plain
        assert mpl.rcParams["font.size"] == 20


def test_names_are_drawn_as_they_are_written() -> None:
    plain = curves_png([panel("a")], "cost")
    for name in (r"$\frac", "$a$"):  # the first is no formula, the second would be one
        assert curves_png([panel(name)], "cost") != plain


def test_a_longer_line_or_another_dash_is_another_picture() -> None:
    of = panel()
    for other in (
        replace(of, points=()),
        replace(of, dots=()),
        replace(of, note=""),
        replace(of, lines=of.lines[:1]),
        replace(of, up=Axis(0, 1, ())),
    ):
        assert curves_png([other], "cost") != curves_png([of], "cost")
    assert kinds_png(kinds("arc"), []) != kinds_png(
        kinds("arc"), [KindRow("arc", 5, "noise_oracle", {"all_weak": Estimate(0.5)})]
    )
