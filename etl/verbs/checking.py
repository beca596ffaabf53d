"""Verbs that check and question what there is."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import routerset
from routerset.etl.progress import say, show
from routerset.etl.verbs.base import Verbs, add_verb, taken, working
from routerset.schemas.escape import plain
from routerset.schemas.exits import DATA_FAILED, DONE


def add_validate(verbs: Verbs) -> None:
    """Verb `validate`."""
    verb = add_verb(
        verbs,
        "validate",
        _validate,
        "check a build, a release, a table or a raw dump",
        "routerset validate out/real --format github",
    )
    verb.add_argument("path", type=Path, metavar="PATH", help="build, release, table file or raw dump")
    verb.add_argument("--table", metavar="NAME", help="only this table; for a single file, what it holds")
    verb.add_argument("--config", type=Path, metavar="FILE", help="build config that says what raw dumps are")
    verb.add_argument("--previous", type=Path, metavar="PATH", help="release or build before, for drift")
    verb.add_argument("--out", type=Path, metavar="DIR", help="folder for results and Data Docs (default: "
                      "`validation` in a build, else none)")  # fmt: skip
    verb.add_argument("--format", choices=("text", "json", "github"), default="text", help="default: text")


def _validate(args: argparse.Namespace) -> int:
    from routerset.expectations.errors import Unreadable
    from routerset.expectations.report import annotation, to_github, to_json, to_text
    from routerset.schemas.outfolder import VALIDATION, is_build

    pages = args.out or (args.path / VALIDATION if is_build(args.path) else None)
    if not args.out and pages and not os.access(args.path, os.W_OK):
        say(plain(f"{args.path} is not ours to write to: results and Data Docs are kept with --out alone"))
        pages = None
    try:
        with working("checking") as progress:
            found = routerset.validate(
                args.path,
                table=args.table,
                previous=args.previous,
                config=args.config,
                out=pages,
                progress=progress,
            )
    except Unreadable as error:
        if args.format == "github":
            print(annotation("error", str(args.path), "unreadable", str(error)))
        raise
    if args.format == "github":
        print(to_github(found))
    else:
        show(to_json(found) if args.format == "json" else to_text(found))
    return found.exit_code


def add_verify(verbs: Verbs) -> None:
    """Verb `verify`."""
    verb = add_verb(
        verbs,
        "verify",
        _verify,
        "recompute everything that a release says, from its own tables",
        "routerset verify out/real/release --against out/real",
    )
    verb.add_argument("release", type=Path, metavar="RELEASE", help="folder of a release, or of a build")
    verb.add_argument("--against", type=Path, metavar="BUILD|DUMPS", help="what to compare it with")
    verb.add_argument("--config", type=Path, metavar="FILE", help="read the dumps again, by this config")


def _verify(args: argparse.Namespace) -> int:
    release = taken(args.release)
    with working("verifying") as progress:
        problems = routerset.verify(
            release, against=args.against, config=args.config, note=progress.note, progress=progress
        )
    for problem in problems:
        show(plain(problem))
    show(plain(f"{release}: {f'{len(problems)} problems' if problems else 'whole and consistent'}"))
    return DATA_FAILED if problems else DONE


def add_audit(verbs: Verbs) -> None:
    """Verb `audit`."""
    verb = add_verb(
        verbs,
        "audit",
        _audit,
        "ask of a build, a release or dumps whether routing is worth it",
        "routerset audit my.csv --costs prices.csv --out audit",
    )
    verb.add_argument("path", type=Path, metavar="PATH", help="build, release, or dumps of any format")
    verb.add_argument("--costs", metavar="FILE|KIND", help="a file of prices, or a kind of costs, such as "
                      "usd (default: params_b, where all models have it)")  # fmt: skip
    verb.add_argument("--out", type=Path, metavar="DIR", help="folder for tables and a page (default: none)")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _audit(args: argparse.Namespace) -> int:
    from routerset.etl.auditing import run

    return run(args.path, args.costs, args.out, args.format)
