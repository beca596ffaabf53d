"""Raw dump formats: how to know a file, and how to read what the suites look at, without an import of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from routerset.expectations.dumps import details, lm_eval, mmlu_pro, routereval, wide

Views: TypeAlias = Mapping[str, pa.Table]
LoadPickle: TypeAlias = Callable[[Path], object]
WIDE = "wide"


@dataclass(frozen=True)
class DumpFormat:
    """One dump format. read: files and the folder they are named from -> views `dump_files`, `dump_rows`, ...

    matches: by name and footer alone.
    """

    name: str
    matches: Callable[[Path], bool]
    read: Callable[[Sequence[Path], Path], Views]


FORMATS: dict[str, DumpFormat] = {
    name: DumpFormat(name, module.matches, module.read)
    for name, module in (
        ("lm_eval", lm_eval),
        ("details", details),
        ("mmlu_pro", mmlu_pro),
        ("routereval", routereval),
        (WIDE, wide),
    )
}
"""Dump format by name, the most particular first; a new one is one line here and one suite."""


def formats() -> list[str]:
    """Names of the dump formats."""
    return list(FORMATS)


def detect(path: Path) -> str | None:
    """Format of a file, or None."""
    return next((name for name, form in FORMATS.items() if form.matches(path)), None)


def dump_files(folder: Path, wanted: str | None) -> dict[Path, str]:
    """Dump files below a folder, and their formats; of one format where one is wanted.

    Wide tables are known by their columns: among them, or alone, one that is too damaged to tell counts too.
    """
    found = {}
    damaged = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = detect(path)
        if name is not None and wanted in (None, name):
            found[path] = name
        elif name is None and wide.damaged(path):
            damaged[path] = WIDE
    return found if set(found.values()) - {WIDE} or wanted not in (None, WIDE) else found | damaged
