"""For tests of all rooms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gates import without_gate


@pytest.fixture
def ungated() -> Iterator[None]:
    """Builds without the gate behind every stage."""
    with without_gate():
        yield
