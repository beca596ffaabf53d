from __future__ import annotations

from pathlib import Path

import pytest

from tests.expectations.builds import make_build


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good build; tests work on copies of it."""
    return make_build(tmp_path_factory.mktemp("good"))
