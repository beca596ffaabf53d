"""Hands submissions in, good ones and others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from routerset.release.evaluator.items import load_items
from routerset.release.evaluator.reader import Group, Release

CELLS = ("item_id", "benchmark", "m", "kind", "model")
Choose = Callable[[Group, int], int]
"""Which candidate of a group answers an item, by its number."""


def declaration(sha: str, **changes: object) -> str:
    """A declaration; keys of its tables as `training_test_items`. A change to None leaves a key out."""
    told: dict[str, object] = {
        "router": "Some router",
        "version": "1.0",
        "url": "https://example.org/router",
        "cost": "none",
        "authors": ["A. Person"],
        "training_test_items": False,
        "training_sets": [{"set": "other", "splits": ["train"]}],
        "commitment_sha256": sha,
        "commitment_date": "2026-11-01",
    } | changes
    lines: dict[str, list[str]] = {"": [], "training": [], "commitment": []}
    for key, value in told.items():
        table, _, name = key.partition("_") if key.startswith(("training_", "commitment_")) else ("", "", key)
        if value is not None:
            lines[table].append(f"{name} = {_toml(value)}")
    return "\n".join([*lines[""], "[training]", *lines["training"], "[commitment]", *lines["commitment"], ""])


def hand_in(folder: Path, content: bytes, **changes: object) -> Path:
    """A submission: its file, and a declaration that fits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.csv").write_bytes(content)
    changes.setdefault("router", folder.name)
    text = declaration(hashlib.sha256(content).hexdigest(), **changes)
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    return folder


def answers(release: Release, choose: Choose, covers: Callable[[Group], bool] = lambda group: True) -> bytes:
    """A file of predictions. covers: which groups it answers."""
    method, scheme = release.setting(None, None)
    rows = [CELLS]
    for benchmark in release.benchmarks:
        items = load_items(release, benchmark, [], None, scheme).parts["test"].item_ids
        for group in filter(covers, release.groups_of(benchmark, method)):
            rows += [
                (item, benchmark, str(group.m), group.kind, group.candidates[choose(group, i)])
                for i, item in enumerate(items)
            ]
    return "".join(",".join(row) + "\n" for row in rows).encode()


def always(rank: int) -> Choose:
    """The candidate of a rank, from the front or from behind."""
    return lambda group, item: rank % group.m


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
