"""A leaderboard as data: the document of `leaderboard.json`, and the rows of `leaderboard.csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import msgspec

from routerset.release.evaluator.results import Value, spread
from routerset.release.leaderboards.boards import Board, Lead, Line
from routerset.release.leaderboards.submissions import Handed
from routerset.schemas.store import json_text

FORMAT = 1
"""Version of the document."""


@dataclass(frozen=True)
class Leaderboard:
    """All of it. checksums: sha256 of the release's SHA256SUMS, which tells every file of it; None where it
    has none. committed_before: whether commitments had to stand in an earlier state of the folder.
    """

    release: str
    version: str
    checksums: str | None
    method: str
    scheme: str
    costs: str | None
    committed_before: bool
    boards: tuple[Board, ...]
    handed: Handed

    @property
    def titles(self) -> dict[str, str]:
        """What each submission calls itself, by name of its folder."""
        return {s.name: s.declared.title for s in self.handed.submissions}


def to_json(found: Leaderboard) -> str:
    """The document. The same submissions and release give the same text."""
    handed = found.handed
    return json_text(
        {
            "format": FORMAT,
            "release": {"name": found.release, "version": found.version, "sha256sums": found.checksums},
            "method": found.method,
            "scheme": found.scheme,
            "costs": found.costs,
            "committed_before": found.committed_before,
            "boards": [
                {
                    "m": board.m,
                    "benchmarks": board.benchmarks,
                    "n_test": board.n_test,
                    "unproven": board.unproven,
                    "submissions": [_flat(line) for line in board.lines],
                    "references": [_flat(line) for line in board.references],
                    "pairs": [{"a": a, "b": b, **_lead("difference", lead)} for a, b, lead in board.pairs],
                    "notes": board.notes,
                }
                for board in found.boards
            ],
            "submissions": [
                {"name": s.name, **msgspec.to_builtins(s.declared), "same_as": s.same_as}
                for s in handed.submissions
            ],
            "waiting": [{"name": w.name, **msgspec.to_builtins(w.declared)} for w in handed.waiting],
            "refused": [{"name": r.name, "title": r.title, "reason": r.reason} for r in handed.refused],
            "notes": handed.notes,
        }
    )


def to_csv(found: Leaderboard) -> str:
    """A row for each submission and reference of each board."""
    titles = found.titles
    rows = [
        {"m": board.m, "title": titles.get(line.name) if line.place else None, **_short(line)}
        for board in found.boards
        for line in (*board.lines, *board.references)
    ]
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _flat(line: Line) -> dict[str, object]:
    by = {name: dict(spread({"mu_o": e})) for name, e in line.by.items()}
    return {**_short(line), "benchmarks": by, **line.spending}


def _short(line: Line) -> dict[str, object]:
    place = line.place
    return {
        "name": line.name,
        "rank": place.rank if place else None,
        "last": place.last if place else None,
        "groups": " ".join(map(str, place.groups)) if place else None,
        **spread({"mu_o": line.score, "v_b_train": line.v_b_train}),
        **_lead("over_best_single", line.over_single),
        **_lead("behind_first", line.behind_first),
        "same_as": line.same_as,
    }


def _lead(name: str, lead: Lead | None) -> dict[str, Value]:
    if lead is None:
        return dict.fromkeys((name, f"{name}_lo", f"{name}_hi", f"{name}_p_holm"))
    return {**spread({name: lead.value}), f"{name}_p_holm": lead.p_holm}
