"""Dump formats. A new one is one file with `discover` and `read`, and one line here."""

from __future__ import annotations

from routerset.etl.sources import (
    details,
    every_eval_ever,
    helm,
    inspect_logs,
    item_major,
    llmrouterbench,
    lm_eval,
    long,
    mmlu_pro,
    routereval,
    wide,
)
from routerset.etl.sources.base import Source

SOURCES: dict[str, Source] = {
    s.name: s
    for s in (
        wide.SOURCE,
        lm_eval.SOURCE,
        details.SOURCE,
        mmlu_pro.SOURCE,
        routereval.SOURCE,
        long.SOURCE,
        item_major.SOURCE,
        llmrouterbench.SOURCE,
        every_eval_ever.SOURCE,
        inspect_logs.SOURCE,
        helm.SOURCE,
    )
}
