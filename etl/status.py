"""`routerset status`: where a build, a release, or what is published stands, and what is next."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from routerset.etl import console
from routerset.etl import manifest as manifests
from routerset.etl.build import as_written, steps
from routerset.etl.config import Config, ConfigError, load_config
from routerset.etl.last_run import DONE as ENDED
from routerset.etl.last_run import last_run
from routerset.etl.options import STATUS
from routerset.etl.progress import say, show
from routerset.etl.stages.rows import STAGES
from routerset.release import layout
from routerset.release.errors import ReleaseError, ReleaseInputError
from routerset.release.evaluator.options import check_options
from routerset.release.files import read_checksums
from routerset.release.manifest import Manifest, read_manifest
from routerset.release.publish.client import DATASET
from routerset.release.publish.fetch import versions_on_hub
from routerset.release.publish.folder import LATEST
from routerset.release.publish.plan import latest_of, versions_below
from routerset.release.version import parse_version
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE, exit_code, message
from routerset.schemas.outfolder import RELEASE, is_build

Facts = dict[str, object]
"""Plain values by name: texts, numbers, rows of a table, or counts by name; None where not known."""


def status(place: str, config: Path | None, form: str) -> int:
    """Say where a place stands; returns the exit code. Writes nothing.

    place: a build, a release, a folder that releases are published to, or `hf://datasets/ORG/NAME`. config:
    of the build, by default the one of its last run. form: `text` or `json`. Raises ReleaseInputError where
    there is nothing of the sort.
    """
    facts = _facts(place, config)
    show(json.dumps(facts, indent=1, default=str) if form == "json" else to_text(facts))
    return DONE


def to_text(facts: Facts) -> str:
    """Facts within 80 columns: a line each, and tables below."""
    lines = [
        f"{name}: {plain(value)}"
        for name, value in facts.items()
        if not isinstance(value, list | dict | None)
    ]
    for name, value in facts.items():
        rows = [{name: key, "n": n} for key, n in value.items()] if isinstance(value, dict) else value
        if isinstance(rows, list) and rows:
            heads = list(rows[0])
            cells = [["" if row[head] is None else row[head] for head in heads] for row in rows]
            lines += ["", console.table(heads, cells)]
    return "\n".join(lines)


def _facts(place: str, config: Path | None) -> Facts:
    hub = DATASET.fullmatch(place)
    folder = Path(place)
    check_options(["config"] * (config is not None) + ["build"] * (hub is None and is_build(folder)), STATUS)
    if hub is not None and hub[2]:
        raise ReleaseInputError(
            f"{place}: found a version, expected the place alone, hf://datasets/{hub[1]}; `routerset diff` "
            "looks into a version"
        )
    if hub is not None:
        return _hub(f"hf://datasets/{hub[1]}", hub[1])
    if "://" in place:
        raise ReleaseInputError(f"{place}: expected hf://datasets/ORG/NAME, or a folder")
    if is_build(folder):
        return _build(folder, config)
    if (folder / layout.MANIFEST).exists():
        return _release(folder)
    if versions_below(folder):
        return _published(folder)
    raise ReleaseInputError(
        f"{place}: found {'nothing of ours' if folder.is_dir() else 'no folder'}, expected a build, a "
        "release, or a place that releases are published to"
    )


def _build(folder: Path, config: Path | None) -> Facts:
    run, known = last_run(folder), manifests.load(folder)
    done = known.stages if known else {}
    file = config or (Path(run.config) if run else None)
    read = _read(file)
    stale = _stale(folder, read)
    words = ("fresh", "stale")
    if stale is None:  # nothing tells the settings, but the files are as they were written, or not
        words = ("whole", "altered")
        say("no config of this build can be read (--config FILE): only its files are looked at")
        stale = {name for name, finished in done.items() if not as_written(folder, finished)}
    ingest = done["ingest"].info if "ingest" in done else {}
    rows = [
        {
            "stage": stage.name,
            "state": words[stage.name in stale] if stage.name in done else "never ran",
            "files": len(done[stage.name].outputs) if stage.name in done else None,
            "last run": run.stages.get(stage.name, "not reached") if run else None,
        }
        for stage in STAGES
    ]
    reasons: Counter[str] = Counter()
    for row in ingest.get("accounting", ()):
        reasons.update(row["reasons"])
    again = all(row["state"] == words[0] for row in rows) and (run is None or run.ended == ENDED)
    written = folder / RELEASE if (folder / RELEASE / layout.MANIFEST).exists() else None
    released: Facts = {}
    if written:
        told = read_manifest(written)
        released = {"version": told.version, "previous": told.previous, "benchmarks": _benchmarks(told)}
    return {
        "what": "build",
        "folder": folder,
        "dataset": known.dataset if known else None,
        "config": file,
        "version": released.pop("version", "no release yet"),
        "previous": released.pop("previous", None),
        "last run": run.ended if run else "not known",
        **({"error": run.error} if run and run.error else {}),
        "next": after_build(folder, read) if again and written else _build_again(folder, file),
        "stages": rows,
        "records": {
            name: sum(row[name] for row in ingest.get("accounting", ()))
            for name in ("read", "kept", "superseded", "quarantined")
        },
        "quarantined": dict(reasons.most_common()),
        **released,
    }


def _read(file: Path | None) -> Config | None:
    """A config; None where there is none that can be read, which is told."""
    try:
        return None if file is None else load_config(file)
    except (ConfigError, OSError) as error:
        say(plain(message(error)))
        return None


def _stale(folder: Path, config: Config | None) -> set[str] | None:
    """Stages that the next build would run; None where nothing tells."""
    try:
        return None if config is None else {name for name, runs in steps(config, folder) if runs}
    except Exception as error:
        if exit_code(error) is None:
            raise
        say(plain(message(error)))
        return None


def _build_again(folder: Path, config: Path | None) -> str:
    return f"routerset build {_word(config or 'CONFIG.toml')} --out {_word(folder)}"


def after_build(folder: Path, config: Config | None) -> str:
    """The command that publishes a build, where its config says it is published; else where one likes."""
    place = re.sub(r"@v?[\w.]+$", "", (config and config.release.previous) or "")
    if (
        not place or (Path(place) / layout.MANIFEST).exists()
    ):  # a release or a build, which nobody publishes to
        return f"routerset publish {_word(folder)} --to PLACE"
    return f"routerset publish {_word(folder)} --to {_word(place)}"


def _release(folder: Path) -> Facts:
    manifest, sums = read_manifest(folder), read_checksums(folder)
    return {
        "what": "release",
        "folder": folder,
        "dataset": manifest.name,
        "version": manifest.version,
        "previous": manifest.previous,
        "models": manifest.n_models,
        "encoders": ", ".join(manifest.encoders) or "none",
        "groups by": ", ".join(manifest.methods),
        "files": len(sums),
        "missing": sum(not (folder / path).is_file() for path in sums),
        "next": f"routerset verify {_word(folder)}",
        "quarantined": _quarantined(manifest),
        "benchmarks": _benchmarks(manifest),
    }


def _benchmarks(manifest: Manifest) -> list[Facts]:
    return [
        {
            "benchmark": name,
            "models": b.n_models,
            "items": b.n_items,
            "scores": b.n_scores,
            "groups": len(b.groups),
        }
        for name, b in manifest.benchmarks.items()
    ]


def _quarantined(manifest: Manifest) -> Facts:
    found: Counter[str] = Counter()
    for row in manifest.accounting:
        reasons = row["reasons"]
        if isinstance(reasons, Mapping):
            found.update({str(reason): n for reason, n in reasons.items() if isinstance(n, int)})
    return dict(found.most_common())


def _published(folder: Path) -> Facts:
    versions = sorted(versions_below(folder), key=parse_version)
    link = folder / LATEST
    shown = link.readlink().name if link.is_symlink() else None
    drafts = sorted(path.name for path in folder.glob(".v*.draft"))
    behind = shown != f"v{versions[-1]}"
    again = "run the last `routerset publish` again" if behind or drafts else None
    return {
        "what": "published releases",
        "folder": folder,
        "version": versions[-1],
        "latest": f"{shown}, which is not the newest version" if behind else shown,
        "cut off": ", ".join(drafts) or "nothing",
        "next": again or _after_published(str(folder), versions),
        "versions": list(_versions(folder, versions)),
    }


def _versions(folder: Path, versions: list[str]) -> Iterator[Facts]:
    for version in versions:
        facts: Facts = dict.fromkeys(("after", "benchmarks", "models", "files"))
        try:
            told = read_manifest(folder / f"v{version}")
            sums = read_checksums(folder / f"v{version}")
            facts |= {"after": told.previous, "benchmarks": len(told.benchmarks), "models": told.n_models}
            facts["files"] = len(sums)
        except ReleaseError as error:
            say(plain(f"v{version}: {error}"))
        yield {"version": version, **facts}


def _hub(place: str, name: str) -> Facts:
    versions, left = versions_on_hub(name, say)
    latest = latest_of(versions)
    again = "run the last `routerset publish` again" if left else None
    return {
        "what": "published releases",
        "place": place,
        "version": latest or "none",
        "cut off": ", ".join(left) or "nothing",
        "next": again or _after_published(place, sorted(versions, key=parse_version)),
        "versions": [{"version": version} for version in sorted(versions, key=parse_version)],
    }


def _after_published(place: str, versions: list[str]) -> str:
    if not versions:
        return f"routerset publish BUILD --to {_word(place)}"
    if len(versions) < 2:
        return f"routerset diff {_word(place)} BUILD"
    return f"routerset diff {_word(f'{place}@v{versions[-2]}')} {_word(f'{place}@v{versions[-1]}')}"


def _word(thing: object) -> str:
    return shlex.quote(str(thing))
