"""What a results file (`results_<time>.json`) says about the run whose answers lie beside it.

lm-evaluation-harness and lighteval write one per run, beside the answers or in a folder above them; lighteval
also below `results/` where the answers lie below `details/`. It tells the model, its revision, and how it was
asked, which the names of files and folders only hint at.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import msgspec

from routerset.etl.records import identity
from routerset.etl.sources.base import Dump, Found, Listed, Settings
from routerset.etl.sources.files import open_inflated, without_compression
from routerset.etl.sources.names import TIME, iso_timestamp

MAX_BYTES = 64 << 20  # those of the Open LLM Leaderboard take less than 1 MB
FOLDERS_ABOVE = 3
_TIMED = re.compile(rf"(?:.*_)?(?P<time>{TIME})\.json", re.IGNORECASE)
_PREFERRED = re.compile(rf"results(?:_{TIME})?\.json", re.IGNORECASE)
_DETAILS = re.compile(r"/details(?=/|$)")
_MODEL_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")  # the harness's own order
_ARGUMENT = re.compile(r"([a-z]\w*?)(?:=|__)(.*)", re.DOTALL)


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run. model: as the file spells it. revision: None for `main`. time: ISO, in UTC.

    few_shot: by task, and by "" for all others. readable: whether the file could be read.
    """

    model: str | None = None
    revision: str | None = None
    time: str | None = None
    dtype: str | None = None
    chat_template: bool | None = None
    few_shot: Mapping[str, int] = field(default_factory=dict)
    readable: bool = True

    def settings(self, task: str) -> Settings:
        """How the LLM was asked in one task."""
        shots = self.few_shot.get(task, self.few_shot.get(""))
        return Settings(task, shots, self.chat_template, self.dtype)


# --- which file ------------------------------------------------------------------------------------


def with_results(found: Found, time_of: Callable[[Dump], str | None]) -> Found:
    """Dumps with the results file of each: the one of the same time beside it or above.

    Beside dumps of one run, or of no time, a file without a time is theirs. time_of: as names tell it.
    """
    folders: defaultdict[str, list[Listed]] = defaultdict(list)
    for listed in (*found.others, *found.outside):
        if listed.signature and without_compression(listed.file).lower().endswith(".json"):
            folders[_folder(listed.path)].append(listed)
    if not folders:
        return found
    timed = {folder: _by_time(listed) for folder, listed in folders.items()}
    times: defaultdict[str, set[str | None]] = defaultdict(set)
    moments = [iso_timestamp(time_of(dump)) for dump in found.dumps]
    for dump, moment in zip(found.dumps, moments, strict=True):
        times[_folder(dump.path)].add(moment)

    @lru_cache(None)
    def results_of(folder: str, moment: str | None) -> Listed | None:
        if moment is not None:
            for place in _places(folder):
                if moment in timed.get(place, {}):
                    return timed[place][moment]
        return timed.get(folder, {}).get(None) if len(times[folder]) == 1 else None

    dumps = [
        dump if (of := results_of(_folder(dump.path), moment)) is None else replace(dump, results=of)
        for dump, moment in zip(found.dumps, moments, strict=True)
    ]
    used = {dump.results.path for dump in dumps if dump.results is not None}
    return replace(found, dumps=tuple(dumps)).used(used)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _by_time(files: list[Listed]) -> dict[str | None, Listed]:
    """One results file for each time: that which is called so, or the only one."""
    by_time: defaultdict[str | None, list[Listed]] = defaultdict(list)
    for listed in files:
        named = _TIMED.fullmatch(_name(listed))
        by_time[iso_timestamp(named["time"]) if named else None].append(listed)
    chosen = {}
    for time, several in by_time.items():
        called = [listed for listed in several if _PREFERRED.fullmatch(_name(listed))] or several
        if len(called) == 1:
            chosen[time] = called[0]
    return chosen


def _name(listed: Listed) -> str:
    return without_compression(listed.file.rpartition("/")[2])


def _places(folder: str) -> Iterator[str]:
    """A folder and those above it, and where lighteval puts results apart from details."""
    for _ in range(1 + FOLDERS_ABOVE):
        yield folder
        if _DETAILS.search(folder):
            yield _DETAILS.sub("/results", folder)
        folder = _folder(folder)


# --- what it says ----------------------------------------------------------------------------------


def read_facts(dump: Dump) -> RunFacts:
    """What the results file of a dump says; nothing where there is none."""
    return RunFacts() if dump.results is None else _read(dump.results.path, identity(dump.results.path))


class _Results(msgspec.Struct):
    config: object = None
    config_general: object = None
    model_name: object = None
    chat_template: object = msgspec.UNSET
    n_shot: object = msgspec.field(default=None, name="n-shot")
    date: object = None


@lru_cache(256)
def _read(path: str, _identity: str) -> RunFacts:
    try:
        with open_inflated(path) as stream:
            data = stream.read(MAX_BYTES)
        return facts_of(_decode(data))
    except (OSError, ValueError, RecursionError):
        return RunFacts(readable=False)


def _decode(data: bytes) -> _Results:
    try:
        return msgspec.json.decode(data, type=_Results)
    except msgspec.DecodeError:  # json, which is slower, takes NaN
        return msgspec.convert(json.loads(data), _Results)


def facts_of(results: _Results) -> RunFacts:
    """The facts in a results file of the harness (`config`) or lighteval (`config_general`)."""
    config = _table(results.config) | _table(results.config_general)
    own = _table(config.get("model_config"))
    arguments = parse_arguments(config.get("model_args") or own.get("model_args"))
    name = _first(results.model_name, config.get("model_name"), own.get("model_name"), model_of(arguments))
    revision = _first(config.get("model_revision"), own.get("revision"), arguments.get("revision"))
    dtype = _first(config.get("model_dtype"), own.get("dtype"), arguments.get("dtype"))
    template = (
        config.get("use_chat_template") if results.chat_template is msgspec.UNSET else (results.chat_template)
    )
    known = results.chat_template is not msgspec.UNSET or isinstance(template, bool)
    shots = {str(k): v for k, v in _table(results.n_shot).items() if type(v) is int and 0 <= v < 1 << 31}
    for each in (config.get("num_fewshot"), config.get("n_shot")):
        if type(each) is int and 0 <= each < 1 << 31:
            shots.setdefault("", each)
    date = results.date if isinstance(results.date, float | int) else None
    return RunFacts(
        model=name,
        revision=None if revision in (None, "main") else revision,
        time=None if date is None else iso_timestamp(f"{date:.6f}"),
        dtype=None if dtype in (None, "auto") else dtype.removeprefix("torch."),
        chat_template=bool(template) if known else None,
        few_shot=shots,
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(*values: object) -> str | None:
    """The first value that is a text with something in it."""
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), None)


def parse_arguments(arguments: object) -> dict[str, object]:
    """`model_args` by name: an object, or a text such as `pretrained=org/name,dtype=float16`.

    Names of files spell `=` and `/` as `__`.
    """
    if isinstance(arguments, str):
        found = (_ARGUMENT.fullmatch(part.strip()) for part in arguments.split(","))
        return {match[1]: match[2] for match in found if match}
    return _table(arguments)


def facts_of_arguments(arguments: Mapping[str, object]) -> RunFacts:
    """What arguments alone tell of a run."""
    return facts_of(_Results(config={"model_args": dict(arguments)}))


def model_of(arguments: Mapping[str, object]) -> str | None:
    """The model that arguments name; an adapter comes before what it adapts."""
    return _first(*(arguments.get(key) for key in _MODEL_KEYS))
