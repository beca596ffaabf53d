"""Write the dumps of a plan to a folder, whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path

import msgspec

from routerset.etl.synth import item_major, long, routereval, wide
from routerset.etl.synth.costs import TOKENIZER
from routerset.etl.synth.details import Details
from routerset.etl.synth.faults import Injury
from routerset.etl.synth.lm_eval import Logs
from routerset.etl.synth.mmlu_pro import Zips
from routerset.etl.synth.model import TOPICS, UNIT
from routerset.etl.synth.names import MODELS, TOKENIZER_FILE
from routerset.etl.synth.plan import Layout, Plan
from routerset.etl.synth.runs import RunFiles, write_runs
from routerset.etl.synth.truth import Truth
from routerset.schemas.outfolder import NotOurs
from routerset.schemas.plainfiles import MAX_JSON, read_bytes
from routerset.schemas.store import atomic_folder

VERSION = 3
"""Raised whenever the same plan gives other dumps."""
TRUTH = "truth.json"
_RUN_FILES: dict[Layout, type[RunFiles]] = {
    Layout.LM_EVAL: Logs,
    Layout.DETAILS_OLD: Details,
    Layout.DETAILS_NEW: Details,
    Layout.MMLU_PRO: Zips,
}

_TABLES = {Layout.WIDE: wide.write, Layout.LONG: long.write, Layout.ITEM_MAJOR: item_major.write}


def write_dumps(folder: Path, plan: Plan, progress: Callable[[str], None]) -> Truth:
    """Write the dumps of `plan` below `folder`, and the truth behind them, as `synth.write` says."""
    folder = folder.resolve()
    truth = Truth(plan)
    if folder.exists() and any(folder.iterdir()):
        return replace(truth, injuries=_recorded(folder, plan))
    with atomic_folder(folder) as part:
        injuries = _write_layouts(part, truth, progress)
        _write_models(part / MODELS, truth)
        if plan.counted:
            (part / TOKENIZER_FILE).write_bytes(msgspec.json.encode(TOKENIZER))
        record = {**_head(plan), "injuries": injuries, "abilities": _abilities(truth)}
        (part / TRUTH).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
    return replace(truth, injuries=tuple(injuries))


def _write_layouts(folder: Path, truth: Truth, progress: Callable[[str], None]) -> list[Injury]:
    """One folder per layout, below `folder`."""
    injuries: list[Injury] = []
    for name, layout in truth.plan.placement().items():
        if layout is Layout.ROUTEREVAL:
            continue  # a file holds several benchmarks
        progress(f"{layout}: {name}")
        if layout in _TABLES:
            injuries += _TABLES[layout](folder / layout, truth, name)
        else:
            injuries += write_runs(_RUN_FILES[layout], folder / layout, truth, name)
    for which, together in truth.plan.pickles().items():
        progress(f"{Layout.ROUTEREVAL}: {', '.join(together)}")
        injuries += routereval.write(folder / Layout.ROUTEREVAL, truth, which, together)
    return injuries


def _head(plan: Plan) -> dict[str, object]:
    """What `truth.json` says first: which dumps these are."""
    chosen = {"faults": sorted(plan.faults), "benchmarks": list(plan.placement())}
    return {"version": VERSION, "plan": msgspec.to_builtins(asdict(plan) | chosen)}


def _abilities(truth: Truth) -> dict[str, dict[str, float]]:
    """Model -> topic -> logits."""
    return {
        model: {topic: round(a / UNIT, 3) for topic, a in zip(TOPICS, ability, strict=True)}
        for name in truth.plan.placement()
        for model, ability in zip(truth.models(name), truth.abilities(name).T.tolist(), strict=True)
    }


def _recorded(folder: Path, plan: Plan) -> tuple[Injury, ...]:
    """Injuries that `truth.json` records, if it is that of the same plan."""
    try:
        found = read_bytes(folder / TRUTH, MAX_JSON, follow=False)
        record = msgspec.json.decode(found, type=dict[str, object])
    except (OSError, ValueError) as error:
        raise NotOurs(
            f"{folder}: found files that are no synthetic dumps, expected none ({error})"
        ) from error
    if any(record.get(name) != value for name, value in _head(plan).items()):
        raise NotOurs(
            f"{folder}: found dumps of another plan ({TRUTH}), expected none; delete them or choose another"
            " folder"
        )
    return msgspec.convert(record["injuries"], tuple[Injury, ...])


def _write_models(file: Path, truth: Truth) -> None:
    """Table of the models as leaderboards publish it; `size` is in billions of parameters."""
    placed = {m for name in truth.plan.placement() for m in truth.places(name).tolist()}
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["name", "sha", "precision", "size", "arch", "license", "merged", "moe"])
        for m in sorted(placed):
            name = truth.people.name(m)
            commit = blake2b(name.encode(), digest_size=20).hexdigest()
            precision = ("bfloat16", "float16", "4bit")[m % 3]
            size = (1.5, 3.0, 7.24, 13.0, 34.0, 70.6)[m % 6]
            arch = f"Synthetic{truth.people.family[m]}ForCausalLM"
            table.writerow([name, commit, precision, size, arch, "apache-2.0", m % 5 == 0, m % 7 == 0])
