"""Single corruptions of a good build, and the one expectation that names each; modules follow the suites."""

from __future__ import annotations

from tests.expectations.mutations import curated, derived, ingested, released, whole
from tests.expectations.mutations.edits import Mutation

MUTATIONS: tuple[Mutation, ...] = (
    *ingested.MUTATIONS,
    *curated.MUTATIONS,
    *derived.MUTATIONS,
    *whole.MUTATIONS,
    *released.MUTATIONS,
)
