"""Colours of a report beside those of routers: the same in every picture, on light and on dark."""

from __future__ import annotations

import re

RAMP = {
    0.0: ("#8a94a3", "#7f8b9c"),
    0.1: ("#d39b06", "#fcd34d"),
    0.3: ("#e06b1f", "#fb923c"),
    0.5: ("#d1345b", "#fb7185"),
    0.7: ("#9333b8", "#d08bf0"),
    1.0: ("#4338ca", "#a5b4fc"),
}
"""Of r_o(p), by p."""


def variable(name: str | float) -> str:
    """Name of the CSS variable of a router, or of r_o(p)."""
    return f"--p{name * 10:.0f}" if isinstance(name, float) else "--" + re.sub(r"[^\w-]", "-", name)


def css(name: str | float) -> str:
    """The colour of a router, or of r_o(p), on the page."""
    return f"var({variable(name)},var(--other))"
