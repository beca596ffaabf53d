"""Which files of a folder are of which format: by their names, or by their first records."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from posixpath import dirname

from routerset.etl.ingest.price_files import MAX_BYTES, read_prices
from routerset.etl.ingest.prices import PriceError
from routerset.etl.looking.glimpse import glimpse
from routerset.etl.looking.sample import Note
from routerset.etl.looking.sniffs import ENDINGS, ITEMS, SNIFFS, Guess, benchmark_in
from routerset.etl.sources import files
from routerset.etl.sources.base import Dump, SourceSpec
from routerset.etl.sources.parse.records import is_json
from routerset.etl.sources.parse.table_kinds import what_else
from routerset.etl.sources.registry import SOURCES
from routerset.schemas.benchmarks import BENCHMARKS
from routerset.schemas.ids import file_stem_is_safe
from routerset.schemas.released import RELEASED

PER_KIND = 20  # files of one ending in one folder that are opened
MAX_OPENED = 2000  # files of all kinds
FEW = 0.05  # of the scores, that may lie outside of a range
_TOPS = (1.0, 5.0, 10.0, 100.0, 1000.0)
"""Greatest scores that people give."""


@dataclass(frozen=True)
class Placed:
    """A `[[source]]` to be. keys: what it says, with an absolute path. dumps: its files."""

    keys: Mapping[str, object]
    dumps: tuple[Dump, ...]


@dataclass
class Places:
    """What a folder holds.

    benchmarks: what `[[benchmark]]` must say of those that nobody knows. prices: paths of price tables.
    unplaced: files that nothing reads, and why. unopened: files that were taken for what others of their kind
    are.
    """

    sources: list[Placed] = field(default_factory=list)
    benchmarks: list[dict[str, object]] = field(default_factory=list)
    prices: list[str] = field(default_factory=list)
    unplaced: dict[str, str] = field(default_factory=dict)
    unopened: int = 0


def find_places(folder: Path, note: Note) -> Places:
    """Every file below a folder as part of a source, or among those that have no place.

    note: told which file is looked at. Raises DumpUnreadable where nothing is there.
    """
    found = Places()
    every = files.discover(SourceSpec("", str(folder)), lambda name: True).dumps
    claimed: set[str] = set()
    for name, source in SOURCES.items():
        spec = SourceSpec(name, str(folder))
        known = source.discover(spec).dumps if source.by_name and name not in SNIFFS else ()
        new = tuple(dump for dump in known if dump.path not in claimed)
        if new:
            found.sources.append(Placed({"format": name, "path": str(folder)}, new))
            for dump in new:
                beside = (*source.companions(dump, spec), *([dump.results] if dump.results else []))
                claimed |= {dump.path, *(each.path for each in beside)}
    there: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for dump in every:
        there[_kind(dump)].append(dump.name)
    guessed = list(_guess([dump for dump in every if dump.path not in claimed], found, note))
    for name in dict.fromkeys(guess.format for _, guess in guessed if not guess.needs_benchmark):
        of = tuple(dump for dump, guess in guessed if guess.format == name)
        above = of[0].path
        while not all(f"{dump.path}/".startswith(f"{above}/") for dump in of):
            above = dirname(above)
        found.sources.append(Placed({"format": name, "path": above}, of))
    tables = [pair for pair in guessed if pair[1].needs_benchmark and pair[1].format != ITEMS]
    for dumps, guess in _alike(tables):
        _add(found, dumps, guess, folder.resolve().name, there[_kind(dumps[0])])
    _add_items(found, [pair for pair in guessed if pair[1].format == ITEMS])
    return found


def _kind(dump: Dump) -> tuple[str, str]:
    """Folder and ending of a file."""
    stem = files.without_compression(dump.name)
    return dump.file.rpartition("/")[0], PurePosixPath(stem).suffix + dump.name[len(stem) :]


def _guess(dumps: Sequence[Dump], found: Places, note: Note) -> Iterator[tuple[Dump, Guess]]:
    """What files are by what they hold; of many of one kind, some are opened."""
    kinds: defaultdict[tuple[str, str], list[Dump]] = defaultdict(list)
    for dump in dumps:
        if dump.path.isascii() or dump.path.encode("utf-8", "replace").decode() == dump.path:
            kinds[_kind(dump)].append(dump)
        else:
            found.unplaced[dump.file] = "its name is no UTF-8, which no config can hold: rename it"
    left = MAX_OPENED
    for of_kind in kinds.values():
        opened = of_kind[:: -(-len(of_kind) // PER_KIND)][:left]
        left -= len(opened)
        known: dict[str, Guess] = {}
        for dump in opened:
            note(f"looking at {dump.file}")
            guess = _sniff(dump)
            if isinstance(guess, Guess):
                known[dump.path] = guess
            elif _holds_prices(dump):
                found.prices.append(dump.path)
            else:
                found.unplaced[dump.file] = guess
        rest = [dump for dump in of_kind if dump not in opened]
        if opened and len(known) == len(opened) and len({_mark(guess) for guess in known.values()}) == 1:
            known |= dict.fromkeys((dump.path for dump in rest), known[opened[0].path])
            found.unopened += len(rest)
        else:
            found.unplaced |= {dump.file: "not looked at: too many files, or others differ" for dump in rest}
        yield from ((dump, known[dump.path]) for dump in of_kind if dump.path in known)


def _sniff(dump: Dump) -> Guess | str:
    """What a file is by its first records, or why it has no place."""
    try:
        seen = glimpse(dump)
    except OSError as error:
        return str(error).replace(dump.path, dump.file)
    if seen is None:
        known = ENDINGS.get(PurePosixPath(dump.name).suffix.lower())
        return known if known and known.format in SOURCES else "no format looks for such a name"
    for name, sniff in SNIFFS.items():
        guess = sniff(seen) if name == ITEMS or name in SOURCES else None
        if guess is not None:
            return guess
    shown = ", ".join(repr(name[:40]) for name in seen.names[:8])
    told = None if is_json(dump.path) else what_else(seen.names, "model")
    return told.says if told else f"no format known that has {shown}; see docs/dumps.md"


def _holds_prices(dump: Dump) -> bool:
    """Whether a file is a table of what models cost, of those that a config can name."""
    try:
        return dump.size <= MAX_BYTES and bool(read_prices([dump.path]))
    except (PriceError, OSError):
        return False


def _mark(guess: Guess) -> str:
    return json.dumps([guess.format, guess.keys], sort_keys=True)


def _alike(guessed: Sequence[tuple[Dump, Guess]]) -> Iterator[tuple[list[Dump], Guess]]:
    """Files of one kind that are the same, and of the same benchmark by their names, with all their
    scores."""
    groups: defaultdict[tuple[object, ...], list[tuple[Dump, Guess]]] = defaultdict(list)
    for dump, guess in guessed:
        groups[(*_kind(dump), _mark(guess), benchmark_in([dump.name]))].append((dump, guess))
    for pairs in groups.values():
        scores = tuple(score for _, guess in pairs for score in guess.scores)
        yield [dump for dump, _ in pairs], replace(pairs[0][1], scores=scores)


def _add(found: Places, dumps: Sequence[Dump], guess: Guess, root: str, there: Sequence[str]) -> None:
    """Sources of files that are alike. there: names of all files of their kind."""
    keys = dict(guess.keys)
    if guess.needs_benchmark:
        parts = [*reversed(PurePosixPath(dumps[0].file).parts), root]
        benchmark = benchmark_in(parts)
        if benchmark is None:
            name = PurePosixPath(parts[0]).stem if len(dumps) == 1 else parts[1]
            benchmark = _declare(found, name, guess)
        subsets = BENCHMARKS[benchmark].subsets if benchmark in BENCHMARKS else {}
        columns = keys.get("columns")
        if len(subsets) == 1 and isinstance(columns, Mapping):
            keys["columns"] = {ours: theirs for ours, theirs in columns.items() if ours != "subset"}
        keys = {"benchmark": benchmark, **keys}
        told = "column_pattern" in keys or (isinstance(columns, Mapping) and "subset" in columns)
        pattern = None if told or len(subsets) < 2 else _subset_pattern(dumps, subsets)
        keys |= {"subset_pattern": pattern} if pattern else {}
    said = {"format": guess.format, "path": ""}
    glob = _glob([dump.name for dump in dumps], there, _kind(dumps[0])[1])
    if glob is not None:
        path = f"{dumps[0].path.rpartition('/')[0]}/{glob}"
        found.sources.append(Placed({**said, "path": path, **keys}, tuple(dumps)))
        return
    found.sources += [Placed({**said, "path": dump.path, **keys}, (dump,)) for dump in dumps]


def _glob(names: Sequence[str], there: Sequence[str], ending: str) -> str | None:
    """A glob that matches these names and no other one that is there; None where none is easy to tell."""
    start = re.sub("[A-Za-z0-9]*$", "", _common(names))
    end = re.sub("^[A-Za-z0-9]*", "", _common([name[len(start) :][::-1] for name in names])[::-1])
    for glob in (f"*{ending}", f"{start}*{end}"):
        plain = not any(mark in glob.replace("*", "", 1) for mark in "*?[")
        if len(names) > 1 and plain and sum(files.glob_matches(name, glob) for name in there) == len(names):
            return glob
    return None


def _subset_pattern(dumps: Sequence[Dump], subsets: Collection[str]) -> str | None:
    """What finds the subset in the names of files that are the same but for that."""
    ends = _around(dumps, subsets)
    return "(?P<subset>.+)".join(map(re.escape, ends)) if ends else None


def _around(dumps: Sequence[Dump], subsets: Collection[str]) -> tuple[str, ...]:
    """What stands before and after the subset in the names of files, where it is the same; else nothing."""
    around = set()
    for dump in dumps:
        subset = max((name for name in subsets if name in dump.name), key=len, default=None)
        around.add(tuple(dump.name.split(subset, 1)) if subset else ())
    return around.pop() if len(around) == 1 else ()


def _common(names: Sequence[str]) -> str:
    """What names begin with, all of them."""
    return "".join(marks[0] for marks in takewhile(lambda each: len({*each}) == 1, zip(*names, strict=False)))


def _declare(found: Places, name: str, guess: Guess) -> str:
    """Name of a benchmark of one's own, which is declared with the range that its scores seem to have."""
    stem = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:50]
    stem = stem if file_stem_is_safe(stem) else "benchmark"
    taken = {str(each["name"]) for each in found.benchmarks} | {
        *BENCHMARKS,
        *(t.config for t in RELEASED.values()),
    }
    prefixes = tuple(t.config.partition("{")[0] for t in RELEASED.values() if t.config.partition("{")[0])
    stem = f"my-{stem}" if stem.startswith(prefixes) else stem
    name = next(n for n in (stem, *(f"{stem}-{i}" for i in range(2, 10_000))) if n not in taken)
    columns = guess.keys.get("columns")
    score = str(columns["score"]) if isinstance(columns, Mapping) and "score" in columns else "score"
    metric = score.rpartition(".")[2].strip() or "score"
    declared: dict[str, object] = {"name": name, "metric": metric}
    low, high = _range(guess.scores)
    if (low, high) != (0.0, 1.0):
        declared["range"] = [low, high]
    found.benchmarks.append(declared)
    return name


def _range(scores: Sequence[float]) -> tuple[float, float]:
    """The range that scores seem to have: a few below it are none that should move all others."""
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    top = next((top for top in _TOPS if high <= top), high)
    below = sum(score < 0.0 for score in scores)
    return (low if below > FEW * len(scores) else 0.0), top


def _add_items(found: Places, texts: Sequence[tuple[Dump, Guess]]) -> None:
    """Texts of items go with the wide tables of their benchmark, those of a subset with the subset's."""
    groups: defaultdict[tuple[str | None, str, str, str], list[Dump]] = defaultdict(list)
    keys: dict[tuple[str | None, str, str, str], Mapping[str, object]] = {}
    for dump, guess in texts:
        group = (benchmark_in([dump.name]), *_kind(dump), _mark(guess))
        groups[group].append(dump)
        keys[group] = guess.keys
    for group, dumps in groups.items():
        benchmark = group[0]
        fitting = [
            at
            for at, each in enumerate(found.sources)
            if each.keys["format"] == "wide"
            and each.keys["benchmark"] == benchmark
            and "items" not in each.keys
        ]
        ends = _around(dumps, BENCHMARKS[benchmark].subsets) if benchmark else ()
        name = dumps[0].name if len(dumps) == 1 else "{subset}".join(ends)
        if not (benchmark and fitting and name):
            why = "holds texts of items: name it as `items` of a `wide` source"
            found.unplaced |= {dump.file: why for dump in dumps}
            continue
        path = f"{dumps[0].path.rpartition('/')[0]}/{name}"
        for at in fitting:
            placed = found.sources[at]
            found.sources[at] = replace(placed, keys={**placed.keys, "items": path, **keys[group]})
