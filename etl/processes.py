"""What a process of ours that starts others takes care of: how many they are, and what they know."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_KNOWN = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|LANG|LANGUAGE|LC_.*|PYTHON.*|LD_.*|DYLD_.*"
    "|XDG_.*|OMP_.*|MKL_.*|KMP_.*|OPENBLAS_.*|NUMEXPR_.*|ARROW_.*|CUDA_.*|NVIDIA_.*|HIP_.*|ROCR_.*|TORCH.*|HF_.*"
    "|TRANSFORMERS_.*|TOKENIZERS_.*|DASK_.*|ROUTERSET_.*"
)
"""Variables by which a machine is set up for Python, Arrow, torch and Dask."""
_SECRET = re.compile("TOKEN$|KEY|SECRET|PASS|CREDENTIAL|AUTH")


START = 8.0
"""Seconds that local workers take to start: a process, Python, Beam and Dask, for all of them at a time."""
GIVEN = 2 << 30
"""Bytes of memory without which a worker is not started: more than any benchmark of 5,000 models takes."""


def repaid(seconds: float, pieces: int) -> int:
    """How many processes are worth their start, for work that keeps one busy that long.

    pieces: that the work can be cut into. A process has a core of its own and `GIVEN` of the memory, as Dask
    counts both, limits of a container included.
    """
    if seconds <= 2 * START or pieces == 1:
        return 1
    from dask.system import CPU_COUNT

    most = max(1, min(pieces, CPU_COUNT, memory_of(1) // GIVEN))
    return most if seconds * (1 - 1 / most) > 2 * START else 1


def memory_of(workers: int) -> int:
    """Bytes that each of some local workers may take: Dask ends one that takes more."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT // workers)


@contextmanager
def little_environment(**more: str) -> Iterator[None]:
    """Processes started meanwhile, and this one, know no secrets, and import nothing from the working folder.

    What workers read lies in local files: remote dumps are copied before, by a process that has its tokens.
    more: variables that they know besides.
    """
    before = dict(os.environ)
    for name in before:
        if not _KNOWN.fullmatch(name) or _SECRET.search(name):
            del os.environ[name]
    os.environ.update(PYTHONSAFEPATH="1", **more)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
