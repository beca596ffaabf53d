"""What a build would stumble over, all of it at once. A check is a row of `CHECKS`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TypeAlias

from routerset.embed.encoders import ENCODERS
from routerset.embed.weights import at_hand, model_path
from routerset.etl.build import check_folder, wrong_names
from routerset.etl.config import Config
from routerset.etl.extras import extra_of
from routerset.etl.ingest.descriptions import describe
from routerset.etl.ingest.price_files import read_prices
from routerset.etl.looking.sample import Note, Sample, look
from routerset.etl.sources.base import ItemsUnreadable, SourceSpec
from routerset.etl.sources.files import is_remote
from routerset.etl.sources.registry import SOURCES
from routerset.etl.sources.tokens import find_tokenizer, is_hub_id
from routerset.etl.stages.previous import previous_of
from routerset.schemas.exits import DATA_FAILED, DONE, TRY_LATER, UNREADABLE, USAGE, exit_code, message

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables that keep the Hub's client off the network."""


class Problem(NamedTuple):
    """What is wrong, and the exit code of a build with it; DONE for what a build gets over."""

    text: str
    code: int


@dataclass(frozen=True)
class Build:
    """A build that is asked for. sources: what each source holds, or why it cannot be looked into."""

    config: Config
    out: Path
    only: str | None
    sources: tuple[Sample | Exception, ...]

    @property
    def samples(self) -> list[tuple[int, Sample]]:
        """Sources that could be looked into, by their number in the config."""
        return [(at, found) for at, found in enumerate(self.sources, 1) if isinstance(found, Sample)]


Check: TypeAlias = Callable[[Build], Iterator[Problem]]


def look_into(config: Config, out: Path, only: str | None, note: Note) -> Build:
    """Look into every source of a config; what is wrong is for the checks. note: as in `sample.look`."""
    return Build(config, out, only, tuple(_sample(spec, note) for spec in config.sources))


def problems(build: Build) -> list[Problem]:
    """All that the checks find, in the order in which a build would come upon it."""
    return list(dict.fromkeys(problem for check in CHECKS for problem in check(build)))


def _sample(spec: SourceSpec, note: Note) -> Sample | Exception:
    try:
        return look(spec, note)
    except Exception as error:
        if exit_code(error) is None:
            raise
        return error


def _caught(where: str, act: Callable[[], object]) -> Iterator[Problem]:
    """What an act raises that a user can mend."""
    try:
        act()
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        yield Problem(f"{where}{message(error)}", code)


def _names(build: Build) -> Iterator[Problem]:
    for error in wrong_names(build.config, build.only):
        yield Problem(str(error), USAGE)


def _folder(build: Build) -> Iterator[Problem]:
    yield from _caught("", lambda: check_folder(build.out, build.config.registry))


def _costs(build: Build) -> Iterator[Problem]:
    """Price tables that cannot be read, and a tokenizer that is not there; the Hub is not asked."""
    costs = build.config.costs
    yield from _caught("", lambda: read_prices([path for path in costs.tables if not is_remote(path)]))
    if costs.tokenizer is not None and not is_hub_id(costs.tokenizer):
        yield from _caught("", lambda: find_tokenizer(str(costs.tokenizer)))


def _sources(build: Build) -> Iterator[Problem]:
    """Sources that cannot be read as the config says, or hold nothing; patterns and files that they name."""
    for number, (spec, found) in enumerate(zip(build.config.sources, build.sources, strict=True), 1):
        where = f"[[source]] {number}: "
        wrong = _patterns(spec)
        yield from (
            Problem(f"{where}{what} is no regular expression: {e}", USAGE) for what, e in wrong.items()
        )
        for path in spec.paths()[1:]:
            if not (is_remote(path) or "{" in path or Path(path).exists()):
                yield Problem(f"{where}{path}: no such file; check items", UNREADABLE)
        if isinstance(found, Sample):
            if not found.dumps:
                expected = f"found no {spec.format} dump, expected {SOURCES[spec.format].looks_for}"
                yield Problem(f"{where}{spec.path}: {expected}", UNREADABLE)
        elif not (isinstance(found, ItemsUnreadable) or any(what in str(found) for what in wrong)):
            yield Problem(f"{where}{message(found)}", exit_code(found) or USAGE)


def _patterns(spec: SourceSpec) -> dict[str, Exception]:
    """Keys of a source, with what stands there, that hold no regular expression where one must stand; why."""
    wrong: dict[str, Exception] = {}
    for key in (each.name for each in fields(spec.options) if each.name.endswith("_pattern")):
        text = getattr(spec.options, key)
        try:
            re.compile(text or "")
        except (re.error, RecursionError, OverflowError) as error:
            wrong[f"{key} = {text!r}"] = error
    return wrong


def _models(build: Build) -> Iterator[Problem]:
    """Files that describe models."""
    for number, spec in enumerate(build.config.models, 1):
        if not is_remote(spec.path):
            yield from _caught(f"[[models]] {number}: ", partial(describe, [spec]))


def _scores(build: Build) -> Iterator[Problem]:
    """Files that cannot be read, and whether any other has a score."""
    for number, found in build.samples:
        for why in found.unread.values():
            yield Problem(f"[[source]] {number}: a file would be set aside whole: {why}", DONE)
    known = [found for _, found in build.samples]
    if len(known) == len(build.sources) and all(found.whole and not found.models for found in known):
        yield Problem("no file holds a score that would count", DATA_FAILED)


def _previous(build: Build) -> Iterator[Problem]:
    release = build.config.release
    if release.previous is not None and not is_remote(release.previous):
        told: list[str] = []
        yield from _caught("[release] previous: ", previous_of(release, build.out, told.append))
        yield from (Problem(f"[release] previous: {line}", DONE) for line in told)


def _weights(build: Build) -> Iterator[Problem]:
    """Encoders whose weights are not here: a build fetches them, if it may."""
    embed = build.config.embed
    for encoder in (ENCODERS[name] for name in embed.encoders if name in ENCODERS):
        if encoder.name in embed.paths:
            yield from _caught("", partial(model_path, encoder, embed.paths))
        elif find_spec("huggingface_hub") and at_hand(encoder) is None:
            offline = any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE)
            yield Problem(
                f"[embed] encoders: the weights of {encoder.name} are not on this machine: a build fetches "
                f"{encoder.hub_id}; where it cannot, name a copy in [embed.paths]",
                TRY_LATER if offline else DONE,
            )


def _libraries(build: Build) -> Iterator[Problem]:
    needed = ["apache_beam", "great_expectations", "duckdb"]
    needed += ["torch", "transformers"] if build.config.embed.encoders else []
    for name in needed:
        if find_spec(name) is None:
            yield Problem(
                f"{name} is not installed: pip install 'routerset[{extra_of(name, 'build')}]'", USAGE
            )


CHECKS: tuple[Check, ...] = (
    _names,
    _libraries,
    _folder,
    _sources,
    _models,
    _costs,
    _scores,
    _previous,
    _weights,
)
"""In the order in which a build comes upon what they find."""
