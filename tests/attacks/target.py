"""A small release that nothing is wrong with: every kind of table, a version before it, and a report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from routerset.etl.groups.candidates import paper_groups
from routerset.release.build import write_release
from routerset.release.options import ReleaseOptions
from routerset.release.reporting.report import reports_hook
from routerset.schemas.ids import question_id
from routerset.schemas.splits import paper_split
from tests.release.builds import QUESTION, Bench, binary, write_build

SIZES = (3, 5, 1000)
READY = "ready"
ENCODERS = {READY: 4, "minilm": 384}
"""Dimensions of an encoder that came with the dumps, and of one of the registry."""


def benches() -> list[Bench]:
    """Plain with vectors, continuous, and withheld with twins and subsets."""
    shares = np.random.default_rng(3).random((20, 20), np.float32)
    return [
        Bench("gsm8k", binary(20, 20, 1), (), _families("gsm8k", 20), SIZES, ENCODERS),
        Bench("truthfulqa", shares, (), _families("truthfulqa", 20), SIZES, ENCODERS),
        Bench(
            "gpqa",
            binary(20, 30, 2),
            ["diamond"] * 10 + ["extended"] * 10 + ["main"] * 10,
            [f"fam-{i % 14}" for i in range(30)],
            SIZES,
            ENCODERS,
        ),
    ]


def _families(name: str, n: int) -> list[str]:
    return [question_id(QUESTION.format(name=name, item=i), None, "") for i in range(n)]


def make_release(root: Path) -> Path:
    """Write the release 1.1.0 after a 1.0.0 without its last benchmark."""
    build = write_build(root / "before", benches()[:2])
    write_release(build, root / "v1.0.0", _options(benches()[:2]))
    build = write_build(root / "now", benches())
    write_release(build, root / "release", _options(benches(), root / "v1.0.0"), reports=reports_hook)
    return root / "release"


def _options(made: list[Bench], previous: Path | None = None) -> ReleaseOptions:
    return ReleaseOptions(
        name="tiny",
        previous=previous,
        methods=("paper",),
        sizes=SIZES,
        accounting=[_accounted(bench) for bench in made],
        settings={"min_coverage": 1.0, "min_models_per_item": 0.5, "table_4": False},
        skipped_groups=[row for bench in made for row in _skipped(bench)],
        revisions={"minilm": f"local-{'0' * 16}"},  # its vectors are random
        encoders={READY: {"from_dump": [b.name for b in made if READY in b.encoders]}},
    )


def _accounted(bench: Bench) -> dict[str, object]:
    kept = bench.scores.size
    return {
        "source": "wide",
        "benchmark": bench.name,
        "read": kept + 5,
        "kept": kept,
        "superseded": 4,
        "quarantined": 1,
        "reasons": {"missing_score": 1},
        "joined": {"content": kept, "hash": 0, "key": 0},
        "notes": {"parse_failed": 2},
    }


def _skipped(bench: Bench) -> list[dict[str, object]]:
    subsets = list(bench.subsets or [bench.name] * bench.scores.shape[1])
    counts = [subsets.count(s) for s in dict.fromkeys(subsets)]
    _, skipped = paper_groups(bench.scores, SIZES, paper_split(counts)[1])
    return [
        {"benchmark": bench.name, "method": "paper", "m": s.m, "kind": s.kind.value, "reason": s.reason}
        for s in skipped
    ]
