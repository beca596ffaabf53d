"""`routerset export`: a release in the layout of another tool."""

from __future__ import annotations

import argparse

from routerset.etl.config import ConfigError
from routerset.etl.progress import say, show
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
        benchmarks=None if args.benchmarks is None else _listed(args.benchmarks),
        sizes=None if args.sizes is None else _sizes(args.sizes),
        **{name: getattr(args, name) for name in names},
    )
    done = export(args.path, args.to, args.out, asked, say)
    show(done.text())
    say(plain(f"export: {args.out.resolve()}"))
    return DONE


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in text.split(",") if word))


def _sizes(text: str) -> tuple[int, ...]:
    if not all(word.isascii() and word.isdigit() and len(word) < 7 for word in text.split(",")):
        raise ConfigError(f"--sizes {text:.80}: expected numbers, such as 3,5")
    return tuple(dict.fromkeys(int(word) for word in text.split(",")))
