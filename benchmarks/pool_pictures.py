"""The pictures of docs/pools.md, from the JSON of an audit.

routerset audit out/real --format json > audit.json
python -m benchmarks.pool_pictures audit.json docs/pictures
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from markupsafe import Markup, escape

from routerset.release.auditing import figures
from routerset.release.auditing.finding import Finding

STYLE = """
svg{--accent:#4338ca;--ink:#1c2230;--soft:#586274;--paper:#fff;font-family:system-ui,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){svg{--accent:#a5b4fc;--ink:#e6e9f0;--soft:#9aa6b8;--paper:#171d28}}
.paper{fill:var(--paper)}
text{fill:var(--soft);font-size:9px}
.title{fill:var(--ink);font-size:11px;font-weight:650}
.floor{stroke:var(--ink);stroke-width:1.6}
.ref{stroke:var(--soft);stroke-dasharray:3 3}
"""
DOT, RING, BAR = "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", "ring", "bar"
TICK = "tick"
MARGIN = 16
TWINS = {"twins": "equal another", "near_twin_pairs": "agree on 98%, pairs", "effective": "effective number"}
"""Number of the audit -> what the picture calls it."""


def picture(drawn: Markup, title: str, key: Mapping[str, str], ends: Sequence[str]) -> str:
    """One picture by itself. key: mark -> what it means. ends: words at both ends of its axis."""
    found = re.fullmatch(r'<svg viewBox="0 0 (\d+) (\d+)"[^>]*>(.*)</svg>', str(drawn), re.DOTALL)
    if found is None:
        raise ValueError("found no picture with a box of its own")
    width, height = int(found[1]), int(found[2])
    marks, x = [], 8 - MARGIN
    for mark, words in key.items():
        marks.append(f'<g transform="translate({x + 4} {height + 44})">{_mark(mark)}</g>')
        marks.append(f'<text x="{x + 13}" y="{height + 47}">{escape(words)}</text>')
        x += 24 + round(4.9 * len(words))
    left, right = (str(escape(words)) for words in ends)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} 0 {width + MARGIN} {height + 54}" '
        f'width="{2 * width}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
        f'<rect class="paper" x="{-MARGIN}" width="{width + MARGIN}" height="{height + 54}" rx="6"/>'
        f'<text class="title" x="{8 - MARGIN}" y="15">{escape(title)}</text>'
        f'<g transform="translate(0 18)">{found[3]}</g>'
        f'<text x="{figures.LEFT}" y="{height + 29}">{left}</text>'
        f'<text x="{width - 6}" y="{height + 29}" text-anchor="end">{right}</text>{"".join(marks)}</svg>\n'
    )


def _mark(mark: str) -> str:
    """A mark as the figures of the audit draw it."""
    if mark == TICK:
        return '<line y1="-5" y2="5" class="floor"/>'
    if mark == BAR:
        return '<rect x="-4" y="-4" width="10" height="8" fill="var(--accent)" opacity=".6"/>'
    fill = "none" if mark == RING else "var(--accent)"
    return f'<path d="{DOT}" fill="{fill}" stroke="var(--accent)" stroke-width="1.3"/>'


def pictures(audit: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SVG: headroom of every benchmark, and of those with most to show specialists and twins."""
    found = {name: entry["findings"] for name, entry in audit["benchmarks"].items()}
    rooms = {name: of["headroom"]["values"] for name, of in found.items()}
    rows = tuple(
        (name, None, None, room["headroom_by_chance"], room["headroom"])
        for name, room in sorted(rooms.items(), key=lambda pair: -(pair[1]["headroom"] or 0))
        if room["headroom"] is not None
    )
    tested = {
        name: [row for row in of["specialists"]["rows"] if row[7] == "yes"] for name, of in found.items()
    }
    several = {name: rows for name, rows in tested.items() if rows}
    made = {}
    if rows:
        highest = max(value for row in rows for value in row[3:] if value is not None)
        made["headroom.svg"] = picture(
            _drawn(figures.specialists(Finding("", {}, rows))),
            "What five models gain over the best one, held out",
            {DOT: "measured", TICK: "where nobody is a specialist"},
            ("0", f"{highest:.3f} of the score"),
        )
    if several:
        name = max(several, key=lambda name: (len(several[name]) < figures.MOST, len(several[name])))
        shown = sorted(several[name], key=lambda row: -(row[4] or 0))
        values = [value for row in shown for value in row[2:5] if value is not None]
        made["specialists.svg"] = picture(
            _drawn(figures.specialists(Finding("", {}, tuple(map(tuple, shown))))),
            f"{name}: the best other model over the generalist",
            {RING: "naive", TICK: "naive by chance", DOT: "cross-fitted"},
            (f"{min(0.0, *values):.3f}", f"{max(values):.3f}"),
        )
    most = max(found, key=lambda name: found[name]["twins"]["values"]["twins"] or 0)
    values = found[most]["twins"]["values"]
    numbers = tuple((words, values[key], values[f"{key}_by_chance"]) for key, words in TWINS.items())
    made["twins.svg"] = picture(
        _drawn(figures.counts(Finding("", {}, numbers))),
        f"{most}: how many different models (root scale)",
        {BAR: "found", TICK: "by chance"},
        ("0", f"{max(n for row in numbers for n in row[1:] if n is not None):,}"),
    )
    return made


def _drawn(figure: Markup | None) -> Markup:
    if figure is None:
        raise ValueError("found no numbers to draw")
    return figure


def main(arguments: Sequence[str]) -> None:
    """Write the pictures. arguments: the JSON, and the folder to write to."""
    source, folder = map(Path, arguments)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pictures(json.loads(source.read_text("utf-8"))).items():
        (folder / name).write_text(text, "utf-8")
        print(f"{folder / name}: {len(text):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
