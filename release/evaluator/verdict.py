"""Whether a router has found headroom beyond noise."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist

from .bootstrap import DETECTABLE, LEVEL
from .results import Difference

YARDSTICK = "best_single"


def beyond_noise(differences: Iterable[Difference], level: float = LEVEL) -> list[Difference]:
    """The comparisons with `best_single` that show a router ahead of it in mu_o, most certain first.

    differences: of `evaluate(..., pairs=True)`. `best_single` always takes the candidate that is best on
    train, which needs no knowledge of the item: what is above it was found in the items. Every router and
    cell but means counts as a comparison, and all of them together err with probability 1 - level at
    most (Holm, 1979), each by the normal law with the paired bootstrap's standard error. Leave out of the
    routers the oracle and its mixtures, which are ahead by construction.
    """
    leads = []
    for d in differences:
        lead = d.metrics["mu_o"]
        if d.kind == "mean" or YARDSTICK not in (d.router_a, d.router_b):
            continue
        if lead.value is None or lead.lo is None:
            raise ValueError(f"{d.router_a} - {d.router_b}: no interval; evaluate with resamples")
        ahead = lead.value if d.router_b == YARDSTICK else -lead.value
        error = d.mdd / DETECTABLE
        chance = NormalDist(0, error).cdf(-ahead) if error else float(ahead <= 0)
        leads.append((chance, len(leads), d))
    found: list[Difference] = []
    for rank, (chance, _, d) in enumerate(sorted(leads)):
        if chance > (1 - level) / (len(leads) - rank):
            break
        found.append(d)
    return found
