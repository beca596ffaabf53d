"""docs/config.md says what the code does: every key, its default, and an example that is one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from routerset.etl.config import ConfigError, parse_config
from tests.config_page import PAGE, Key, page, sections

ROWS = [(head, begin, key) for head, _, begin, keys in sections() for key in keys]


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.config_page --write"


@pytest.mark.parametrize(("head", "begin", "key"), ROWS, ids=[f"{row[0]} {row[2].name}" for row in ROWS])
def test_every_key_says_what_it_is_and_its_example_is_one(head: str, begin: str, key: Key) -> None:
    entry = f"add to the docstring of its class: {key.name}: what it is, such as `EXAMPLE`."
    assert key.doc, f"{head} {key.name} says nothing: {entry}"
    assert key.example, f"{head} {key.name} has no example: {entry}"
    lines = [line for line in begin.splitlines() if not line.startswith(f"{key.name} = ")]
    if not head.startswith("[[source]]"):
        lines = ["[[source]]", 'format = "lm_eval"', 'path = "results"', *lines]
    if head == "[[benchmark]]":
        lines += [] if key.name == "metric" else ['metric = "mark"']
    with_it = {
        "freeze": ["[release]", 'previous = "published"'],
        "tiers": ['methods = ["universe"]'],
    }
    beside = with_it.get(key.name, [])
    text = "\n".join([*lines, f"{key.name} = {key.example}", *beside])
    parse_config(tomllib.loads(text), Path("x.toml"))
    for wrong in ("1979-05-27", "[[[]]]"):
        with pytest.raises(ConfigError, match=key.name):
            parse_config(tomllib.loads("\n".join([*lines, f"{key.name} = {wrong}"])), Path("x.toml"))


def test_every_section_is_on_the_page() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"x": {}}, Path("x.toml"))
    valid = str(caught.value).rpartition("valid sections: ")[2].split(", ")
    assert sorted(set(re.findall(r"^## `\[+(\w+)", page(), re.MULTILINE))) == sorted(valid)
