"""Progress on stderr: a bar where someone watches, a line per benchmark in a log."""

from __future__ import annotations

import sys


def show_progress(done: int, total: int, label: str) -> None:
    """`done` of `total` benchmarks are finished and `label` is next, empty at the end."""
    if sys.stderr.isatty():
        bar = "#" * (24 * done // max(total, 1))
        print(f"\r\x1b[K[{bar:<24}] {done}/{total} {label}" if label else "\r\x1b[K", end="", file=sys.stderr)
        sys.stderr.flush()
    elif label:
        print(f"evaluating {label} ({done + 1} of {total})", file=sys.stderr)
