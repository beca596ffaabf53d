"""What the items of a benchmark are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError

Names = npt.NDArray[np.object_]

_DOMAINS = {
    "biology": "college_biology high_school_biology",
    "business": "business_ethics management marketing",
    "chemistry": "college_chemistry high_school_chemistry",
    "computer science": "college_computer_science computer_security high_school_computer_science "
    "machine_learning",
    "culture": "human_sexuality sociology",
    "economics": "econometrics high_school_macroeconomics high_school_microeconomics",
    "engineering": "electrical_engineering",
    "geography": "high_school_geography",
    "health": "anatomy clinical_knowledge college_medicine human_aging medical_genetics nutrition "
    "professional_medicine virology",
    "history": "high_school_european_history high_school_us_history high_school_world_history prehistory",
    "law": "international_law jurisprudence professional_law",
    "math": "abstract_algebra college_mathematics elementary_mathematics high_school_mathematics "
    "high_school_statistics",
    "other": "global_facts miscellaneous professional_accounting",
    "philosophy": "formal_logic logical_fallacies moral_disputes moral_scenarios philosophy world_religions",
    "physics": "astronomy college_physics conceptual_physics high_school_physics",
    "politics": "high_school_government_and_politics public_relations security_studies us_foreign_policy",
    "psychology": "high_school_psychology professional_psychology",
}
DOMAINS: Mapping[str, str] = {
    subject: domain for domain, subjects in _DOMAINS.items() for subject in subjects.split()
}
"""Subject of MMLU -> its sub-category, one of 17 (hendrycks/test, categories.py): Routoo, Figure 3."""


def categories(table: pa.Table) -> Names:
    """What each item counts as: its `category` where the release tells one, else its `subset` (RouterBench+).

    table: columns `subset` and, but in older releases, `category`. Returns (rows,) texts.
    """
    of_subset = _texts(table, "subset")
    if "category" not in table.column_names:
        return of_subset
    told = _texts(table, "category")
    return np.where(told == "", of_subset, told)


def _texts(table: pa.Table, column: str) -> Names:
    """A column of texts, or of nothing, as objects; "" for null. Raises DataError for any other."""
    try:
        texts = pc.fill_null(table[column].cast(pa.string()), "")
    except pa.ArrowException as error:
        raise DataError(f"column {column}: found {table[column].type}, expected texts") from error
    return np.asarray(texts.to_numpy(zero_copy_only=False), object)


@dataclass(frozen=True)
class Grouping:
    """A way to tell items apart. of: name of each item's group, from its category and its subset."""

    name: str
    says: str
    of: Callable[[Sequence[str], Sequence[str]], Sequence[str]]


GROUPINGS: dict[str, Grouping] = {
    grouping.name: grouping
    for grouping in (
        Grouping("category", "what the release says, else the subset", lambda about, subsets: about),
        Grouping("subset", "the subset", lambda about, subsets: subsets),
        Grouping(
            "domain",
            "the category, MMLU's 57 subjects as their 17 sub-categories",
            lambda about, subsets: [DOMAINS.get(name, name) for name in about],
        ),
    )
}
"""Registry: one row here adds a way."""
