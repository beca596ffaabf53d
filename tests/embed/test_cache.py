"""The cache: what is read is what was written, whole, whoever else writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.embed.cache import (
    DamagedFile,
    load_vectors,
    read_table,
    texts_in,
    write_table,
    write_vectors,
)
from routerset.embed.texts import text_key

KEYS = sorted(text_key(str(i)) for i in range(5))


def store(folder: Path, keys: list[bytes] = KEYS, rows: int = 64) -> None:
    vectors = np.array([[key[0], key[1]] for key in keys], dtype=np.float32)
    tokens, truncated = np.arange(len(keys), dtype=np.int32), np.array([key[0] > 99 for key in keys])
    write_vectors(str(folder), keys, vectors, tokens, truncated, rows)


def test_vectors_come_back_in_any_order(tmp_path: Path) -> None:
    store(tmp_path, KEYS[:2])
    store(tmp_path, KEYS[2:])
    cached = load_vectors(str(tmp_path), 2)
    wanted = [KEYS[3], KEYS[0], KEYS[3]]
    table = cached.take(wanted)
    assert table["key"].to_pylist() == wanted
    assert table["vector"].to_pylist() == [[key[0], key[1]] for key in wanted]
    assert table["truncated"].to_pylist() == [key[0] > 99 for key in wanted]
    assert sorted(cached.files.values()) == [(1, 64), (3, 64)]
    assert cached.damaged == ()


def test_a_folder_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    cached = load_vectors(str(tmp_path / "none"), 2)
    assert (cached.row_of, cached.files, cached.damaged) == ({}, {}, ())


def test_the_same_file_written_by_many_is_one_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store(tmp_path), range(40)))
    assert len(list(tmp_path.iterdir())) == 1
    assert list(load_vectors(str(tmp_path), 2).row_of) == KEYS


@pytest.mark.parametrize("kept", [0, 10, 31, 32, 33, 300, -1])
def test_a_file_cut_short_is_reported_and_left_out(tmp_path: Path, kept: int) -> None:
    store(tmp_path, KEYS[:2])
    (whole,) = tmp_path.iterdir()
    store(tmp_path, KEYS[2:])
    whole.write_bytes(whole.read_bytes()[:kept])
    cached = load_vectors(str(tmp_path), 2)
    assert list(cached.row_of) == KEYS[2:]
    size = whole.stat().st_size
    assert cached.damaged == (
        f"{whole}: cut short or altered, found {size} bytes that do not match their hash; "
        "ignored, its texts are encoded again",
    )
    store(tmp_path, KEYS[:2])
    assert sorted(load_vectors(str(tmp_path), 2).row_of) == KEYS


def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "table"
    write_table(str(path), pa.table({"a": [1, 2, 3]}))
    good = path.read_bytes()
    for place in range(0, len(good), 37):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(DamagedFile, match="cut short or altered"):
            read_table(str(path))


def test_vectors_of_another_dimension_are_left_out(tmp_path: Path) -> None:
    store(tmp_path)
    cached = load_vectors(str(tmp_path), 3)
    assert cached.row_of == {}
    assert "expected vectors of 3; ignored" in cached.damaged[0]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_texts_of_a_file_are_counted_by_its_heads(tmp_path: Path) -> None:
    store(tmp_path / "vectors", KEYS)
    (path,) = (tmp_path / "vectors").iterdir()
    assert texts_in(path) == len(KEYS)
    write_table(str(tmp_path / "texts"), pa.table({"key": KEYS[:3]}))
    assert texts_in(tmp_path / "texts") == 3
    path.write_bytes(path.read_bytes()[:40])
    assert texts_in(path) == texts_in(tmp_path / "none") == 0
