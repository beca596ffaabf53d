"""What a manifest says that no table tells: against the registries, and against itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from routerset.embed.encoders import ENCODERS
from routerset.embed.texts import TEXTS
from routerset.release import layout
from routerset.release.manifest import DRAWN_BY, LIBRARIES, NOTE, BenchmarkEntry, Json, Manifest, Row
from routerset.release.verifying.problem import Opened, Problem, same
from routerset.release.version import parse_version
from routerset.release.write import registry_row
from routerset.schemas.registry import PERMISSIVE, is_date, is_line, is_url
from routerset.schemas.tables import COST_MEASURES, JOINED_BY, REASONS

_LOCAL = re.compile(r"local-[0-9a-f]{16}")
"""Revision of weights that a config named in place of those of the registry."""
_COUNTS = ("read", "kept", "superseded", "quarantined")
_ACCOUNTING = ("source", "benchmark", *_COUNTS, "reasons", "joined", "notes")
_COSTS = ("kept", "missing", "bad")
_VERSION = re.compile(r"\d+(\.\w+)*([+-][\w.]+)?", re.ASCII)
_SETTINGS = {"min_coverage": (int, float), "min_models_per_item": (int, float), "table_4": (bool,)}
"""What a config says to the gate, and the types of it."""


def benchmarks_known(opened: Opened) -> Iterator[Problem]:
    """Reference and the right to publish texts are those known or declared; runs tell the metric."""
    registry = opened.manifest.registry
    for name, entry in opened.manifest.benchmarks.items():
        if name not in registry:
            yield _problem(f"benchmark {name}", "one of the registry, or declared")
            continue
        known = registry[name]
        score, note = known.reference(entry.metric, entry.n_items)
        facts = {
            "reference_model": known.reference_model,
            "reference_score": score,
            "reference_note": note,
            "text_published": known.publish_text,
        }
        for key, expected in facts.items():
            yield from _same(f"{name}: {key}", getattr(entry, key), expected)
        yield from _runs(name, entry)


def _runs(name: str, entry: BenchmarkEntry) -> Iterator[Problem]:
    if not 0 <= entry.runs_superseded < max(entry.n_runs, 1):
        yield _problem(f"{name}: {entry.runs_superseded} of {entry.n_runs} runs superseded", "fewer than all")


def encoders_known(opened: Opened) -> Iterator[Problem]:
    """Encoders are rows of the registry, or came with the dumps; each is used."""
    manifest = opened.manifest
    for name, row in manifest.encoders.items():
        using = [b for b, entry in manifest.benchmarks.items() if name in entry.encoders]
        if not using:
            yield _problem(f"encoder {name}", "one that a benchmark uses")
        if "from_dump" in row:
            given = row["from_dump"]
            yield from _same(f"encoder {name}", sorted(row), ["dimension", "from_dump"])
            if not isinstance(given, list) or not given or not {*map(str, given)} <= {*using}:
                yield _problem(f"encoder {name} from the dumps of {given}", f"some of {', '.join(using)}")
        elif name not in ENCODERS:
            yield _problem(f"encoder {name}", f"one of {', '.join(ENCODERS)}, or one that came with a dump")
        else:
            known = registry_row(name)
            if _LOCAL.fullmatch(str(row.get("revision"))):
                known = {**known, "revision": row["revision"]}
            if row.get("text") not in TEXTS:
                yield _problem(f"encoder {name}: text {row.get('text')}", f"one of {', '.join(TEXTS)}")
            for key in sorted({*row, *known} - {"text"}):
                yield from _same(f"encoder {name}: {key}", row.get(key), known.get(key))


def versions(opened: Opened) -> Iterator[Problem]:
    """A version comes after the one before it."""
    manifest = opened.manifest
    now = parse_version(manifest.version)
    if manifest.previous is not None and parse_version(manifest.previous) >= now:
        yield _problem(f"version {manifest.version} after {manifest.previous}", "a later one")


def closed(opened: Opened) -> Iterator[Problem]:
    """Settings, libraries and accounting hold known entries of known types, and nothing else."""
    manifest = opened.manifest
    for key, value in manifest.settings.items():
        if type(value) not in _SETTINGS.get(key, ()):
            yield _problem(f"setting {key} = {value!r}", f"one of {', '.join(_SETTINGS)}, of its type")
    for name in sorted(manifest.libraries.keys() ^ LIBRARIES):
        if name not in DRAWN_BY:
            yield _problem(f"libraries {', '.join(manifest.libraries)}", ", ".join(LIBRARIES))
    for name, installed in manifest.libraries.items():
        if not _VERSION.fullmatch(str(installed)):
            yield _problem(f"{name} {installed!r}", "a version")
    yield from _told_of_itself(manifest)
    yield from _priced(manifest)
    for name, entry in manifest.benchmarks.items():
        yield from _same(f"{name}: costs known", {**entry.costs}, _known(manifest.accounting, name))
    kept: dict[str, int] = {}
    for row in manifest.accounting:
        counted = _counts(row, _COUNTS)
        wrong = list(_accounted(row, counted))
        yield from wrong
        if not wrong:
            name = str(row["benchmark"])
            kept[name] = kept.get(name, 0) + counted["kept"]
    if manifest.sources:
        yield from _same("records read", _read(manifest.sources), _read(manifest.accounting))
    for name, n in kept.items():
        scores = manifest.benchmarks[name].n_scores if name in manifest.benchmarks else 0
        yield from _same(f"accounting of {name}: kept", n, scores)


def _told_of_itself(manifest: Manifest) -> Iterator[Problem]:
    """What is said of the dataset can stand on its card, and licences are what they are said to be."""
    for key, good in (("creator", is_line), ("contact", is_line), ("url", is_url), ("published", is_date)):
        if key in manifest.about and not good(str(manifest.about[key])):
            yield _problem(f"{key} {manifest.about[key]!r:.80}", "a line, an address or a day")
    for name in manifest.benchmarks if manifest.license else ():
        if (own := manifest.registry[name].license) not in PERMISSIVE:
            yield _problem(f"{name} under {own} in a release of permissive licences", ", ".join(PERMISSIVE))


def _priced(manifest: Manifest) -> Iterator[Problem]:
    """Prices are told of where there are any, and add up to all models; addresses can stand on a page."""
    table = manifest.tables.get(layout.PRICES)
    if not manifest.prices:
        if table:
            yield _problem(f"{layout.PRICES} and no price table", "the tables that it is from")
        return
    files = [file for file in _list(manifest.prices["files"]) if isinstance(file, dict)]
    n = sum(n for file in files if isinstance(n := file["models"], int))
    yield from _same("models with a price", n, table.rows if table else 0)
    yield from _same("models without a price", manifest.prices["unmatched"], manifest.n_models - n)
    for url in (str(url) for file in files for url in _list(file["urls"])):
        if not is_url(url):
            yield _problem(f"price from {url!r:.80}", "https://...")


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _accounted(row: Row, counted: Mapping[str, int]) -> Iterator[Problem]:
    """One row of accounting: read = kept + superseded + quarantined, told apart by reasons and by joins."""
    where = f"accounting of {row.get('source')}, {row.get('benchmark')}"
    for key in sorted(({*_ACCOUNTING} ^ {*row}) - {"joined", "costs", "case_alike"}):
        yield _problem(f"{where}: key {key} missing or unknown", f"{', '.join(_ACCOUNTING)}")
    if set(counted) != {*_COUNTS}:
        yield _problem(f"{where}: counts {counted}", f"{', '.join(_COUNTS)}, from 0 on")
        return
    parts = counted["kept"] + counted["superseded"] + counted["quarantined"]
    yield from _same(f"{where}: read", counted["read"], parts)
    for key, names, total in (("reasons", REASONS, "quarantined"), ("joined", JOINED_BY, "kept")):
        told = row.get(key)
        if key == "joined" and told is None:
            continue
        found = _counts(told, names) if isinstance(told, dict) else {}
        yield from _same(f"{where}: {key}", told, found)
        yield from _same(f"{where}: sum of {key}", sum(found.values()), counted[total])
    costs = row.get("costs", {})
    for name, of_measure in costs.items() if isinstance(costs, dict) else [("costs", costs)]:
        keys = (*_COSTS, "priced") if name == "usd" else _COSTS
        n = _counts(of_measure, keys) if isinstance(of_measure, dict) else {}
        whole = n.keys() >= {*_COSTS} and n["kept"] + n["missing"] == counted["kept"]
        if name not in COST_MEASURES or n != of_measure or not whole or n.get("priced", 0) > n["kept"]:
            yield _problem(f"{where}: {name} {of_measure}", f"{', '.join(keys)}, of every score")
    notes = row.get("notes")
    named = isinstance(notes, dict) and all(map(NOTE.fullmatch, notes))
    if not (named and isinstance(notes, dict) and len(_counts(notes, notes)) == len(notes)):
        yield _problem(f"{where}: notes {notes}", "codes with counts")


def _read(rows: Iterable[Row]) -> dict[str, int]:
    """Records read, by source and benchmark, of what either sources or the accounting say."""
    total: dict[str, int] = {}
    for row in rows:
        read = row["read"]
        for name, n in read.items() if isinstance(read, dict) else [(str(row["benchmark"]), read)]:
            key = f"{row['source']} {name}"
            total[key] = total.get(key, 0) + (n if isinstance(n, int) else 0)
    return {key: total[key] for key in sorted(total) if total[key]}


def _known(accounting: Iterable[Row], benchmark: str) -> dict[str, int]:
    """Known costs of a benchmark by measure, as the accounting has them; those of none are left out."""
    known: dict[str, int] = {}
    for row in accounting:
        costs = row.get("costs", {}) if row.get("benchmark") == benchmark else {}
        for name, of_measure in costs.items() if isinstance(costs, dict) else ():
            found = _counts(of_measure, _COSTS) if isinstance(of_measure, dict) else {}
            known[name] = known.get(name, 0) + found.get("kept", 0)
    return {name: n for name, n in known.items() if n}


def _counts(row: Mapping[str, Json], names: Iterable[str]) -> dict[str, int]:
    """Those of some entries that are numbers from 0 on."""
    return {name: n for name in names if type(n := row.get(name)) is int and n >= 0}


def _same(what: str, found: object, expected: object) -> Iterator[Problem]:
    yield from same(layout.MANIFEST, what, found, expected)


def _problem(found: str, expected: str) -> Problem:
    return Problem(layout.MANIFEST, found, expected)
