"""Verbs about versions and where they are published."""

from __future__ import annotations

import argparse
from pathlib import Path

from routerset.etl.progress import say, show
from routerset.etl.verbs.base import Verbs, add_verb, taken
from routerset.schemas.exits import DONE


def add_publish(verbs: Verbs) -> None:
    """Verb `publish`."""
    verb = add_verb(
        verbs,
        "publish",
        _publish,
        "publish the release of a build, to a folder or to the Hub",
        "routerset publish out/real --to hf://datasets/ORG/NAME --dry-run",
    )
    verb.add_argument("dir", type=Path, metavar="DIR", help="folder of a build or of a release")
    verb.add_argument("--to", required=True, metavar="PLACE", help="a folder, or hf://datasets/ORG/NAME")
    verb.add_argument("--version", metavar="X.Y.Z", help="refuse any other version")
    verb.add_argument("--sign", type=Path, metavar="KEY", help="an SSH key to sign with, by ssh-keygen")
    verb.add_argument("--overwrite", action="store_true", help="also what others changed on the Hub's main")
    verb.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _publish(args: argparse.Namespace) -> int:
    from routerset.release.publish.hub import publish

    done = publish(
        taken(args.dir),
        args.to,
        version=args.version,
        dry_run=args.dry_run,
        overwrite=args.overwrite,
        sign=args.sign,
        progress=say,
    )
    show(done.text())
    return DONE


def add_status(verbs: Verbs) -> None:
    """Verb `status`."""
    verb = add_verb(
        verbs,
        "status",
        _status,
        "say where a build, a release or a published dataset stands",
        "routerset status out/real",
    )
    verb.add_argument("place", metavar="DIR", help="build, release, or place that releases are published to")
    verb.add_argument("--config", type=Path, metavar="FILE", help="of the build (default: of its last run)")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _status(args: argparse.Namespace) -> int:
    from routerset.etl.status import status

    return status(args.place, args.config, args.format)


def add_diff(verbs: Verbs) -> None:
    """Verb `diff`."""
    verb = add_verb(
        verbs,
        "diff",
        _diff,
        "say what changed between two releases, and which version that makes",
        "routerset diff hf://datasets/ORG/NAME@v1.0.0 out/real",
    )
    what = "release, build, or place with published releases, at the latest one or @vX.Y.Z"
    verb.add_argument("old", metavar="OLD", help=what)
    verb.add_argument("new", metavar="NEW", help="the same")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _diff(args: argparse.Namespace) -> int:
    from routerset.etl.versions import diff

    return diff(args.old, args.new, args.format)


def add_rollback(verbs: Verbs) -> None:
    """Verb `rollback`."""
    verb = add_verb(
        verbs,
        "rollback",
        _rollback,
        "publish an older version again, as a new one that says so",
        'routerset rollback /srv/data/name 1.2.0 --because "prompts of 1.3.0 are cut"',
    )
    verb.add_argument("target", metavar="TARGET", help="where it is published: a folder, or hf://...")
    verb.add_argument("version", metavar="X.Y.Z", help="the version whose rows come back")
    verb.add_argument("--because", default="", metavar="TEXT", help="a line for the changelog")
    verb.add_argument("--sign", type=Path, metavar="KEY", help="an SSH key to sign with, by ssh-keygen")
    verb.add_argument("--overwrite", action="store_true", help="also what others changed on the Hub's main")
    verb.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _rollback(args: argparse.Namespace) -> int:
    from routerset.etl.versions import rollback

    given = {"dry_run": args.dry_run, "overwrite": args.overwrite, "sign": args.sign}
    return rollback(args.target, args.version, args.because, **given)
