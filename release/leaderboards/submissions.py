"""The submissions in a folder: those that can be scored, those that wait, and those that are refused."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq

from routerset.release.evaluator.errors import EvaluatorError
from routerset.release.evaluator.predictions import PredictedRouter, commitment, read_predictions
from routerset.release.evaluator.reader import Release
from routerset.release.leaderboards.declaration import Declared, Refused, learnt_of_test, read_declaration
from routerset.schemas.escape import plain
from routerset.schemas.plainfiles import kind, open_regular

NAMES = ("predictions.csv", "predictions.parquet")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Name of a submission's folder."""
MAX_BYTES, MAX_CELLS = 1 << 29, 1 << 27
"""Of a file of predictions, at most: bytes, also of a Parquet file once it is decompressed, and values."""
MOST = 300
"""Submissions, whose pairs are all compared."""
REASON, LINES = 1000, 6
"""Characters, and lines, of a reason, at most."""


@dataclass(frozen=True, eq=False)
class Submission:
    """A submission that can be scored. name: of its folder. answers: digest of what it answers.

    same_as: an earlier one that answers every item alike.
    """

    name: str
    declared: Declared
    router: PredictedRouter
    answers: str
    same_as: str | None = None


@dataclass(frozen=True)
class Refusal:
    """A submission that is not scored. name: of its folder. title: what it calls itself, where known."""

    name: str
    reason: str
    title: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A commitment without its file."""

    name: str
    declared: Declared


@dataclass(frozen=True)
class Handed:
    """All that was handed in, each by name."""

    submissions: tuple[Submission, ...]
    waiting: tuple[Waiting, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]


def read_submissions(
    folder: Path,
    release: Release,
    *,
    method: str,
    scheme: str,
    earlier: Path | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Handed:
    """Read every folder below `folder`; what is wrong with one of them costs no other.

    earlier: the same folder as it was before, in which every file's commitment must stand already.
    progress: called with each name. Raises OSError where `folder` cannot be listed.
    """
    found: list[Submission] = []
    waiting: list[Waiting] = []
    refused: list[Refusal] = []
    notes: list[str] = []
    for path in sorted(folder.iterdir(), key=os.fsencode):
        name, declared = path.name, None
        mode = os.lstat(path).st_mode
        if name.startswith(".") or stat.S_ISREG(mode):
            notes.append(f"{plain(name)}: no folder of a submission, not looked at")
            continue
        progress(plain(name))
        try:
            if not stat.S_ISDIR(mode):
                raise Refused(f"found {kind(mode)}, expected a folder")
            if not NAME.fullmatch(name):
                raise Refused("name of the folder: expected letters, digits, '.', '-', '_', at most 64")
            if len(found) == MOST:
                raise Refused(f"more than {MOST} submissions")
            declared = read_declaration(path)
            why = learnt_of_test(declared, (release.name, *release.benchmarks))
            if why:
                raise Refused(why)
            file = _file(path)
            if file is None:
                waiting.append(Waiting(name, declared))
                continue
            _check_commitment(path, file, declared, earlier and earlier / name)
            router = _read(file, release, method, scheme)
            found.append(Submission(name, declared, router, _digest(router)))
        except Refused as error:
            title = declared.title if declared else None
            told = plain(error, keep="\n").split("\n")[:LINES]
            refused.append(Refusal(plain(name), "\n".join(told)[:REASON], title))
    kept, repeated = _without_repeats(found)
    every = sorted([*refused, *repeated], key=lambda refusal: refusal.name)
    return Handed(kept, tuple(waiting), tuple(every), tuple(notes))


def refuse(handed: Handed, reasons: dict[str, str]) -> Handed:
    """The same without some submissions, by name."""
    out = [
        Refusal(s.name, reasons[s.name], s.declared.title) for s in handed.submissions if s.name in reasons
    ]
    kept = tuple(s for s in handed.submissions if s.name not in reasons)
    every = sorted([*handed.refused, *out], key=lambda refusal: refusal.name)
    return replace(handed, submissions=kept, refused=tuple(every))


def _file(folder: Path) -> Path | None:
    """The one file of predictions in a folder; None without any. Raises Refused."""
    there = [folder / name for name in NAMES if os.path.lexists(folder / name)]
    if len(there) > 1:
        raise Refused(f"found {' and '.join(NAMES)}, expected one of them")
    if not there:
        return None
    told = os.lstat(there[0])
    if found := kind(told.st_mode):
        raise Refused(f"{there[0].name}: found {found}, expected a file")
    if told.st_size > MAX_BYTES:
        raise Refused(f"{there[0].name}: found {told.st_size:,} bytes, expected {MAX_BYTES:,} at most")
    return there[0]


def _check_commitment(folder: Path, file: Path, declared: Declared, before: Path | None) -> None:
    """Raise Refused where the file is not the one that was committed. before: its folder, earlier."""
    promised, found = declared.commitment.sha256, commitment(file)
    if found != promised:
        raise Refused(
            f"{file.name}: its sha256 is {found}, the commitment of {declared.commitment.date} says "
            f"{promised}: the file changed after its commitment, or is another one"
        )
    if before is not None:
        try:
            earlier = read_declaration(before).commitment.sha256
        except Refused:
            raise Refused(
                "its commitment was not there before: hand in submission.toml alone first, and the file once "
                "that is in"
            ) from None
        if earlier != promised:
            raise Refused(f"its commitment changed: before, it was {earlier}, now it is {promised}")


def _read(file: Path, release: Release, method: str, scheme: str) -> PredictedRouter:
    """The router in a file. Raises Refused for any fault of it."""
    try:
        if file.suffix == ".parquet":
            _check_size(file)
        return read_predictions(file, release, method=method, scheme=scheme)
    except Refused:
        raise
    except EvaluatorError as error:
        raise Refused(str(error).replace(str(file), file.name)) from None
    except Exception as error:  # whatever a stranger's file brings a reader to, it costs no other submission
        raise Refused(f"{file.name}: unreadable ({type(error).__name__})") from None


def _check_size(file: Path) -> None:
    """Raise Refused for a Parquet file that says that it is large once it is decompressed."""
    with open_regular(file, follow=False) as stream, pq.ParquetFile(stream) as opened:
        told = opened.metadata
        values = told.num_rows * told.num_columns
        # not of its columns: to ask a damaged footer about one ends the process
        size = sum(told.row_group(group).total_byte_size for group in range(told.num_row_groups))
    if values > MAX_CELLS or size > MAX_BYTES:
        raise Refused(
            f"{file.name}: found {values:,} values in {size:,} bytes once decompressed, expected at most "
            f"{MAX_CELLS:,} and {MAX_BYTES:,}"
        )


def _digest(router: PredictedRouter) -> str:
    """The same for the same answers, however a file lays them out."""
    found = sha256()
    for cell, values in sorted(router.predictions.items()):
        found.update(repr((cell, values.shape)).encode() + values.tobytes())
    return found.hexdigest()


def _without_repeats(found: Iterable[Submission]) -> tuple[tuple[Submission, ...], list[Refusal]]:
    """Each file, and each version of a router, once: the one that was committed first. By name.

    What answers alike in another file stays, and says so: two routers may well do the same.
    """
    first: dict[tuple[str, str], str] = {}
    kept: list[Submission] = []
    refused: list[Refusal] = []
    for each in sorted(found, key=lambda s: (s.declared.commitment.date, s.name)):
        file = ("file", each.declared.commitment.sha256)
        version = (each.declared.router.casefold(), each.declared.version.casefold())
        if file in first:
            reason = f"its file is that of {first[file]}, which was committed first"
        elif version in first:
            reason = f"{first[version]} is {each.declared.title}, too, and was committed first"
        else:
            same = first.setdefault(("answers", each.answers), each.name)
            kept.append(replace(each, same_as=None if same == each.name else same))
            first[file] = first[version] = each.name
            continue
        refused.append(Refusal(each.name, reason, each.declared.title))
    return tuple(sorted(kept, key=lambda s: s.name)), refused
