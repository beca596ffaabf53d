"""Colours of a report: the same for a router in every picture, on light paper and on a dark screen."""

from __future__ import annotations

import re

OTHER = ("#5f6b7a", "#9aa7b8")
"""Of a router without a colour of its own: (light, dark)."""

ROUTERS = {
    "oracle": ("#4338ca", "#a5b4fc"),
    "r_o_0.5": ("#8b7ff0", "#7c83f7"),
    "linear": ("#be185d", "#f472b6"),
    "mlp": ("#7e22ce", "#d8a4ff"),
    "c_roberta": ("#0f766e", "#2dd4bf"),
    "mlc": ("#a16207", "#facc15"),
    "knn": ("#d9480f", "#fb923c"),
    "random": ("#8a94a3", "#7f8b9c"),
    "best_single": ("#1f2937", "#f1f5f9"),
    "mean": ("#5f6b7a", "#9aa7b8"),
}

RAMP = {
    0.0: ("#8a94a3", "#7f8b9c"),
    0.1: ("#d39b06", "#fcd34d"),
    0.3: ("#e06b1f", "#fb923c"),
    0.5: ("#d1345b", "#fb7185"),
    0.7: ("#9333b8", "#d08bf0"),
    1.0: ("#4338ca", "#a5b4fc"),
}
"""Of r_o(p), by p."""

MARKS = {"oracle": "o", "r_o_0.5": "o", "c_roberta": "s", "knn": "^", "best_single": "D", "random": "x"}
"""Matplotlib's names of the markers, "v" for all others: colour is never the only difference."""
HOLLOW = "r_o_0.5"


def of_router(name: str) -> tuple[str, str]:
    """Colour on light and on dark."""
    return ROUTERS.get(name, OTHER)


def variable(name: str | float) -> str:
    """Name of the CSS variable of a router, or of r_o(p)."""
    return f"--p{name * 10:.0f}" if isinstance(name, float) else "--" + re.sub(r"[^\w-]", "-", name)


def css(name: str | float) -> str:
    """The colour of a router, or of r_o(p), on the page."""
    return f"var({variable(name)},var(--other))"
