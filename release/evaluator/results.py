"""What an evaluation returns: rows, differences between routers, and the table people read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from textwrap import fill

from .limits import Limits
from .metrics import METRICS, TABLE_ORDER
from .plain import plain
from .task import KINDS

Value = str | int | float | bool | None
SEEN, UNSEEN = TRACKS = ("seen", "unseen")
"""Where routers learn: on the benchmark's own train items, or on all other benchmarks."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% bootstrap interval; None where it is undefined (a zero denominator)."""

    value: float | None = None
    lo: float | None = None
    hi: float | None = None

    @classmethod
    def of(cls, value: float, lo: float, hi: float) -> Estimate:
        """Rounds to 6 decimals; the interval of an undefined value is undefined."""
        if math.isnan(value):
            return cls()
        return cls(*(None if math.isnan(v) else round(float(v), 6) + 0.0 for v in (value, lo, hi)))


@dataclass(frozen=True)
class Row(Limits):
    """One router in one cell; `kind` is "mean" for the unweighted mean over the kinds (the paper's tables).

    n_kinds: kinds of groups that were evaluated at this m, of the three. metrics: by name of
    `metrics.METRICS`. mdd: the smallest true difference in mu_o that this cell's test items can show between
    two routers that choose independently (5% two-sided, 80% power). best_single_score: test score of the best
    single candidate. reference_score: denominator of V_R. sees_test_scores: an upper bound, no real router.
    track: `unseen` where routers learnt from the other benchmarks. best_on_own_train: there, the test score
    of the candidate that is best on this benchmark's own train items, which no router saw; else null.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router: str
    encoder: str | None
    compat: bool
    n_test: int
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    best_single_score: float
    oracle_score: float
    reference_score: float | None
    sees_test_scores: bool = False
    track: str = SEEN
    best_on_own_train: float | None = None

    def to_dict(self) -> dict[str, Value]:
        """Flat: each metric as `mu_o`, `mu_o_lo`, `mu_o_hi`."""
        return _flat(self)


@dataclass(frozen=True)
class Difference:
    """Router a minus router b in one cell, on the same resamples.

    metrics: differences by name. mdd: the smallest true difference in mu_o that a paired test of these two
    would show (5% two-sided, 80% power), from the bootstrap standard error.
    """

    benchmark: str
    m: int
    kind: str
    method: str
    scheme: str
    router_a: str
    router_b: str
    n_kinds: int
    metrics: dict[str, Estimate]
    mdd: float
    track: str = SEEN

    def to_dict(self) -> dict[str, Value]:
        """Flat, as `Row.to_dict`."""
        return _flat(self)


def _flat(record: Row | Difference) -> dict[str, Value]:
    flat: dict[str, Value] = {}
    for field in sorted(fields(record), key=lambda field: bool(field.kw_only)):
        if field.name == "metrics":
            for name in METRICS:
                e = record.metrics[name]
                flat |= {name: e.value, f"{name}_lo": e.lo, f"{name}_hi": e.hi}
        else:
            flat[field.name] = getattr(record, field.name)
    return flat


@dataclass(frozen=True)
class Evaluation:
    """rows: one per cell and router. means: the same, averaged over the kinds. differences: where asked for,
    every pair of routers in every cell and mean. notes: what was left out, and why.
    """

    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def table(self) -> str:
        """The means over kinds, at most 80 characters wide."""
        if not self.means:
            return "nothing was evaluated\n"
        marked = [STAR] if any(row.sees_test_scores for row in self.means) else []
        return "\n\n".join([*_blocks(self.means), *marked, LEGEND]) + "\n"

    def difference_table(self) -> str:
        """Differences of the means over kinds; * where the interval of the difference in mu_o excludes 0."""
        lines = []
        for head, (first, *others) in groupby((d for d in self.differences if d.kind == "mean"), _place):
            lines += [
                "",
                head + _few(first),
                f"  {'a - b':<28}{'mu_o':>8}  {'95% interval':<18}{'V_B':>7}{'E_p':>7}{'mdd':>7}",
            ]
            for d in (first, *others):
                mu, v_b, e_p = (d.metrics[name] for name in ("mu_o", "v_b", "e_p"))
                apart = mu.lo is not None and mu.hi is not None and (mu.lo > 0 or mu.hi < 0)
                names = plain(f"{d.router_a} - {d.router_b}")[:27]
                lines.append(
                    f"  {names:<28}{_number(mu.value, 8)}{'*' if apart else ' '} "
                    f"{_interval(mu):<18}{_number(v_b.value, 7)}{_number(e_p.value, 7)}{d.mdd:>7.3f}"
                )
        return "\n".join(lines[1:])


_SHOWN = [METRICS[name] for name in TABLE_ORDER]
LEGEND = fill(
    "".join(f"{metric.head or metric.title}: {metric.says}. " for metric in _SHOWN)
    + "[..]: 95% paired bootstrap. mdd: the smallest difference between two routers that these test items "
    "would show with 80% power.",
    80,
)


STAR = "*: the router is shown the test scores; an upper bound."


def _place(row: Row | Difference) -> str:
    track = "" if row.track == SEEN else f"  track: {row.track}"
    return f"{row.benchmark}  m={row.m}  groups: {row.method}  split: {row.scheme}{track}"


def _few(row: Row | Difference) -> str:
    """A mark of a mean over fewer kinds than the paper's."""
    return "" if row.n_kinds == len(KINDS) else f"  {row.n_kinds} of {len(KINDS)} kinds"


def _blocks(rows: Iterable[Row]) -> Iterator[str]:
    for head, block in groupby(rows, _place):
        members = list(block)
        first = members[0]
        encoder = next((r.encoder for r in members if r.encoder), None)
        title = head + (f"  vectors: {encoder}" if encoder else "")
        lines = [
            title,
            f"  {first.n_test} test items  mdd {first.mdd:.3f}"
            + ("  compat" if first.compat else "")
            + _few(first),
            *_reference(first),
            *_beside(first),
        ]
        heads = [f"{metric.head or metric.title:>{metric.width}}" for metric in _SHOWN]
        heads[0] += f" {'95% interval':<15}"
        lines.append(f"  {'router':<13}{''.join(heads)}")
        for r in members:
            cells = [_number(r.metrics[of.name].value, of.width, of.digits) for of in _SHOWN]
            cells[0] += f" {_interval(r.metrics[_SHOWN[0].name]):<15}"
            name = f"{plain(r.router)[:12]}*" if r.sees_test_scores else plain(r.router)[:13]
            lines.append(f"  {name:<13}{''.join(cells)}")
        yield "\n".join(lines)


def _reference(row: Row) -> Iterator[str]:
    """What a candidate scores that no router of track `unseen` could tell to be the best."""
    if row.best_on_own_train is not None:
        yield f"  best on its own train: {row.best_on_own_train:.3f}"


def _beside(row: Row) -> Iterator[str]:
    """Lines that say how much of a cell's headroom is real, and how good its groups are, where known."""
    if row.noise_oracle is not None:
        floor = Estimate(row.noise_oracle, row.noise_oracle_lo, row.noise_oracle_hi)
        real = "" if row.headroom_real is None else f"  of the headroom {row.headroom_real:.2f} is real"
        yield f"  oracle {row.oracle_score:.3f}  noise {row.noise_oracle:.3f} {_interval(floor)}{real}"
    if row.optimal:
        yield "  groups: optimal on train"
    elif row.covered is not None and row.at_most is not None:
        yield f"  groups: {row.covered:.1f} train items covered, at most {row.at_most:.1f} can be"


def _number(value: float | None, width: int, digits: int = 3) -> str:
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"


def _interval(estimate: Estimate) -> str:
    if estimate.lo is None or estimate.hi is None:
        return "-"
    return f"[{estimate.lo:.3f}, {estimate.hi:.3f}]"
