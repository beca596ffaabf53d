"""An in-memory DuckDB with the views that expectations name, each made when it is first asked for."""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from routerset.expectations.errors import Unreadable
from routerset.expectations.target import Target
from routerset.schemas.groups import Group

MEMORY = "1GB"
ON_DISK = frozenset({"scores", "costs", "data"})
"""Views that are read from their files whenever they are asked for."""
Made: TypeAlias = "pa.Table | str | None"
"""A view: rows, a query, or None where what it is made of is not there."""
_numbers = itertools.count()
_NOT_THE_FILE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)
"""What a query of ours that is wrong, or too large, raises."""


class Session:
    """Views over one target.

    name: unique in this process. previous: the release or build before, for drift. built: the build that a
    release lies in.
    """

    def __init__(
        self,
        target: Target,
        builders: Mapping[str, Callable[[Session], Made]],
        previous: Session | None = None,
        built: Session | None = None,
    ) -> None:
        self.target, self.previous, self.built = target, previous, built
        self.name = f"session_{next(_numbers)}"
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "python_enable_replacements": "false",
            "temp_directory": tempfile.gettempdir(),
        }
        self.connection = duckdb.connect(config=settings)
        self.broken: dict[str, str] = {}
        self._builders = builders
        self.source: object = None
        self.scanned: dict[str, pa.Table] | None = None
        self.listed: dict[str, list[Group]] | None = None
        self.choices: dict[str, list[dict[str, object]]] = {}
        self._made: dict[str, bool] = {}
        self._columns: dict[str, list[str]] = {}

    def __contains__(self, view: object) -> bool:
        """Whether a view can be had; it is made now if it was not before. Raises Unreadable."""
        name = str(view)
        if name not in self._made:
            self._made[name] = False
            builder = self._builders.get(name)
            made = None if builder is None else builder(self)
            if made is not None:
                self._create(name, made)
                self._made[name] = True
        return self._made[name]

    def _create(self, name: str, made: pa.Table | str) -> None:
        with readable(self.target.root):
            if isinstance(made, str):
                # scores and texts stay in their files, all else is small
                kind = "view" if name in ON_DISK else "table"
                self.connection.execute(f'create {kind} "{name}" as {made}')
            else:
                self.connection.register("_rows", made)
                self.connection.execute(f'create table "{name}" as from _rows')
                self.connection.unregister("_rows")

    def query(self, sql: str) -> pa.Table:
        """Rows of a query. Raises Unreadable where a file turns out to be damaged."""
        with readable(self.target.root):
            return self.connection.sql(sql).to_arrow_table()

    def columns(self, view: str) -> list[str]:
        """Names of a view's columns."""
        if view not in self._columns:
            found = self.connection.execute(f'describe "{view}"').fetchall()
            self._columns[view] = [str(row[0]) for row in found]
        return self._columns[view]

    def close(self) -> None:
        """Forget everything, of the session before, too."""
        self.connection.close()
        if self.previous is not None:
            self.previous.close()


@atexit.register
def _mute() -> None:
    """Let the binding of DuckDB say at exit, to nobody, that somebody still holds some of its types."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@contextmanager
def readable(root: Path) -> Iterator[None]:
    """Turn what a damaged file raises into Unreadable."""
    try:
        yield
    except _NOT_THE_FILE:
        raise
    except (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Unreadable(
            f"{root}: damaged ({str(error).splitlines()[0]}); expected whole files; fetch or build it again"
        ) from error


def quoted(text: str | Path) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
