from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from routerset.release.build import write_release
from tests.release.builds import options, small_benches, write_build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with every kind of benchmark, and its release in `release`; not to be changed."""
    build = write_build(tmp_path_factory.mktemp("built"), small_benches())
    write_release(build, build / "release", options())
    return build


@pytest.fixture
def release(built: Path, tmp_path: Path) -> Path:
    """A copy of that release, free to be damaged."""
    return Path(shutil.copytree(built / "release", tmp_path / "release"))
