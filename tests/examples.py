"""Names that the code blocks of a page use, and which of them are not there in a release."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.groups.methods import METHODS
from routerset.release.auditing.reading import categories_of
from routerset.release.evaluator import load_release
from routerset.release.evaluator.costs import COST_KINDS
from routerset.release.evaluator.errors import EvaluatorError
from routerset.release.evaluator.routers import find_router
from routerset.release.evaluator.selectors import SELECTORS
from routerset.release.manifest import read_manifest
from routerset.schemas.released import TEXTS, TEXTS_SCHEMA
from routerset.schemas.splits import SPLIT_SCHEMES

OPTIONS = {
    "--routers": "router",
    "--benchmarks": "benchmark",
    "--sizes": "size",
    "--method": "method",
    "--kind": "kind",
    "--scheme": "scheme",
    "--encoder": "encoder",
    "--costs": "cost",
    "--selector": "selector",
    "--pair": "model",
    "--strong": "model",
    "--weak": "model",
    "--validation": "split",
}
"""Options of a command whose values are names, and of what."""
COLUMNS = {"model": "model", "item_id": "item", "benchmark": "benchmark", "m": "size", "kind": "kind"}
"""Columns of a file of predictions that hold names."""
OTHERS = {"data", "drop", "mine", "model", "numpy", "utf-8", "vectors"}
"""Words of Python, of folders and of files of predictions; where validation items go; a made encoder."""
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"\w[\w.-]+(?:/[\w.-]+)?")
_STANDS_FOR = re.compile(r"[A-Z_]+(?:/[A-Z_]+)?")
_PATH = re.compile(r"(?:out|build|configs|release|path)(?:/.*)?|.*\.(?:csv|toml|parquet|txt)")


@dataclass(frozen=True)
class Used:
    """A name in an example. kind: what it is to be a name of; empty where anything will do."""

    kind: str
    name: str


def names_of(release: Path) -> dict[str, set[str]]:
    """What there is in a release and its companion, by kind of name; `config` and `column` of all configs."""
    manifest, found = read_manifest(release), load_release(release)
    items = {
        name: pa.concat_tables(pq.read_table(path) for path in sorted((release / "data" / name).iterdir()))
        for name in manifest.benchmarks
    }
    about = {name: categories_of(table, np.arange(len(table)))[1] for name, table in items.items()}
    configs = manifest.configs()
    return {
        "benchmark": {*manifest.benchmarks},
        "category": {f"{name}/{told}" for name, each in about.items() for told in each},
        "column": {name for config in configs for name in config.schema.names} | {*TEXTS_SCHEMA.names},
        "config": {*(config.name for config in configs), TEXTS},
        "cost": {*COST_KINDS},
        "encoder": {*manifest.encoders},
        "item": {name for table in items.values() for name in table["item_id"].to_pylist()},
        "kind": {group.kind for group in found.groups},
        "method": {*METHODS},
        "model": {*pq.read_table(release / "models.parquet")["model_id"].to_pylist()},
        "scheme": {*SPLIT_SCHEMES},
        "selector": {*SELECTORS},
        "size": {str(group.m) for group in found.groups},
        "split": {split.value for config in configs for split in config.files},
    }


def unknown(page: str, there: dict[str, set[str]]) -> list[Used]:
    """Names in the code blocks of a page that are not there; those in capitals stand for others."""
    declared = set(re.findall(r'^ *name = "([\w.-]+)"', page, re.MULTILINE))
    known = {**there, "benchmark": there["benchmark"] | declared}
    return [used for used in names_used(page) if not _known(used, known)]


def names_used(page: str) -> Iterator[Used]:
    """Every name in the code blocks of a page."""
    for indent, language, block in _BLOCK.findall(page):
        text = textwrap.dedent(block) if indent else block
        if language == "python":
            yield from _of_python(text)
        elif re.match(r"\s*(?:#.*\n)*\[", text):
            yield from _of_config(tomllib.loads(text)) if "=" in text else ()
        elif {"item_id", "model"} <= {*(head := text.split("\n")[0].split(","))}:
            for row in text.splitlines()[1:]:
                cells = dict(zip(head, row.split(","), strict=True))
                yield from (Used(COLUMNS[name], cell) for name, cell in cells.items() if name in COLUMNS)
        elif language in ("", "sh"):
            for line in text.splitlines():
                yield from _of_command(line)


def _of_command(line: str) -> Iterator[Used]:
    command = line.partition(" #")[0]
    if not re.match(r"(?:\.venv/bin/)?routerset |(?:cd release && )?python -m evaluator", command.strip()):
        return
    words = shlex.split(command)
    for option, value in pairwise(words):
        if option in OPTIONS and not _PATH.fullmatch(value):
            yield from (Used(OPTIONS[option], name) for name in value.split(","))


def _of_config(config: dict[str, object]) -> Iterator[Used]:
    groups, embed, curate = (config.get(key, {}) for key in ("groups", "embed", "curate"))
    assert isinstance(groups, dict)
    assert isinstance(embed, dict)
    assert isinstance(curate, dict)
    sources = config.get("source", [])
    assert isinstance(sources, list)
    yield from (Used("benchmark", source["benchmark"]) for source in sources if "benchmark" in source)
    yield from (Used("method", name) for name in groups.get("methods", ()))
    yield from (Used("size", str(m)) for m in groups.get("sizes", ()))
    yield from (Used("encoder", name) for name in embed.get("encoders", ()))
    yield from (Used("category", name) for name in curate.get("tasks", ()) if "/" in name)
    for made in curate.get("pseudo_specialists", ()):
        yield Used("category", made["target"] if isinstance(made, dict) else made)


def _of_python(code: str) -> Iterator[Used]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg == "sizes" and isinstance(node.value, ast.List):
            yield from (Used("size", str(ast.literal_eval(m))) for m in node.value.elts)
        elif isinstance(node, ast.Constant) and _is_name(node.value):
            yield Used("", node.value)


def _is_name(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and _NAME.fullmatch(value) is not None
        and value not in OTHERS
        and not _PATH.fullmatch(value)
    )


def _known(used: Used, there: dict[str, Collection[str]]) -> bool:
    if _STANDS_FOR.fullmatch(used.name):
        return True
    if used.kind in ("", "router") and _is_router(used.name):
        return True
    return any(used.name in names for kind, names in there.items() if used.kind in ("", kind))


def _is_router(name: str) -> bool:
    try:
        return name == "all" or find_router(name) is not None
    except EvaluatorError:
        return False
