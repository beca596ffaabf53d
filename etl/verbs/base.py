"""What all verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from routerset.etl.progress import say
from routerset.schemas.escape import plain

if TYPE_CHECKING:
    from routerset.release.evaluator.progress import Progress

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    verbs: Verbs,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    """A verb with its help. run: of its arguments; returns an exit code."""
    verb = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)
    return verb


def taken(folder: Path) -> Path:
    """The release that is meant by a folder, and which that is where the folder is a build."""
    from routerset.schemas.outfolder import release_of

    release = release_of(folder)
    if release != folder:
        say(plain(f"{folder} is a build; taken: {release}"))
    return release


def working(verb: str) -> Progress:
    """Tells how far a verb is, while entered."""
    from routerset.release.evaluator.progress import Progress

    return Progress(verb)
