"""A leaderboard on a terminal, at most 80 characters wide."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from routerset.release.evaluator.intervals import FEW_ITEMS
from routerset.release.evaluator.results import Estimate
from routerset.release.evaluator.tables import FEW, STAR, interval
from routerset.release.leaderboards.boards import Board, Lead
from routerset.release.leaderboards.results import Leaderboard
from routerset.schemas.escape import plain

WIDTH = 80
LEGEND = (
    "rank: first and last place that a submission may have; equal first places are ties. score: mean of "
    "what the chosen LLMs score. [..]: its 95% interval. -single: less that of the best candidate on train. "
    "-first: less that of the first line. *: told apart from 0, paired, Holm over submissions or over all "
    "pairs of them. group: no two in a group can be told apart. Lines without a rank are no submissions."
)


def to_text(found: Leaderboard) -> str:
    """Boards, then who waits and who was refused."""
    handed = found.handed
    blocks = [*(_board(found, board) for board in found.boards)]
    if blocks:
        few = any(line.score.few_items for board in found.boards for line in board.lines)
        marks = [f"{FEW}: fewer than {FEW_ITEMS} test items."] if few else []
        blocks.append(fill(" ".join([LEGEND, STAR.replace("*", "**"), *marks]), WIDTH))
    else:
        blocks.append("no submission was scored")
    if handed.waiting:
        blocks.append(
            "\n".join(
                [
                    "committed, without a file yet",
                    *(f"  {w.name:<22}{w.declared.commitment.date}" for w in handed.waiting),
                ]
            )
        )
    if handed.refused:
        told = [f"{r.name}: {r.reason}".split("\n") for r in handed.refused]
        blocks.append(
            "\n".join(["refused", *(_wrapped(line, k) for one in told for k, line in enumerate(one))])
        )
    return "\n\n".join(blocks)


def _wrapped(line: str, k: int) -> str:
    """Line k of a reason."""
    start = "    " if k else "  "
    return fill(plain(line.strip()), WIDTH, initial_indent=start, subsequent_indent=f"{start}  ")


def _board(found: Leaderboard, board: Board) -> str:
    head = f"{found.release} {found.version}  m={board.m}  groups: {board.method}  split: {board.scheme}"
    of = board.benchmarks[0] if len(board.benchmarks) == 1 else f"mean of {len(board.benchmarks)} benchmarks"
    few = [fill(board.unproven, WIDTH, initial_indent="  ", subsequent_indent="  ")] if board.unproven else []
    heads = f"  {'rank':<7}{'submission':<22}{'score':>6} {'95% interval':<16}"
    return "\n".join(
        [
            head,
            f"  {of}, {board.n_test} test items",
            *few,
            f"{heads}{'-single':>9} {'-first':>8}  group",
            *_lines(board),
        ]
    )


def _lines(board: Board) -> Iterator[str]:
    for line in (*board.lines, *board.references):
        name = plain(line.name)[:20] + ("**" if line.sees_test_scores else "")
        groups = ",".join(map(str, line.place.groups)) if line.place else ""
        yield (
            f"  {line.place.span if line.place else '-':<7}{name:<22}{_number(line.score)} "
            f"{interval(line.score):<16}{_lead(line.over_single)}{_lead(line.behind_first)}  {groups}"
        ).rstrip()
        if line.same_as:
            yield f"         answers every item as {plain(line.same_as)} does"


def _number(e: Estimate) -> str:
    return f"{'-' if e.value is None else format(e.value, '.3f'):>6}"


def _lead(lead: Lead | None) -> str:
    if lead is None or lead.value.value is None:
        return " " * 9
    return f"{lead.value.value:>+8.3f}{'*' if lead.proven else ' '}"
