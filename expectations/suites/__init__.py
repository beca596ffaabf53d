"""Every suite by name: one for each table, for whole folders, and one for raw dumps.

A new expectation is one row in one of these modules; a new suite is one line here.
"""

from __future__ import annotations

from routerset.expectations.findings import Suite
from routerset.expectations.suites.curated import CURATED, PSEUDO_SPECIALISTS
from routerset.expectations.suites.dumps import DUMPS
from routerset.expectations.suites.embeddings import EMBEDDINGS
from routerset.expectations.suites.groups import GROUPS, LIMITS
from routerset.expectations.suites.items import ITEMS
from routerset.expectations.suites.models import MODELS, PRICES
from routerset.expectations.suites.runs import QUARANTINE, RUNS
from routerset.expectations.suites.scores import COSTS, SCORES
from routerset.expectations.suites.splits import SPLITS
from routerset.expectations.suites.whole import BUILT, DRIFT, LAYOUT, MANIFEST, RELEASE

__all__ = ["DUMPS", "FOLDERS"]

FOLDERS: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        LAYOUT,
        MANIFEST,
        MODELS,
        PRICES,
        ITEMS,
        SCORES,
        COSTS,
        RUNS,
        CURATED,
        PSEUDO_SPECIALISTS,
        SPLITS,
        GROUPS,
        LIMITS,
        EMBEDDINGS,
        QUARANTINE,
        RELEASE,
        BUILT,
        DRIFT,
    )
}
"""Suites of builds, releases and tables, in the order in which they are reported."""
