"""Builds without the gate, which is most of what a small build takes.

For tests that run the suites on what was built, all of them at once, and for those that ask something else of
inputs that other tests take through the gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def without_gate() -> Iterator[None]:
    """Meanwhile `routerset.build` and `routerset build` check nothing behind a stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("routerset.etl.stages.validate.gate", lambda *_, **__: {})
        yield
