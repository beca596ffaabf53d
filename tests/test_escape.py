"""Nothing that is printed moves a cursor, breaks a line or starts a command."""

from __future__ import annotations

import json

from routerset.release.evaluator import plain as plain_alone
from routerset.schemas.escape import lines, plain


def test_controls_are_escaped_and_text_stays() -> None:
    hostile = "a\x1b[2Jb\n::error::x\u202e\u2028\x7f\x9b\ud800 Ω 模"
    assert plain(hostile) == "a\\x1b[2Jb\\n::error::x\\u202e\\u2028\\x7f\\x9b\\ud800 Ω 模"


def test_newlines_stay_where_lines_are_meant() -> None:
    assert plain("a\nb\r", keep="\n") == "a\nb\\r"


def test_no_line_is_a_command() -> None:
    hostile = "  ::error file=x::y\na ::b\n\u3000::c\x1b\nx##[error]y ###[z"
    assert lines(hostile) == (
        "  \\u003a:error file=x::y\na ::b\n\u3000\\u003a:c\\x1b\nx#\\u0023[error]y ##\\u0023[z"
    )


def test_json_stays_what_it_says() -> None:
    document = {"::a": "##[b] \x1b \u2028 \x9b"}
    assert json.loads(lines(json.dumps(document, indent=1))) == document


def test_the_evaluator_ships_the_same_rule() -> None:
    hostile = "".join(map(chr, range(0x3000))) + "\n::a\n ##[b]\ud800\U000e0001 Ω 模"
    assert plain_alone.lines(hostile) == lines(hostile)
    assert plain_alone.plain(hostile) == plain(hostile)
