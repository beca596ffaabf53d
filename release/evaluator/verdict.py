"""Whether a router has found headroom beyond noise."""

from __future__ import annotations

from collections.abc import Iterable

from .intervals import LEVEL, holm
from .results import Difference

YARDSTICK = "best_single"


def beyond_noise(differences: Iterable[Difference], level: float = LEVEL) -> list[Difference]:
    """The comparisons with `best_single` that show a router ahead in mu_o; none: no headroom beyond noise.

    differences: of `evaluate(..., pairs=True)`. `best_single` always takes the candidate that is best on
    train, which needs no knowledge of the item: what is above it was found in the items. Every router and
    cell but means counts as a comparison, a cell of too few items too, and all of them together err with
    probability 1 - level at most (Holm). Leave out the oracle and its mixtures, ahead by construction.
    """
    compared = [d for d in differences if d.kind != "mean" and YARDSTICK in (d.router_a, d.router_b)]
    adjusted = holm([d.p for d in compared])
    return [
        d for d, p in zip(compared, adjusted, strict=True) if p is not None and p < 1 - level and _ahead(d)
    ]


def _ahead(difference: Difference) -> bool:
    lead = difference.metrics["mu_o"].value or 0.0
    return lead > 0 if difference.router_b == YARDSTICK else lead < 0
