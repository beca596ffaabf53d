"""What a check of a release is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from routerset.release.errors import ReleaseError
from routerset.release.manifest import Manifest
from routerset.schemas.escape import plain

FETCH = "fetch the release again"
REBUILD = "do not use this release; build it again"


@dataclass(frozen=True)
class Problem:
    """Something wrong in a release. path: file, relative to the release; todo: what to do about it."""

    path: str
    found: str
    expected: str
    todo: str = REBUILD

    def __str__(self) -> str:
        return plain(f"{self.path}: found {self.found}, expected {self.expected}; {self.todo}")


@dataclass(frozen=True)
class Opened:
    """A release whose papers can be read. sums: path -> SHA-256; damaged: files that are not those listed."""

    root: Path
    manifest: Manifest
    sums: Mapping[str, str]
    damaged: frozenset[str] = field(default_factory=frozenset)

    def whole(self, *paths: str) -> bool:
        """Whether some files are those that `SHA256SUMS` lists; what depends on others is left alone."""
        return not self.damaged.intersection(paths)


Check: TypeAlias = Callable[[Opened], Iterable[Problem]]
"""A check of what a release says of itself."""
Recomputation: TypeAlias = Callable[[Path], Iterable[Problem]]
"""A check that computes again what a release, in which nothing else is wrong, was computed from."""


def attempt(where: str, check: Callable[[], Iterable[Problem]]) -> Iterator[Problem]:
    """Problems of a check, one more where it meets a shape that it cannot work with."""
    try:
        yield from check()
    except (ReleaseError, ValueError) as error:
        yield Problem(where, str(error), "what fits the rest of the release")
    except Exception as error:  # whatever a file that nobody wrote makes of our code is a finding, no crash
        yield Problem(where, f"{type(error).__name__}: {error}", "what fits the rest of the release")


def same(path: str, what: str, found: object, expected: object) -> Iterator[Problem]:
    """A problem where something is not what it should be."""
    if found != expected:
        yield Problem(path, f"{what} {found}", str(expected))
