"""Tables of categories by routers that fit 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .intervals import FEW_ITEMS
from .plain import plain
from .results import Estimate
from .tables import FEW

NAME, WIDTH = 22, 80


def change_cell(change: Estimate, digits: int = 1) -> str:
    """A difference, half of its interval, and * where that excludes 0: `-12.3 (4.5)*`."""
    if change.value is None:
        return "- "
    told = f"{change.value:+.{digits}f}"
    if change.lo is None or change.hi is None:
        return f"{told} "
    star = "*" if change.lo > 0 or change.hi < 0 else " "
    return f"{told} ({(change.hi - change.lo) / 2:.{digits}f}){star}"


def grid(
    title: str,
    heads: tuple[str, str],
    left: Sequence[tuple[str, str]],
    columns: Mapping[str, Sequence[str]],
    width: int,
) -> str:
    """Cells under their column's name, each `width` wide; what 80 columns do not hold goes on below.

    left: name and number of each row. columns: name -> a cell per row.
    """
    names = list(columns)
    each = max(1, (WIDTH - NAME - 10) // width)
    lines = [title]
    for start in range(0, len(names), each):
        part = names[start : start + each]
        first = "".join(f"{plain(name)[: width - 1]:>{width}}" for name in part)
        lines.append(f"  {heads[0]:<{NAME}}{heads[1]:>7} {first}")
        for at, (name, number) in enumerate(left):
            cells = "".join(f"{columns[column][at]:>{width}}" for column in part)
            lines.append(f"  {plain(name)[: NAME - 1]:<{NAME}}{number:>7} {cells}".rstrip())
    return "\n".join(lines)


def counted(n: int) -> str:
    """Number of test items, with a mark where they are few."""
    return f"{n}{FEW if n < FEW_ITEMS else ' '}"


FEW_LEGEND = f"{FEW}: fewer than {FEW_ITEMS} test items."
