"""Agreement without and with pseudo-specialists: what an evaluation returns, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from .estimates import FEWEST_TESTED
from .grid import FEW_LEGEND
from .holdout_rows import change_table
from .results import Estimate, Value, flat_of


@dataclass(frozen=True)
class Joined:
    """How often one router takes the heuristic's choice, without pseudo-specialists and with them.

    kind: `mean` for the unweighted mean over the `n_kinds` kinds of this m, which does not count what joins.
    joined: the pseudo-specialists, separated by commas. category: that one of them is good at; None for all
    test items. metrics: `agreement_without`, `agreement_with`, `delta` = 100 x (with - without), which has a
    paired interval.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    n_kinds: int
    joined: str
    category: str | None
    n_test: int
    metrics: dict[str, Estimate]
    interval_note: str | None = None

    @property
    def label(self) -> str:
        """Name of the row in a table."""
        return "Overall" if self.category is None else self.category

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `delta`, `delta_lo`, `delta_hi`."""
        return flat_of(self)


def joined_table(rows: Sequence[Joined]) -> str:
    """The change of every router on every target, means over kinds, at most 80 characters wide."""
    found = change_table(rows, "target", [("delta", "agreement")], LEGEND)
    return found or "no pseudo-specialist joined\n"


LEGEND = fill(
    "100 x (how often a router takes the heuristic's choice under a cap, over all caps, with the "
    "pseudo-specialists among its candidates - the same without them). A router that uses them agrees less, "
    "most of all on their targets. (..): half of the 95% interval, paired by item. *: the interval excludes "
    f"0. Categories of fewer than {FEWEST_TESTED} test items are not tested. {FEW_LEGEND}",
    80,
)
