"""What stands beside the scores of a cell: what noise alone reaches there, and what no group can exceed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Facts of one cell, the same for all its routers; None where undefined or where the release has none.

    noise_oracle: test score of the oracle of the group that the same method finds where scores are dealt anew
    among models of like ability; mean over the worlds drawn, `_lo` and `_hi` the lowest and the highest.
    noise_oracle_b: the same where every matrix with the same sums per model and item is as likely (the law of
    a Rasch model). headroom_real: (oracle - noise_oracle) / (oracle - best single), those of the cell's own
    test items: the share of the headroom that noise does not give; not clipped. noise_best_single_b,
    noise_best_on_train_b: mean test score, in worlds of the second kind, of the single candidate that is best
    on test and on train: their ratio is the V_B of choosing on train in such a world.
    covered: train items that a candidate of the group has right. at_most: what no group of its kind exceeds
    there. optimal: whether they are equal, so that no better group exists.
    In rows of kind "mean" each is the mean over the kinds, None unless all have it; optimal: all of them are.
    """

    noise_oracle: float | None = None
    noise_oracle_lo: float | None = None
    noise_oracle_hi: float | None = None
    noise_oracle_b: float | None = None
    noise_oracle_b_lo: float | None = None
    noise_oracle_b_hi: float | None = None
    headroom_real: float | None = None
    noise_best_single_b: float | None = None
    noise_best_on_train_b: float | None = None
    covered: float | None = None
    at_most: float | None = None
    optimal: bool | None = None

    def beside(self, oracle: float, best_single: float) -> Limits:
        """The same with the share of this headroom that is real."""
        if self.noise_oracle is None or oracle - best_single <= 1e-9:
            return self
        return replace(self, headroom_real=(oracle - self.noise_oracle) / (oracle - best_single))


def mean_limits(kinds: Sequence[Limits]) -> Limits:
    """The unweighted mean over kinds of groups."""
    found = {}
    for field in fields(Limits):
        values = [getattr(one, field.name) for one in kinds]
        if None not in values:
            found[field.name] = all(values) if field.name == "optimal" else sum(values) / len(values)
    return Limits(**found)
