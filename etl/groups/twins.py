"""Who stands for twins where groups are chosen."""

from __future__ import annotations

from routerset.etl.stages.base import Context
from routerset.schemas.tables import TABLES
from routerset.schemas.twins import standing_for_twins


def named_in(context: Context) -> tuple[str, ...] | None:
    """The models that stand for twins, where groups take one of each set of twins, else None."""
    if context.config.groups.twins == "all":
        return None
    return standing_for_twins(context.out / TABLES["models"].path())
