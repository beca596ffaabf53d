"""Nothing that is printed moves a cursor, breaks a line or starts a command."""

from __future__ import annotations

from routerset.schemas.escape import plain


def test_controls_are_escaped_and_text_stays() -> None:
    hostile = "a\x1b[2Jb\n::error::x\u202e\u2028\x7f\x9b\ud800 Ω 模"
    assert plain(hostile) == "a\\x1b[2Jb\\n::error::x\\u202e\\u2028\\x7f\\x9b\\ud800 Ω 模"


def test_newlines_stay_where_lines_are_meant() -> None:
    assert plain("a\nb\r", keep="\n") == "a\nb\\r"
