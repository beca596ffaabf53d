"""Pickles as bytes, read through the reader of RouterEval dumps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routerset.etl.sources.pickles.reader import load_pickle
from tests.sources.pickle_data import Load, whole


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes, **limits: int) -> object:
        path = tmp_path / "x.pkl"
        path.write_bytes(data)
        return whole(load_pickle(path, **limits))

    return load


@pytest.fixture(scope="module")
def reload_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pickles") / "x.pkl"


@pytest.fixture(scope="module")
def reload(reload_path: Path) -> Callable[[bytes], object]:
    """What `load` is, for properties, which may not use fixtures of a single test."""

    def reload(data: bytes) -> object:
        reload_path.write_bytes(data)
        return whole(load_pickle(reload_path))

    return reload
