"""The files of a leaderboard."""

from __future__ import annotations

from routerset.release.leaderboards.results import Leaderboard, to_csv, to_json

PAGE, JSON, TABLE = "index.html", "leaderboard.json", "leaderboard.csv"
FILES = (PAGE, JSON, TABLE)
"""Every file that a leaderboard has."""


def leaderboard_files(found: Leaderboard) -> dict[str, bytes]:
    """Name -> content of every file. The same submissions and release give the same bytes."""
    from routerset.release.leaderboards.page import render_leaderboard  # jinja2

    made = {PAGE: render_leaderboard(found), JSON: to_json(found), TABLE: to_csv(found)}
    return {name: text.encode() for name, text in made.items()}
