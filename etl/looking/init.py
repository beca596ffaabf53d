"""Writes what `propose` says, to stdout or to a file that is not there yet."""

from __future__ import annotations

from pathlib import Path

from routerset.etl.config import ConfigError
from routerset.etl.looking.propose import propose
from routerset.etl.looking.sample import once_a_second
from routerset.etl.progress import say, show
from routerset.etl.sources.files import is_remote
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE
from routerset.schemas.outfolder import NotOurs
from routerset.schemas.store import write_text


def init(dumps: Path, out: Path | None) -> int:
    """Write a config for a folder of dumps; returns the exit code.

    Raises NotOurs where there is something at `out`, ConfigError where nothing is a dump, DumpUnreadable.
    """
    if is_remote(str(dumps)) or ":/" in str(dumps):
        raise ConfigError(
            f"{dumps}: init looks at local folders: fetch the dumps, or write the config by hand"
        )
    if out is not None and (out.exists() or out.is_symlink()):
        raise NotOurs(f"{out}: is there already, and is not written over; move it, or choose another --out")
    text = propose(dumps, Path.cwd() if out is None else out.absolute().parent, once_a_second(say))
    if out is None:
        show(text.rstrip("\n"))
        return DONE
    write_text(out, text)
    say(plain(f"{out}: written; next: routerset build {out} --out DIR --dry-run"))
    return DONE
