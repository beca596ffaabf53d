"""What formats give: files by their paths, as bytes that come a piece at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from routerset.release.exporting.cells import Cell

Files = Iterator[tuple[str, Iterable[bytes]]]
"""Path below the cell's folder, and content. Each is read to its end before the next one is asked for."""


class LeftOut(ValueError):
    """A cell cannot be told in a format; the message says why."""


@dataclass(frozen=True)
class Format:
    """A layout of another tool.

    files: of a cell; raises LeftOut. says: what a reader of the files must know, in sentences. unique: the
    tool takes items of one text for one item. splits: it has a place for all three sides. priced: what
    candidates cost may order them; weighs: and count in its labels. pair: it tells two models, of no group.
    binary: it knows right and wrong alone. measures: columns of table `costs` that it has a place for;
    vectors: it has a place for vectors.
    """

    name: str
    title: str
    files: Callable[[Cell], Files]
    says: Sequence[str]
    unique: bool = False
    splits: bool = True
    priced: bool = False
    weighs: bool = False
    pair: bool = False
    binary: bool = False
    measures: Sequence[str] = field(default=())
    vectors: bool = False


def file_names(models: Sequence[str]) -> list[str]:
    """A name of a file or folder for each model, all different whatever their case."""
    taken: set[str] = set()
    names = []
    for model in models:
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", model.replace("/", "__")).lstrip(".")[:120] or "_"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}~{number}"
        taken.add(name.lower())
        names.append(name)
    return names
