"""`routerset export`: a release in the layout of another tool."""

from __future__ import annotations

import argparse

from routerset.etl.progress import say, show
from routerset.etl.words import listed, sizes_in
from routerset.release.exporting.export import export
from routerset.release.exporting.settings import Settings
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE


def run(args: argparse.Namespace) -> int:
    """Export a release; returns the exit code.

    Raises ConfigError for sizes that are no numbers, and what `export` raises.
    """
    names = ("method", "kind", "scheme", "encoder", "costs", "validation", "strong", "weak")
    asked = Settings(
        benchmarks=listed(args.benchmarks),
        sizes=None if args.sizes is None else sizes_in(args.sizes),
        **{name: getattr(args, name) for name in names},
    )
    done = export(args.path, args.to, args.out, asked, say)
    show(done.text())
    say(plain(f"export: {args.out.resolve()}"))
    return DONE
