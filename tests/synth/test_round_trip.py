"""Our own sources read the truth out of the dumps, and quarantine what the faults say."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from routerset.etl.config import load_config
from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.registry import SOURCES
from routerset.etl.sources.tokens import find_tokenizer
from routerset.etl.synth import Fault, Layout, Plan, build_config, write
from routerset.etl.synth.costs import draw_tokens, is_generated, n_words
from routerset.etl.synth.faults import applicable
from routerset.etl.synth.plan import carried_by
from routerset.etl.synth.truth import Truth, subsets
from routerset.etl.synth.wording import labels
from routerset.schemas.tables import TOKENS, Reason
from tests.synth.parsing import Key, true_scores

LATER = (Reason.CONFLICTING_GOLD, Reason.UNKNOWN_ITEM)
"""Decided when the runs of all models are put together, not by a source."""
NEVER_SEEN = -1
"""Key of a document that stands in no item list: a repeat inside one file."""


@dataclass
class Found:
    """What the sources make of the dumps. bad: (file, reason) -> rows in quarantine. costs: by measure.
    tokens_from: pairs of a file and what its tokens are from, where it tells costs.
    """

    scores: defaultdict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    bad: defaultdict[tuple[str, Reason], list[int | None]] = field(default_factory=lambda: defaultdict(list))
    costs: defaultdict[str, dict[Key, float]] = field(default_factory=lambda: defaultdict(dict))
    tokens_from: set[tuple[str, str]] = field(default_factory=set)
    n_read: int = 0
    n_superseded: int = 0


def read_all(folder: Path, truth: Truth, layout: Layout, benchmark: str) -> Found:
    """Read one benchmark's dumps as their config says."""
    (folder / "x.toml").write_text(build_config(Path("dumps"), truth.plan))
    found = Found()
    config = load_config(folder / "x.toml")
    tokenizer = config.costs.tokenizer and find_tokenizer(config.costs.tokenizer)
    for each in config.sources:
        spec = replace(each, tokenizer=tokenizer)
        for dump in SOURCES[spec.format].discover(spec):
            file = Path(dump.path).relative_to(folder / "dumps").as_posix()
            try:
                readings = list(SOURCES[spec.format].read(dump, spec))
            except DumpUnreadable:
                found.bad[file, Reason.UNREADABLE_FILE].append(None)
                found.n_read += 1
                continue
            for reading in readings:
                found.n_read += sum(reading.n_read.values())
                for row in reading.quarantined.to_pylist():
                    found.bad[file, Reason(row["reason"])].append(row["row"])
                for block in reading.blocks:
                    subset, docs = block.columns.subset, block.columns.docs().to_pylist()
                    keys = document_keys(truth, layout, benchmark, subset, docs)
                    found.n_superseded += int(block.n_superseded.sum())
                    for name, costs in block.costs.items():
                        known = zip(block.runs.models, costs.tolist(), strict=True)
                        found.costs[name] |= {
                            (model, subset, key): cost
                            for model, row in known
                            for key, cost in zip(keys, row, strict=True)
                            if not math.isnan(cost)
                        }
                        found.tokens_from.add((file, block.tokens_from))
                    for model, scores in zip(block.runs.models, block.values, strict=True):
                        for key, score in zip(keys, scores.tolist(), strict=True):
                            if not math.isnan(score) and key != NEVER_SEEN:
                                found.scores[model, subset, key].append(score)
    return found


def document_keys(
    truth: Truth, layout: Layout, benchmark: str, subset: str, docs: list[dict[str, object]]
) -> list[int]:
    """Keys of documents: by number where the layout has the data set's, by content elsewhere."""
    if layout in (Layout.WIDE, Layout.LM_EVAL, Layout.ROUTEREVAL, Layout.LONG, Layout.ITEM_MAJOR):
        return [int(str(doc["doc_key"])) for doc in docs]
    items = [item for item in truth.items(benchmark) if item.subset == subset]
    known = {(i.question, *(i.choices or (i.answer,))): i.key for i in items}
    return [
        NEVER_SEEN if "#" in str(doc["doc_key"]) else known[str(doc["question"]), *list(doc["choices"])]
        for doc in docs
    ]


CASES = [
    (layout, name)
    for layout in Layout
    if layout is not Layout.ALL
    for name in carried_by(layout)
    if name not in ("mmlu", "bbh")
    or layout in (Layout.WIDE, Layout.ROUTEREVAL)  # elsewhere hundreds of files
]


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_sources_read_what_was_written(tmp_path: Path, layout: Layout, name: str) -> None:
    truth = write(tmp_path / "dumps", Plan(models=8, layout=layout, benchmarks=(name,)))
    found = read_all(tmp_path, truth, layout, name)
    assert found.bad == {}
    assert found.scores == {key: [score] for key, score in true_scores(truth, name).items()}


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (Layout.DETAILS_OLD, "arc"),
        (Layout.DETAILS_OLD, "gsm8k"),
        (Layout.DETAILS_NEW, "hellaswag"),
        (Layout.DETAILS_NEW, "gsm8k"),
        (Layout.LM_EVAL, "gsm8k"),
        (Layout.LM_EVAL, "gpqa"),
        (Layout.MMLU_PRO, "mmlu_pro"),
    ],
)
def test_sources_read_tokens_that_were_written(tmp_path: Path, layout: Layout, name: str) -> None:
    truth = write(tmp_path / "dumps", Plan(models=8, layout=layout, benchmarks=(name,), costs=True))
    found = read_all(tmp_path, truth, layout, name)
    assert found.scores == {key: [score] for key, score in true_scores(truth, name).items()}
    assert found.costs == true_tokens(truth, layout, name)
    (told,) = {by for _, by in found.tokens_from}
    assert re.fullmatch("field" if "details" in layout else "dumps@[0-9a-f]{12}", told)


def true_tokens(truth: Truth, layout: Layout, name: str) -> dict[str, dict[Key, float]]:
    """Tokens of every answer, as its layout can tell them."""
    found: dict[str, dict[Key, float]] = {measure: {} for measure in TOKENS}
    for subset in subsets(truth, name):
        for place, model in enumerate(truth.models(name)):
            drawn = {k: of.tolist() for k, of in draw_tokens(truth, subset, place).items()}
            for key, (sent, written) in enumerate(zip(*(drawn[measure] for measure in TOKENS), strict=True)):
                at = model, subset.name, key
                if layout is Layout.LM_EVAL:  # words
                    options = "" if is_generated(name) else " ".join(labels(subset.items[key]))
                    sent = len(f"{subset.prompts[key]} {options}".split())
                if layout is not Layout.MMLU_PRO:  # which does not tell what was sent
                    found["prompt_tokens"][at] = sent
                if not is_generated(name) and layout is not Layout.MMLU_PRO:
                    found["completion_tokens"][at] = 0
                elif layout in (Layout.LM_EVAL, Layout.MMLU_PRO):
                    found["completion_tokens"][at] = n_words(written)
                elif written:  # an empty list is no count
                    found["completion_tokens"][at] = written
    return {measure: costs for measure, costs in found.items() if costs}


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (Layout.WIDE, "arc"),
        (Layout.WIDE, "musr"),
        (Layout.LM_EVAL, "gsm8k"),
        (Layout.LM_EVAL, "truthfulqa"),
        (Layout.DETAILS_OLD, "winogrande"),
        (Layout.DETAILS_NEW, "gsm8k"),
        (Layout.MMLU_PRO, "mmlu_pro"),
        (Layout.ROUTEREVAL, "ifeval"),
    ],
)
def test_sources_find_the_faults(tmp_path: Path, layout: Layout, name: str) -> None:
    faults = applicable(layout, name)
    truth = write(tmp_path / "dumps", Plan(models=9, layout=layout, benchmarks=(name,), faults=faults))
    found = read_all(tmp_path, truth, layout, name)
    assert {place: (len(rows), rows[-1]) for place, rows in found.bad.items()} == {
        (i.file, i.reason): (i.quarantined, i.row)
        for i in truth.injuries
        if i.reason is not None and i.reason not in LATER
    }
    whole = true_scores(truth, name)
    gone = {
        (i.model_id, i.subset, key)
        for i in truth.injuries
        if i.reason is not Reason.CONFLICTING_GOLD
        for key in i.lost
    }
    rerun = {(i.model_id, i.subset) for i in truth.injuries if i.fault is Fault.RERUN}
    assert {k: scores for k, scores in found.scores.items() if k[:2] not in rerun} == {
        k: [score] for k, score in whole.items() if k not in gone and k[:2] not in rerun
    }
    for key in whole:
        if key[:2] in rerun:
            assert whole[key] in found.scores[key]
            assert len(found.scores[key]) == 2
    # every third harness log has a second line per document, of a filter that does not count; one is cut off
    lines = 3 * len(truth.bank(name).source) if (layout, name) == (Layout.LM_EVAL, "gsm8k") else 0
    assert found.n_read == len(whole) + sum(i.extra for i in truth.injuries) + lines
    within = sum(i.superseded for i in truth.injuries if i.fault is not Fault.RERUN)
    assert found.n_superseded == within + max(0, lines - 1)
