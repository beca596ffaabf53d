"""docs/config.md, made from the code: `python -m tests.config_page --write`.

A key's type and default are those of its class, its meaning and example those of its entry in the docstring.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from routerset.etl.config import Config, ModelsSpec, key_of
from routerset.etl.sources.base import Options, Source, SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.schemas.registry import Declared

PAGE = Path(__file__).resolve().parent.parent / "docs/config.md"
LISTS: Mapping[str, type] = {"source": SourceSpec, "models": ModelsSpec, "benchmark": Declared}
SECTIONS: Mapping[str, type] = {
    name: kind for name, kind in typing.get_type_hints(Config).items() if dataclasses.is_dataclass(kind)
}
"""Those that stand once."""
_ALSO = {Declared: {"name": str}}
"""Keys that are read before the class is."""
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", object: "values"}
_TOP = """# The config file

A config is TOML: which dumps there are, and what is made of them. `routerset init DUMPS` writes one,
`routerset build CONFIG --out DIR --dry-run` says what is wrong with it, and an unknown key is refused with
the valid ones. Paths are relative to the folder of the config. Secrets never stand in it: they come from the
environment. This page is made from the code (`python -m tests.config_page --write`).

A small one:

```toml
[[source]]
format = "lm_eval"
path = "results"

[groups]
sizes = [3, 5]
```
"""


@dataclass(frozen=True)
class Key:
    """A key of a section. default: in TOML, empty where the key must be there or there is nothing without it.
    example: in TOML, empty where the docstring has none."""

    name: str
    kind: str
    needed: bool
    default: str
    example: str
    doc: str


def keys_of(kind: type, valid: Collection[str] = ()) -> Iterator[Key]:
    """Keys of a class of the config. valid: those that a config may have, where it has others."""
    hints = {**_ALSO.get(kind, {}), **typing.get_type_hints(kind)}
    defaults = {f.name: f for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
    docs = _entries(inspect.getdoc(kind) or "", tuple(hints))
    for name, hint in hints.items():
        if valid and name not in valid:
            continue
        found = defaults.get(name)
        needed = name in _ALSO.get(kind, ())
        default: object = None
        if found is not None:
            missing = dataclasses.MISSING
            needed = found.default is missing and found.default_factory is missing
            default = found.default if found.default_factory is missing else found.default_factory()
        said = "" if needed or default is None or default == () or default == {} else _toml(default)
        doc, example = docs.get(name, ("", ""))
        yield Key(key_of(kind, name), _words(hint), needed, said, said or example, doc)


def sections() -> Iterator[tuple[str, str, str, list[Key]]]:
    """Heading, what it is, the lines that an example begins with, and the keys of each section."""
    for name, kind in {**SECTIONS, **LISTS}.items():
        head = f"[[{name}]]" if name in LISTS else f"[{name}]"
        first = (inspect.getdoc(kind) or "").partition("\n")[0].removeprefix(f"`{head}`: ")
        if kind is not SourceSpec:
            keys = list(keys_of(kind))
            needed = [f"{key.name} = {key.example}" for key in keys if key.needed]
            yield head, first[:1].upper() + first[1:], "\n".join([head, *needed]), keys
            continue
        begin = '[[source]]\nformat = "{}"\npath = "results"'
        shared = {name for source in SOURCES.values() for name in Source.keys(source)}
        yield head, "Keys of every format.", begin.format("lm_eval"), list(keys_of(kind, shared))
        for source in SOURCES.values():
            own = [] if source.options is Options else list(keys_of(source.options))
            says = f"Dumps: {source.looks_for}."
            if source.unused:
                says += f" Has no {', '.join(f'`{name}`' for name in source.unused)}."
            yield f'[[source]] format = "{source.name}"', says, begin.format(source.name), own


def page() -> str:
    """The page."""
    parts = [_TOP]
    for head, what, _, keys in sections():
        parts.append(f"## `{head}`\n\n{what}\n")
        if keys:
            rows = [
                [f"`{k.name}`", k.kind, _code(k.default, k.needed), _code(k.example), k.doc] for k in keys
            ]
            cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
            top = ["| key | type | default | example | what it says |", "|---|---|---|---|---|"]
            parts.append("\n".join([*top, *(f"| {line} |" for line in cells)]) + "\n")
    return "\n".join(parts)


def _entries(doc: str, names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """What a docstring says of each name, and its example: `name, name: text, such as `EXAMPLE`.`"""
    text = " ".join(doc.split())
    name = rf"(?:{'|'.join(map(re.escape, names))})"
    marks = list(re.finditer(rf"(?<![\w`.])({name}(?:, {name})*): ", text))
    found = {}
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        said = text[mark.end() : after.start() if after else None].strip()
        example = re.search(r",? such as `([^`]+)`", said)
        if example:
            said = said[: example.start()] + said[example.end() :]
        for each in mark[1].split(", "):
            found[each] = said, example[1] if example else ""
    return found


def _words(hint: object) -> str:
    """A type in words."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(_words(each) for each in inside if each is not type(None))
    if origin is not None and issubclass(origin, Mapping):
        return f"table of {_words(inside[1])}"
    if origin in (tuple, list):
        some = f"{len(inside)} times " if origin is tuple and inside[1] is not ... else ""
        return f"list of {some}{_words(inside[0])}"
    return _WORDS.get(typing.cast(type, hint), "text")


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _code(text: str, needed: bool = False) -> str:
    return "needed" if needed else f"`{text}`" if text else ""


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
    else:
        print(page())
