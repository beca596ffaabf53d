"""Pickles of a DataFrame as tables, without pandas: columns are taken out of the blocks that it writes.

A frame is labels of columns, an index of rows, and blocks: a matrix of several columns of one kind, and which
columns these are. Sizes and places are checked against one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import inflated, is_remote, open_binary
from routerset.etl.sources.parse.csv_text import MAX_COLUMNS
from routerset.etl.sources.pickles.array_refs import ArrayRef, PickleError, damaged, refused
from routerset.etl.sources.pickles.arrays import describe, load_plain, refusal
from routerset.etl.sources.pickles.frame_columns import PLAIN_COLUMNS, columns_of, index_of, loaded
from routerset.etl.sources.pickles.frame_names import FRAMES
from routerset.etl.sources.pickles.reader import MAX_ELEMENTS
from routerset.etl.sources.pickles.values import Made

_BYTES_PER_ELEMENT = 32  # of a file of long texts, so that large ones can be read, too
_SUFFIXES = tuple(
    name + more for name in (".pkl", ".pickle") for more in ("", ".gz", ".zst", ".bz2", ".xz", ".zip")
)
_OTHER_CODECS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "a zip archive"}


def is_frame(path: str) -> bool:
    """Whether a file's name says a pickle, compressed or not, also in a way that is told and not read."""
    return path.lower().endswith(_SUFFIXES)


def read_frame(path: str, name: str) -> pa.Table:
    """The columns of a pickled DataFrame, as pandas 0.25 to 3.1 write it, plain or as `.gz` or `.zst`.

    NaN, None and NA are null. A named index is the first column; one without a name is left out. Columns of
    numbers, truth values, text, times and categories have such types; where objects are mixed all are text,
    and dicts are structs. Nothing of the file is run, and nothing of pandas.

    Raises DumpUnreadable, which calls the file `name`: as `unsafe_pickle` where it holds anything else than a
    DataFrame of such columns, as `unreadable_file` where it is damaged, too large, or compressed otherwise.
    """
    with _inflated(path, name) as plain:
        size = 0 if is_remote(plain) else Path(plain).stat().st_size
        limit = max(MAX_ELEMENTS, size // _BYTES_PER_ELEMENT)
        content = load_plain(plain, name, FRAMES, limit)
        try:
            return _table(content, 4 * size + (1 << 20))
        except PickleError as error:
            raise refusal(error, f"{name}: {error}".replace(plain, name)) from error


@contextmanager
def _inflated(path: str, name: str) -> Iterator[str]:
    """Path of the pickle as it is; one that was compressed lies on disk for a while, to be read in place."""
    if is_remote(path):
        yield path
        return
    with open_binary(path) as stream:
        start = stream.read(max(map(len, _OTHER_CODECS)))
        found = next((codec for magic, codec in _OTHER_CODECS.items() if start.startswith(magic)), None)
        if found:
            raise DumpUnreadable(f"{name}: found {found}, expected a pickle as it is, or as .gz or .zst")
        stream.seek(0)
        data = inflated(stream)
        if data is stream:
            yield path
            return
        with NamedTemporaryFile(prefix="routerset-", suffix=".pkl") as copy:
            try:
                copyfileobj(data, copy, 1 << 18)
            except OSError as error:
                raise DumpUnreadable(f"{name}: {error}") from error
            copy.flush()
            yield copy.name


def _table(content: object, max_bytes: int) -> pa.Table:
    match content:
        case Made("DataFrame", (), dict(state)):
            blocks, labels, rows = _managed(state.get("_mgr", state.get("_data")))
        case _:
            raise refused(describe(content), "a DataFrame", "to_pickle of one, or as CSV")
    names = _names(labels)
    row_name, row_values = index_of(rows)
    columns: dict[int, pa.Array] = {}
    for values, placement in blocks:
        found, places = columns_of(values), _places(placement, len(names))
        if len(found) != len(places) or columns.keys() & set(places) or len(set(places)) < len(places):
            raise damaged(f"{len(found)} columns in a block for {len(places)} places", "one for each, once")
        columns |= zip(places, found, strict=True)
        # what may be shared, text and categories, was counted when it was read
        max_bytes -= sum(column.nbytes for column in found if pa.types.is_primitive(column.type))
        if max_bytes < 0:
            raise damaged("more numbers than the file can hold", "each once")
    missing = len(names) - len(columns)
    if missing or not names:
        raise damaged(f"no values for {missing} of {len(names)} columns", "a column, and values for each")
    lengths = {len(column) for column in columns.values()}
    if lengths != {len(row_values)}:
        raise damaged(f"columns of {sorted(lengths)[:5]} values", f"{len(row_values)} in each, as the index")
    ordered = [columns[at] for at in range(len(names))]
    if row_name is not None:
        names.insert(0, str(row_name))
        ordered.insert(0, pa.array(row_values))
    return pa.table(ordered, names=names)


def _managed(manager: object) -> tuple[list[tuple[object, object]], object, object]:
    """Values and places of the blocks, the labels of the columns, and the index of the rows."""
    match manager:
        case Made("BlockManager", (tuple(blocks), [labels, rows]), None):
            return [_block(block) for block in blocks], labels, rows
        case Made("BlockManager", (), (_, _, _, {"0.14.1": {"axes": [labels, rows], "blocks": [*blocks]}})):
            return [_block(block) for block in blocks], labels, rows
    raise refused("blocks of a strange form", "those of a DataFrame", PLAIN_COLUMNS)


def _block(block: object) -> tuple[object, object]:
    match block:
        case Made("_unpickle_block" | "new_block", (values, placement, *_), None):
            return values, placement
        case {"values": values, "mgr_locs": placement}:
            return values, placement
    raise refused("a block of a strange form", "one of a DataFrame", PLAIN_COLUMNS)


def _places(placement: object, n_columns: int) -> list[int]:
    """Which columns a block has."""
    match placement:
        case Made("slice", (int() | None as start, int() | None as stop, int() | None as step), None):
            if step != 0 and all(edge is None or abs(edge) <= n_columns for edge in (start, stop)):
                return list(range(n_columns)[start:stop:step])
        case np.ndarray() | ArrayRef() if placement.dtype.kind in "iu" and len(placement.shape) == 1:
            places: list[int] = loaded(placement).tolist()
            if all(0 <= place < n_columns for place in places):
                return places
    raise damaged("places of a block that are none", f"some of {n_columns} columns")


def _names(labels: object) -> list[str]:
    """Labels of the columns as text."""
    _, values = index_of(labels)
    if len(values) > MAX_COLUMNS:
        raise damaged(f"{len(values)} columns", f"{MAX_COLUMNS} at most")
    found = values if isinstance(values, range) else values.to_pylist()
    if not all(isinstance(label, str | int | float) for label in found):
        raise refused("labels of columns that are no text", "text or numbers", PLAIN_COLUMNS)
    return [str(label) for label in found]
