"""Only regular files are opened, nothing waits, nothing is read without end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from routerset.schemas.plainfiles import NotARegularFile, entries, open_regular, read_bytes, read_json


def test_a_regular_file_is_read_through_a_link_unless_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"[1]")
    (tmp_path / "b").symlink_to("a")
    assert read_json(tmp_path / "b") == [1]
    with pytest.raises(NotARegularFile, match=r"found a link, expected a file: .*b"):
        open_regular(tmp_path / "b", follow=False)


@pytest.mark.parametrize("found", ["a named pipe", "a device", "a folder", "a socket"])
def test_what_is_no_file_is_named_at_once(
    tmp_path: Path, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = Path("x")
    if found == "a named pipe":
        os.mkfifo(path)
    elif found == "a device":
        path.symlink_to("/dev/zero")
    elif found == "a folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    with pytest.raises(NotARegularFile, match=f"found {found}, expected a file: 'x'"):
        open_regular(path)


def test_more_bytes_than_allowed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(ValueError, match="found more than 4 bytes"):
        read_bytes(tmp_path / "a", 4)


@pytest.mark.parametrize("text", ["{", "", "[" * 200_000, '{"a": ' * 200_000])
def test_no_json_is_one_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: no JSON"):
        read_json(tmp_path / "a.json")


def test_entries_follow_no_link(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").touch()
    (tmp_path / "a").symlink_to("b")
    os.mkfifo(tmp_path / "b" / "d")
    assert list(entries(tmp_path)) == [("a", "a link"), ("b/c", None), ("b/d", "a named pipe")]
