"""A folder for what a run needs for a while; the next run removes what a killed one left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "routerset-publish-"


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder in TMPDIR, locked while the block runs, and gone after it."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with _locked(left) as ours:
            if ours:
                shutil.rmtree(left, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with _locked(folder) as ours:
            if ours and folder.is_dir():  # another run may have taken it for a left one, before it was locked
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether a folder is ours and nobody's lock was on it; ours ends with the process, however that ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(descriptor).st_uid == os.getuid()
        except OSError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)
