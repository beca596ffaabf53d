"""What a process of ours that starts others takes care of: what they know."""

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
