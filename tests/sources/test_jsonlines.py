"""JSON in whatever shape: lines, one list, indented objects; plain or compressed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_inflated
from routerset.etl.sources.parse import jsonlines
from routerset.etl.sources.parse.jsonlines import numbered_chunks

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('ab"\\{}[],:\n é', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"{', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUES, min_size=1), min_size=1, max_size=6)


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def read(path: Path) -> list[object]:
    found: list[object] = []
    for first, n, chunk in numbered_chunks(str(path)):
        assert first == len(found)
        found += [json.loads(line) for line in chunk.splitlines()]
        assert len(found) == first + n
    return found


@settings(deadline=None)
@given(
    objects=OBJECTS,
    indent=st.sampled_from([None, 1, 4]),
    chunk=st.integers(1, 50),
    write=st.sampled_from([bytes, gzip.compress, zstd]),
)
def test_a_list_is_read_as_its_elements(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[object],
    indent: int | None,
    chunk: int,
    write: Callable[[bytes], bytes],
) -> None:
    path = tmp_path_factory.mktemp("list") / "a.json"
    path.write_bytes(write(json.dumps(objects, indent=indent, ensure_ascii=False).encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "CHUNK", chunk)
        assert read(path) == objects


@settings(deadline=None)
@given(objects=OBJECTS, chunk=st.integers(1, 50))
def test_indented_objects_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, objects: list[object], chunk: int
) -> None:
    path = tmp_path_factory.mktemp("objects") / "a.json"
    path.write_text("\n".join(json.dumps(each, indent=2) for each in objects))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "CHUNK", chunk)
        assert read(path) == objects


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b'[{"a": 1}, {"a": 2}', [b'{"a": 1}', b'{"a": 2}']),
        (b'[\n{"a": 1},\n{"a": "cut', [b'{"a": 1}', b'{"a": "cut']),
        (b'[{"a": 1}] and more', [b'{"a": 1}', b"and more"]),
        (b'[{"a": 1}]\n{"a": 2}\n', [b'[{"a": 1}]', b'{"a": 2}']),
        (b'[1, 2]\n{"a": 2}\n', [b"[1, 2]", b'{"a": 2}']),
        (b'{\n{"a": 2}\n', [b"{", b'{"a": 2}']),
        (b'\xef\xbb\xbf[\n {"a": 1}\n]\n', [b'{"a": 1}']),
    ],
)
def test_what_is_broken_is_a_record_of_its_own(tmp_path: Path, text: bytes, lines: list[bytes]) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    assert b"".join(chunk for _, _, chunk in numbered_chunks(str(path))).splitlines() == lines


def test_an_element_longer_than_any_line_ends_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonlines, "MAX_LINE", 1000)
    monkeypatch.setattr(jsonlines, "CHUNK", 100)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": 1}, {"a": "x" * 100_000}, {"a": 2}]))
    (chunk,) = [chunk for _, _, chunk in numbered_chunks(str(path))]
    first, second = chunk.splitlines()
    assert first == b'{"a": 1}'
    assert 1000 < len(second) < 10_000


@pytest.mark.parametrize("write", [gzip.compress, zstd])
def test_a_damaged_stream_is_unreadable(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(write(b'{"a": 1}\n' * 1000)[:-10])
    with pytest.raises(DumpUnreadable, match=r"expected JSON lines"):
        list(numbered_chunks(str(path)))


def test_what_inflates_to_far_more_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routerset.etl.sources.files.MAX_INFLATED", 1 << 20)
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstd(bytes(4 << 20)))
    with open_inflated(str(path)) as stream, pytest.raises(OSError, match="200 times"):
        stream.read()


def test_a_pointer_says_how_to_get_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    with pytest.raises(DumpUnreadable, match="git lfs pull"):
        list(numbered_chunks(str(path)))
