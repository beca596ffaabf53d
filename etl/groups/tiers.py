"""Which models the tiers of `[groups] tiers` hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from routerset.release.evaluator.tiers import TIERS, tiers_in
from routerset.schemas.store import JsonObject


def of_tiers(models: Path, tiers: Collection[str]) -> tuple[str, ...] | None:
    """The models of some tiers, by a file of table `models`; None where no tier is named: all of them."""
    if not tiers:
        return None
    return tuple(sorted(model for model, tier in tiers_in(models).items() if tier in tiers))


def told_of(models: Path, tiers: Collection[str]) -> JsonObject:
    """What a manifest says of the tiers that were named, where any was: these, and the models of each tier.

    chosen: those named, in the order of `TIERS`. models: how many each tier has, those left out too, which
    tells what became of models of unknown size.
    """
    if not tiers:
        return {}
    found = Counter(tiers_in(models).values())
    named = [tier for tier in TIERS if tier in tiers]
    return {"chosen": named, "models": {tier: found[tier] for tier in TIERS if tier in named or found[tier]}}
