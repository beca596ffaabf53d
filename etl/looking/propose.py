"""`routerset init`: the config that builds what lies in a folder, with comments on what was found."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from routerset.embed.encoders import ENCODERS
from routerset.embed.weights import at_hand
from routerset.etl.config import ConfigError, parse_config
from routerset.etl.looking.places import Placed, Places, find_places
from routerset.etl.looking.sample import Note, Sample, look
from routerset.etl.looking.sniffs import benchmark_in
from routerset.etl.sources.base import SourceSpec
from routerset.etl.toml import toml_table
from routerset.schemas.escape import plain
from routerset.schemas.exits import exit_code, message
from routerset.schemas.tables import Reason

SHOWN = 5  # names in a comment
UNPLACED = 30  # files that are named
TASKS = 12  # unknown tasks that are
WIDTH = 240  # of a comment
ENCODER = "minilm"
_TASK = re.compile(r"found task (?P<quote>['\"])(?P<name>.+?)(?P=quote), expected")
_HEAD = """Made by `routerset init`: check it, then
  routerset build CONFIG --out DIR --dry-run    says what it would read, and what is wrong
  routerset build CONFIG --out DIR              builds it
docs/config.md has every key."""


def propose(folder: Path, home: Path, note: Note) -> str:
    """TOML of a config that builds what lies in a folder, as far as the beginnings of some files tell.

    home: folder that the config is for, which its paths are relative to where the folder is given so. note:
    told what takes time. Raises DumpUnreadable where the folder is not there, ConfigError where no dump is.
    """
    found = find_places(folder, note)
    if not found.sources:
        raise ConfigError(
            "\n".join([f"{folder}: found no dump of any format; docs/dumps.md", *_unplaced(found)])
        )
    sources = [_relative(source, folder, home) for source in found.sources]
    tables = [toml_table("[[benchmark]]", each) for each in found.benchmarks]
    tables += [toml_table("[[source]]", each) for each in sources]
    config = parse_config(tomllib.loads("\n".join(tables)), home / "init.toml")
    samples = [_look(spec, note) for spec in config.sources]
    return "\n".join(_parts(found, sources, samples, folder, home))


def _relative(source: Placed, folder: Path, home: Path) -> dict[str, object]:
    """Keys of a source, its paths as the folder was given: absolute, or from where the config will lie."""
    shown = {key: _shown(each, folder, home) for key, each in source.keys.items() if key in ("path", "items")}
    return {**source.keys, **shown}


def _shown(path: object, folder: Path, home: Path) -> str:
    """A path below the folder, as that was given."""
    return str(path) if folder.is_absolute() else os.path.relpath(str(path), home)


def _look(spec: SourceSpec, note: Note) -> Sample | str:
    """What a source holds, or why it cannot be read."""
    try:
        return look(spec, note, every_task=True)
    except Exception as error:
        if exit_code(error) is None:
            raise
        return message(error)


def _parts(
    found: Places,
    sources: Sequence[dict[str, object]],
    samples: Sequence[Sample | str],
    folder: Path,
    home: Path,
) -> Iterator[str]:
    """The parts of the config, with an empty line between."""
    yield _comment(_HEAD.splitlines())
    yield toml_table(
        "[dataset]", {"name": re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-_") or "mine"}
    )
    for declared in found.benchmarks:
        says = "No benchmark that is known here: its name follows from that of the files."
        more = ['title = "..."', 'license = "..."      # SPDX id, such as "CC-BY-4.0"']
        yield _comment([says]) + toml_table("[[benchmark]]", declared) + _comment(more)
    for placed, keys, sample in zip(found.sources, sources, samples, strict=True):
        tables = {name: each for name, each in keys.items() if isinstance(each, Mapping)}
        flat = {name: each for name, each in keys.items() if name not in tables}
        inside = (toml_table(f"[source.{name}]", each) for name, each in tables.items())
        text = "\n".join([toml_table("[[source]]", flat), *inside])
        unread = isinstance(sample, str)  # until somebody says what is missing
        yield _comment(_told(placed, sample)) + (_comment(text.splitlines()) if unread else text)
        tasks = _comment(_tasks(sample))
        if tasks:
            yield tasks
    if found.prices:
        prices = [_shown(each, folder, home) for each in found.prices]
        says = "Prices, which make US dollars of tokens. Those without as_of age without anybody's notice."
        yield _comment([says]) + toml_table("[costs]", {"prices": prices})
    yield _comment(
        ["[groups]", "sizes = [3, 5, 10]   # numbers of candidates; what cannot be filled is skipped"]
    )
    hidden = "" if _ready() else "# "
    says = "vectors, for routers that learn; needs routerset[embed]"
    yield f'{hidden}[embed]\n{hidden}encoders = ["{ENCODER}"]   # {says}\n'
    if found.unopened:
        yield _comment(
            [f"{found.unopened:,} files were not opened: they are taken for what others of their kind are."]
        )
    if found.unplaced:
        yield _comment(_unplaced(found))


def _told(placed: Placed, sample: Sample | str) -> Iterator[str]:
    """What was found of a source."""
    if isinstance(sample, str):
        yield f"Cannot be read as it stands: {sample}"
        return
    models, records = sample.told_models(), sample.told_records()
    yield f"{len(sample.dumps):,} files, {sample.size:,} bytes; models: {models}, records: {records}"
    yield f"models: {_some(sample.models) or 'none that count'}"
    for benchmark, subsets in sorted(sample.tally.subsets.items()):
        yield f"{benchmark}, of its subsets: {_some(sorted(subsets))}"
    if sample.tally.measures:
        yield f"costs: {', '.join(sorted(sample.tally.measures))}"
    total = sample.tally.records.total()
    for reason, n in sample.tally.aside.most_common():
        yield f"{n:,} of {total:,} records looked at are set aside: {Reason(reason)}, such as"
        yield f"  {sample.tally.such_as[reason][:WIDTH]}"
    for why in list(sample.unread.values())[:SHOWN]:
        yield f"set aside whole: {why[:WIDTH]}"


def _tasks(sample: Sample | str) -> Iterator[str]:
    """What to say of tasks that are of no known benchmark."""
    details = [] if isinstance(sample, str) else sorted(sample.tally.tasks)
    names = [match["name"] for each in details if (match := _TASK.search(each))]
    if not names:
        return
    yield "Tasks of no known benchmark. Say what they are of, here:"
    targets = {name: benchmark_in([name]) or "BENCHMARK" for name in names[:TASKS]}
    yield from toml_table("[source.tasks]", targets).splitlines()
    yield "or make each a benchmark of its own:"
    yield from toml_table("[[benchmark]]", {"name": "mine", "metric": "acc", "tasks": names[:1]}).splitlines()
    if len(names) > TASKS:
        yield f"and {len(names) - TASKS:,} more tasks"


def _unplaced(found: Places) -> Iterator[str]:
    """Files that have no place, and why."""
    if found.unplaced:
        yield f"{len(found.unplaced):,} files have no place in this config:"
    yield from (f"  {file}: {why[:WIDTH]}" for file, why in list(found.unplaced.items())[:UNPLACED])
    if len(found.unplaced) > UNPLACED:
        yield f"  and {len(found.unplaced) - UNPLACED:,} more"


def _ready() -> bool:
    """Whether the weights of the encoder are here."""
    try:
        return at_hand(ENCODERS[ENCODER]) is not None
    except ModuleNotFoundError:
        return False


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _comment(lines: Iterable[str]) -> str:
    """Lines as comments of TOML, whatever names they hold."""
    return "".join(f"# {plain(line)}".rstrip() + "\n" for line in lines)
