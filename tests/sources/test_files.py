"""Dumps below a folder: nothing that lies there is left out in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from routerset.etl.build import build
from routerset.etl.config import Runner, load_config
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.files import discover
from tests.dumps import truth, write_config, write_items, write_wide


def found(folder: Path) -> list[str]:
    return [
        dump.file for dump in discover(SourceSpec("wide", str(folder)), lambda name: name.endswith(".csv"))
    ]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_linked_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "model" / "a.csv")
    touch(tmp_path / "dumps" / "b.csv")
    (tmp_path / "dumps" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "dumps")
    (tmp_path / "elsewhere" / "model" / "self").symlink_to(tmp_path / "elsewhere" / "model")
    assert found(tmp_path / "dumps") == ["b.csv", "linked/model/a.csv"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "open" / "a.csv")
    closed = touch(tmp_path / "closed" / "b.csv").parent
    scandir = os.scandir

    def refuse(folder: Path) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if folder == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"Permission denied: .*closed"):
        found(tmp_path)


def test_what_is_no_file_is_no_dump(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    touch(tmp_path / "folder.csv" / "a.csv")
    touch(tmp_path / ".hidden" / "b.csv")
    assert found(tmp_path) == [".hidden/b.csv", "folder.csv/a.csv"]


def test_a_link_to_nothing_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """As an interrupted download leaves it in the cache of the Hub's client."""
    known = truth()
    write_items(tmp_path / "items.csv", known.keys)
    write_wide(tmp_path / "dumps" / "a.csv", known.models, known.keys, known.scores)
    (tmp_path / "dumps" / "b.csv").symlink_to(tmp_path / "blobs" / "never-arrived")
    config = load_config(write_config(tmp_path / "x.toml"))
    manifest = build(config, tmp_path / "out", Runner(), lambda *_: None, "ingest")
    (row,) = manifest.stages["ingest"].info["accounting"]
    assert (row["read"], row["kept"], row["reasons"]) == (241, 240, {"unreadable_file": 1})
    (lost,) = pq.read_table(tmp_path / "out" / "tables" / "quarantine.parquet").to_pylist()
    assert (lost["file"], lost["detail"]) == (
        "b.csv",
        "expected CSV in UTF-8 that starts with a header: [Errno 2] No such file or directory: 'b.csv'",
    )
