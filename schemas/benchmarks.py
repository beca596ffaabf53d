"""The registry of benchmarks: what each one holds, and how its leaderboard scores it.

Item counts, metrics and reference scores are those of RouterEval, Table 4. A config can declare others, and
change these, for its build alone (`schemas/registry.py`); subsets that a dump names beyond the listed ones
are ordered after them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

MMLU_SUBJECTS = (
    "abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge",
    "college_biology", "college_chemistry", "college_computer_science", "college_mathematics",
    "college_medicine", "college_physics", "computer_security", "conceptual_physics", "econometrics",
    "electrical_engineering", "elementary_mathematics", "formal_logic", "global_facts",
    "high_school_biology", "high_school_chemistry", "high_school_computer_science",
    "high_school_european_history", "high_school_geography", "high_school_government_and_politics",
    "high_school_macroeconomics", "high_school_mathematics", "high_school_microeconomics",
    "high_school_physics", "high_school_psychology", "high_school_statistics", "high_school_us_history",
    "high_school_world_history", "human_aging", "human_sexuality", "international_law", "jurisprudence",
    "logical_fallacies", "machine_learning", "management", "marketing", "medical_genetics",
    "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition", "philosophy", "prehistory",
    "professional_accounting", "professional_law", "professional_medicine", "professional_psychology",
    "public_relations", "security_studies", "sociology", "us_foreign_policy", "virology",
    "world_religions",
)  # fmt: skip
MMLU_COUNTS = (
    100, 135, 152, 100, 265, 144, 100, 100, 100, 173, 102, 100, 235, 114, 145, 378, 126, 100, 310, 203,
    100, 165, 198, 193, 390, 270, 238, 151, 545, 216, 204, 237, 223, 131, 121, 108, 163, 112, 103, 234,
    100, 783, 346, 895, 306, 311, 324, 282, 1534, 272, 612, 110, 245, 201, 100, 166, 171,
)  # fmt: skip
MMLU_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "biology": ("college_biology", "high_school_biology"),
    "business": ("business_ethics", "management", "marketing"),
    "chemistry": ("college_chemistry", "high_school_chemistry"),
    "computer science": (
        "college_computer_science", "computer_security", "high_school_computer_science", "machine_learning",
    ),
    "culture": ("human_sexuality", "sociology"),
    "economics": ("econometrics", "high_school_macroeconomics", "high_school_microeconomics"),
    "engineering": ("electrical_engineering",),
    "geography": ("high_school_geography",),
    "health": (
        "anatomy", "clinical_knowledge", "college_medicine", "human_aging", "medical_genetics", "nutrition",
        "professional_medicine", "virology",
    ),
    "history": (
        "high_school_european_history", "high_school_us_history", "high_school_world_history", "prehistory",
    ),
    "law": ("international_law", "jurisprudence", "professional_law"),
    "math": (
        "abstract_algebra", "college_mathematics", "elementary_mathematics", "high_school_mathematics",
        "high_school_statistics",
    ),
    "other": ("global_facts", "miscellaneous", "professional_accounting"),
    "philosophy": (
        "formal_logic", "logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy",
        "world_religions",
    ),
    "physics": ("astronomy", "college_physics", "conceptual_physics", "high_school_physics"),
    "politics": (
        "high_school_government_and_politics", "public_relations", "security_studies", "us_foreign_policy",
    ),
    "psychology": ("high_school_psychology", "professional_psychology"),
}  # fmt: skip
"""Subjects of MMLU by category: the 17 sub-categories of its authors (hendrycks/test, categories.py)."""
BBH_TASKS = (
    "boolean_expressions", "causal_judgement", "date_understanding", "disambiguation_qa",
    "formal_fallacies", "geometric_shapes", "hyperbaton", "logical_deduction_five_objects",
    "logical_deduction_seven_objects", "logical_deduction_three_objects", "movie_recommendation",
    "navigate", "object_counting", "penguins_in_a_table", "reasoning_about_colored_objects", "ruin_names",
    "salient_translation_error_detection", "snarks", "sports_understanding", "temporal_sequences",
    "tracking_shuffled_objects_five_objects", "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects", "web_of_lies",
)  # fmt: skip
BBH_COUNTS = (250, 187, *(250,) * 11, 146, 250, 250, 250, 178, *(250,) * 6)
MATH_TOPICS = (
    "algebra", "counting_and_prob", "geometry", "intermediate_algebra", "num_theory", "prealgebra",
    "precalculus",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Where a prompt holds its question: patterns of what stands before it, of which the last counts, and of
    what follows it, of which the first does. All before the former is few-shot text.
    """

    before: str
    after: str

    def find(self, prompt: str) -> str | None:
        """The question without white space around it; None where the prompt has another form."""
        starts = [found.end() for found in re.finditer(self.before, prompt)]
        rest = prompt[starts[-1] :] if starts else ""
        end = re.search(self.after, rest)
        return (rest[: end.start()].strip() or None) if end else None


QUESTION_ANSWER = Asked(r"(?:\A|\n\n)Question: ", r"\nAnswer:\s*\Z")
Q_A = Asked(r"(?:\A|\n\n)Q: ", r"\nA:\s*\Z")
LAST_BLOCK = Asked(r"\A|\n\n", r"\Z")
LETTERED = Asked(
    r"\AThe following are multiple choice questions \(with answers\) about [^\n]*\.\n\n|\nAnswer: [A-J]\n\n",
    r"\nA\. ",
)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    name: the short name used in paths and dataset configs.
    leaderboard: `v1` or `v2` of the Open LLM Leaderboard; of others, its name.
    shots: few-shot examples in the prompt, where known.
    subsets: subset name -> number of items at full size, 0 where not known, in canonical order.
    metric: the metric that counts; `metric_aliases` are other names that dumps use for it.
    binary: every score is 0 or 1.
    reference_model, reference_score: the denominator of V_R, a share in [0, 1].
    filters: answer filters of the harness in its own order; the first one counts.
    asked: where a prompt holds its question, if a rule separates it from the few-shot text.
    publish_text: whether the authors allow the question text to be published.
    models: number of LLMs at full size, 0 where not known.
    range: least and greatest score in dumps, which are scaled to [0, 1]. categories: of subsets, or of
    patterns of their names (`category_of`). category_field: the field of a harness's documents that tells
    theirs. tasks: names in dumps that a config gives. declared: what a config said, as it said it
    (`registry.Declared`).
    """

    name: str
    title: str
    leaderboard: str
    shots: int | None
    subsets: dict[str, int]
    metric: str
    reference_model: str | None
    reference_score: float | None
    models: int
    license: str
    citation: str
    metric_aliases: tuple[str, ...] = ()
    binary: bool = True
    asked: Asked | None = None
    publish_text: bool = True
    filters: tuple[str, ...] = ()
    range: tuple[float, float] = (0.0, 1.0)
    categories: Mapping[str, str] = field(default_factory=dict)
    category_field: str | None = None
    tasks: tuple[str, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metric that counts, its own first."""
        return (self.metric, *self.metric_aliases)

    @property
    def n_items(self) -> int:
        """Number of items at full size."""
        return sum(self.subsets.values())

    def reference(self, metric: str, n_items: int) -> tuple[float | None, str | None]:
        """Reference score for scores by a metric on so many items; None, and why, where it is of others."""
        if self.reference_score is None:
            return None, "no score of a reference LLM is known"
        if metric != self.metric:
            return None, f"the reference LLM was scored by {self.metric}, these LLMs by {metric}"
        if n_items != self.n_items and all(self.subsets.values()):
            return None, f"the reference LLM was scored on {self.n_items} items, these LLMs on {n_items}"
        return self.reference_score, None

    def question_in(self, prompt: str) -> str | None:
        """The question of a prompt, without few-shot text; None where no rule finds it."""
        return self.asked.find(prompt) if self.asked else None

    def category_of(self, subset: str) -> str | None:
        """Category of all items of a subset: its own, else that of the longest pattern it fits; or None.

        `*` in a pattern stands for any letters.
        """
        fitting = [
            key for key in self.categories if key == subset or ("*" in key and fnmatchcase(subset, key))
        ]
        best = max(fitting, key=lambda key: ("*" not in key, len(key), key), default=None)
        return None if best is None else self.categories[best]

    def subset_order(self, subset: str) -> tuple[int, str]:
        """Sort key of a subset: registry order first, then unknown subsets by name."""
        names = list(self.subsets)
        return (names.index(subset), subset) if subset in self.subsets else (len(names), subset)


_ROWS = (
    Benchmark(
        name="arc",
        title="AI2 Reasoning Challenge, challenge set",
        leaderboard="v1",
        shots=25,
        subsets={"arc": 1172},
        metric="acc_norm",
        reference_model="GPT-3.5",
        reference_score=0.852,
        models=5000,
        license="CC-BY-SA-4.0",
        citation="Clark et al., 2018, arXiv:1803.05457",
        asked=QUESTION_ANSWER,
    ),
    Benchmark(
        name="hellaswag",
        title="HellaSwag",
        leaderboard="v1",
        shots=10,
        subsets={"hellaswag": 10042},
        metric="acc_norm",
        reference_model="GPT-4",
        reference_score=0.953,
        models=5000,
        license="MIT",
        citation="Zellers et al., 2019, arXiv:1905.07830",
        asked=LAST_BLOCK,
    ),
    Benchmark(
        name="mmlu",
        title="Massive Multitask Language Understanding",
        leaderboard="v1",
        shots=5,
        subsets=dict(zip(MMLU_SUBJECTS, MMLU_COUNTS, strict=True)),
        metric="acc",
        reference_model="GPT-4",
        reference_score=0.864,
        models=5000,
        license="MIT",
        citation="Hendrycks et al., 2021, arXiv:2009.03300",
        asked=LETTERED,
        categories={each: name for name, subjects in MMLU_CATEGORIES.items() for each in subjects},
    ),
    Benchmark(
        name="truthfulqa",
        title="TruthfulQA, multiple choice",
        leaderboard="v1",
        shots=0,
        subsets={"truthfulqa": 817},
        metric="mc2",
        reference_model="Qwen1.5-32B",
        reference_score=0.669,
        models=5000,
        license="Apache-2.0",
        citation="Lin et al., 2022, arXiv:2109.07958",
        binary=False,
        asked=Q_A,
    ),
    Benchmark(
        name="winogrande",
        title="WinoGrande, XL validation",
        leaderboard="v1",
        shots=5,
        subsets={"winogrande": 1267},
        metric="acc",
        reference_model="GPT-4",
        reference_score=0.875,
        models=5000,
        license="Apache-2.0",
        citation="Sakaguchi et al., 2020, arXiv:1907.10641",
        asked=LAST_BLOCK,  # the sentence up to its blank, and the first option in it
    ),
    Benchmark(
        name="gsm8k",
        title="Grade School Math 8K",
        leaderboard="v1",
        shots=5,
        subsets={"gsm8k": 1319},
        metric="acc",
        metric_aliases=("exact_match",),
        reference_model="GPT-4",
        reference_score=0.920,
        models=5000,
        license="MIT",
        citation="Cobbe et al., 2021, arXiv:2110.14168",
        filters=("strict-match", "flexible-extract"),
        asked=QUESTION_ANSWER,
    ),
    Benchmark(
        name="ifeval",
        title="Instruction-Following Evaluation",
        leaderboard="v2",
        shots=0,
        subsets={"ifeval": 541},
        metric="prompt_level_strict_acc",
        reference_model="GPT-4",
        reference_score=0.7689,
        models=3811,
        license="Apache-2.0",
        citation="Zhou et al., 2023, arXiv:2311.07911",
    ),
    Benchmark(
        name="bbh",
        title="BIG-Bench Hard",
        leaderboard="v2",
        shots=3,
        subsets=dict(zip(BBH_TASKS, BBH_COUNTS, strict=True)),
        metric="acc_norm",
        reference_model="GPT-4",
        reference_score=0.8303,
        models=3811,
        license="MIT",
        citation="Suzgun et al., 2023, arXiv:2210.09261",
    ),
    Benchmark(
        name="gpqa",
        title="Graduate-Level Google-Proof Q&A",
        leaderboard="v2",
        shots=0,
        subsets={"diamond": 198, "extended": 546, "main": 448},
        metric="acc_norm",
        reference_model="GPT-4",
        reference_score=0.397,
        models=3811,
        license="CC-BY-4.0",
        citation="Rein et al., 2023, arXiv:2311.12022",
        publish_text=False,
        category_field="High-level domain",
    ),
    Benchmark(
        name="musr",
        title="Multistep Soft Reasoning",
        leaderboard="v2",
        shots=0,
        subsets={"murder_mysteries": 250, "object_placements": 256, "team_allocation": 250},
        metric="acc_norm",
        reference_model="GPT-4",
        reference_score=0.699,
        models=3811,
        license="MIT",
        citation="Sprague et al., 2024, arXiv:2310.16049",
    ),
    Benchmark(
        name="math_lvl5",
        title="MATH, level 5",
        leaderboard="v2",
        shots=4,
        subsets=dict(zip(MATH_TOPICS, (307, 123, 132, 280, 154, 193, 135), strict=True)),
        metric="exact_match",
        reference_model="GPT-4",
        reference_score=0.400,
        models=3811,
        license="MIT",
        citation="Hendrycks et al., 2021, arXiv:2103.03874",
    ),
    Benchmark(
        name="mmlu_pro",
        title="MMLU-Pro",
        leaderboard="v2",
        shots=5,
        subsets={"mmlu_pro": 12032},
        metric="acc",
        reference_model="GPT-4 Turbo",
        reference_score=0.637,
        models=1823,
        license="Apache-2.0",
        citation="Wang et al., 2024, arXiv:2406.01574",
        category_field="category",
    ),
)

BENCHMARKS: dict[str, Benchmark] = {b.name: b for b in _ROWS}
