"""The registry of task names: what each name in a dump stands for, and how its answers are scored.

Names are those of the Open LLM Leaderboards, of RouterEval's pickles, of lm-evaluation-harness and of
lighteval (`SUITE|NAME|SHOTS`, the suite absent since 0.11). A family is one row, with `{}` for the subset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from routerset.schemas.benchmarks import BENCHMARKS


@dataclass(frozen=True)
class Task:
    """Documents of one subset, asked and scored in one way.

    metrics: names of the metric that counts, the best first. filters: answer filters in the harness's own
    order; the first one counts. few_shot: examples in the prompt, where the name tells.
    """

    benchmark: str
    subset: str
    metrics: tuple[str, ...]
    filters: tuple[str, ...] = ()
    few_shot: int | None = None


@dataclass(frozen=True)
class Family:
    """Tasks that differ in their subset alone.

    names: spellings, with `{}` for the subset. metrics: the benchmark's where empty. spelled: subset as this
    family spells it, where that differs.
    """

    benchmark: str
    names: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)

    def tasks(self) -> Iterator[tuple[str, Task]]:
        """Every name of the family with its task."""
        metrics = self.metrics or BENCHMARKS[self.benchmark].metrics
        for subset in BENCHMARKS[self.benchmark].subsets:
            for name in self.names:
                task = Task(self.benchmark, subset, metrics, self.filters)
                yield name.format(self.spelled.get(subset, subset)), task


_EXACT = ("exact_match",)
_STRICT = ("strict-match", "flexible-extract")
_MINERVA = {"precalculus": "precalc"}
_MATH = {"counting_and_prob": "counting_and_probability", "num_theory": "number_theory"}
_CATEGORIES = (
    "biology", "business", "chemistry", "computer_science", "economics", "engineering", "health", "history",
    "law", "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip

_LEADERBOARDS = (
    Family("arc", ("arc_challenge", "harness_arc_challenge_25", "harness|arc-challenge|25")),
    Family("arc", ("harness|arc:challenge|25",)),
    Family("hellaswag", ("hellaswag", "harness_hellaswag_10", "harness|hellaswag|10")),
    Family("mmlu", ("harness|hendrycksTest-{}|5", "harness_hendrycksTest_{}_5", "mmlu_{}")),
    Family("truthfulqa", ("harness_truthfulqa_mc_0", "harness|truthfulqa-mc|0", "harness|truthfulqa:mc|0")),
    Family("winogrande", ("harness_winogrande_5", "harness|winogrande|5", "winogrande")),
    Family("gsm8k", ("gsm8k", "harness_gsm8k_5", "harness|gsm8k|5"), filters=_STRICT),
    Family("ifeval", ("leaderboard_ifeval", "ifeval")),
    Family("bbh", ("leaderboard_bbh_{}", "bbh_{}")),
    Family("gpqa", ("leaderboard_gpqa_{}", "gpqa_{}")),
    Family("musr", ("leaderboard_musr_{}", "musr_{}")),
    Family("math_lvl5", ("leaderboard_math_{}_hard", "math_{}_hard")),
    Family("mmlu_pro", ("leaderboard_mmlu_pro", "mmlu_pro"), ("acc", "exact_match"), ("custom-extract",)),
)
_HARNESS = (
    Family("arc", ("arc_challenge_chat",), _EXACT, ("remove_whitespace",)),
    Family("arc", ("arc_challenge_llama",), _EXACT, ("strict_match",)),
    Family("mmlu", ("mmlu_{}_continuation", "mmlu_flan_n_shot_loglikelihood_{}")),
    Family("mmlu", ("mmlu_{}_generative",), _EXACT, ("get_response",)),
    Family("mmlu", ("mmlu_flan_cot_fewshot_{}",), _EXACT, ("get-answer",)),
    Family("mmlu", ("mmlu_flan_cot_zeroshot_{}", "mmlu_flan_n_shot_generative_{}"), _EXACT, _STRICT),
    Family("mmlu", ("mmlu_llama_{}", "mmlu_cot_llama_{}"), _EXACT, ("strict_match",)),
    # the harness calls mc2 `acc` in this one task; mc1 is another measure, and never counts
    Family("truthfulqa", ("truthfulqa_mc2",), ("mc2", "acc")),
    Family("truthfulqa", ("truthfulqa_mc1",)),
    Family("gsm8k", ("gsm8k_cot", "gsm8k_cot_zeroshot", "gsm8k_cot_llama"), filters=_STRICT),
    Family("gsm8k", ("gsm8k_llama",), filters=("strict_match", "flexible_extract")),
    Family("gsm8k", ("gsm8k_cot_self_consistency",), filters=("score-first", "maj@64", "maj@8")),
    Family("bbh", ("bbh_fewshot_{}", "bbh_{}_fewshot"), _EXACT),
    Family("bbh", ("bbh_cot_fewshot_{}",), _EXACT, ("get-answer",)),
    Family("bbh", ("bbh_zeroshot_{}",), _EXACT, _STRICT),
    Family("bbh", ("bbh_cot_zeroshot_{}",), _EXACT, ("flexible-extract", "strict-match")),
    Family("gpqa", ("gpqa_{}_zeroshot", "gpqa_{}_n_shot"), ("acc_norm", "exact_match")),
    Family(
        "gpqa", ("gpqa_{}_generative_n_shot", "gpqa_{}_cot_n_shot", "gpqa_{}_cot_zeroshot"), _EXACT, _STRICT
    ),
    Family("math_lvl5", ("minerva_math_{}", "hendrycks_math_{}"), spelled=_MINERVA),
    Family("math_lvl5", ("minerva_math_{}", "hendrycks_math_{}"), spelled=_MATH),
    Family("mmlu_pro", tuple(f"mmlu_pro_{each}" for each in _CATEGORIES), _EXACT, ("custom-extract",)),
    Family("mmlu_pro", ("mmlu_pro_llama",), _EXACT, ("strict_match",)),
)
_GRADED = ("extractive_match", "qem", "em")
_BIGBENCH = {"causal_judgement": "causal_judgment"}
_LIGHTEVAL = (
    Family("arc", ("arc:challenge", "arc:c:letters", "arc:c:options", "arc:c:simple"),
           ("acc_norm", "acc", *_GRADED)),
    Family("hellaswag", ("hellaswag",), ("acc_norm", "acc", *_GRADED)),
    Family("mmlu", ("mmlu:{}", "hendrycksTest:{}"), ("acc", "em", "qem", "extractive_match")),
    Family("truthfulqa", ("truthfulqa:mc",), ("mc2", "truthfulqa_mc2")),
    Family("winogrande", ("winogrande",), ("acc", *_GRADED)),
    Family("gsm8k", ("gsm8k",), ("acc", *_GRADED)),
    Family("ifeval", ("ifeval",)),
    Family("bbh", ("bbh:{}", "bigbench_hard:{}"), ("acc_norm", "acc", *_GRADED)),
    Family("bbh", ("bbh:{}", "bigbench_hard:{}"), ("acc_norm", "acc", *_GRADED), spelled=_BIGBENCH),
    Family("gpqa", ("gpqa:{}",), ("acc_norm", "acc", *_GRADED, "gpqa_pass@k", "gpqa_pass@1")),
    Family("musr", ("musr:{}",), ("acc_norm", "acc", *_GRADED)),
    Family("math_lvl5", ("math:{}", "math_cot:{}"), ("exact_match", *_GRADED, "maj@n", "maj@4"),
           spelled=_MATH),
    Family("mmlu_pro", ("mmlu_pro",), ("acc", *_GRADED)),
)  # fmt: skip
_ASKED = re.compile(r"(?:[^|]+\|)?(?P<name>[^|]+)\|(?P<shots>\d{1,4})(?:\|[01])?")

TASKS: Mapping[str, Task] = {
    name: task for family in (*_LEADERBOARDS, *_HARNESS) for name, task in family.tasks()
}
"""Dump task name -> task, but for lighteval's, which carry a number of examples: see `find_task`."""
_NAMES = {
    name: task
    for family in _LIGHTEVAL
    for full, task in family.tasks()
    for name in (full, full.replace(":", "-", 1))
}
_NAMES |= {name: replace(_NAMES["gpqa:main"], subset="main") for name in ("gpqa", "gpqa:mc", "gpqa-mc")}


def find_task(name: str) -> Task | None:
    """The task behind a dump's task name, lighteval's `SUITE|NAME|SHOTS` included; None if unknown."""
    asked = _ASKED.fullmatch(name)
    task = TASKS.get(name) or (_NAMES.get(asked["name"]) if asked else None)
    return task and replace(task, few_shot=int(asked["shots"])) if asked else task
