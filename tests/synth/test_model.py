"""The item-response model: the same numbers everywhere, whatever part is asked for, and worth routing."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

from routerset.etl.synth import Plan, Scale, World
from routerset.etl.synth.model import TOPICS, UNIT, draw_scores, generator, item_bank, normals, population
from routerset.etl.synth.truth import Truth
from routerset.etl.synth.wording import WORDS, write_items
from routerset.schemas.benchmarks import BENCHMARKS

FULL = Plan(scale=Scale.FULL, models=300)
DIGESTS = {
    "arc": "e7a4c300b9b94a5c",
    "hellaswag": "e2f43d090b8596b5",
    "mmlu": "96cf69a9092830c0",
    "truthfulqa": "f8cb82070ff21c01",
    "winogrande": "aaf9d286648dab08",
    "gsm8k": "babaf1304d045071",
    "ifeval": "dd16be231eac2f36",
    "bbh": "bab13c25c46597e4",
    "gpqa": "c19898c6dbfbc766",
    "musr": "c069567bfde8ac34",
    "math_lvl5": "8d067f5563a84e73",
    "mmlu_pro": "a1874aadbaf25559",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_scores_are_the_same_on_every_machine(name: str) -> None:
    scores = Truth(Plan()).scores(name)
    assert sha256(scores.astype("<f4").tobytes()).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_scores_lie_in_their_range_and_are_exact(name: str) -> None:
    scores = Truth(Plan()).scores(name)
    assert scores.dtype == np.float32
    if BENCHMARKS[name].binary:
        assert set(np.unique(scores).tolist()) == {0.0, 1.0}
    else:
        assert scores.min() >= 0.0
        assert scores.max() <= 1.0
        assert len(np.unique(scores)) > 100
        assert np.array_equal(scores * 65536, np.round(scores * 65536))


@pytest.mark.parametrize("name", ["gsm8k", "gpqa", "truthfulqa"])
def test_a_slice_of_models_or_items_has_the_same_scores(name: str) -> None:
    few, many = Truth(Plan(models=7)), Truth(Plan(models=60))
    assert np.array_equal(few.scores(name), many.scores(name)[:, :7])
    bank, places = many.bank(name), many.places(name)
    whole = many.scores(name)
    for start, stop in [(0, 1), (5, 30), (len(whole) - 1, len(whole))]:
        part = np.concatenate(list(draw_scores(many.people, bank, places, range(start, stop))))
        assert np.array_equal(part, whole[start:stop])


def test_seeds_differ() -> None:
    assert not np.array_equal(Truth(Plan(seed=1)).scores("arc"), Truth(Plan(seed=2)).scores("arc"))


def test_normals_are_nearly_normal() -> None:
    drawn = normals(generator(3, "test"), 100_000) / UNIT
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1.0) < 0.01
    assert abs(np.mean(np.abs(drawn) < 1.0) - 0.683) < 0.01


def test_scores_follow_the_three_parameter_logistic_model() -> None:
    truth = Truth(Plan(scale=Scale.FULL, models=2000, benchmarks=("arc",)))
    bank, scores = truth.bank("arc"), truth.scores("arc")
    theta = truth.abilities("arc")[bank.topic] / UNIT
    logit = bank.slope[:, None] / 256 * (theta - bank.difficulty[:, None] / UNIT)
    # what a model knows of one benchmark beyond its abilities spreads the curve a little
    for low in range(-4, 4):
        inside = (logit >= low) & (logit < low + 1)
        expected = np.mean(0.25 + 0.75 / (1 + np.exp(-logit[inside])))
        assert scores[inside].mean() == pytest.approx(expected, abs=0.05)


def test_the_topic_tells_whom_to_ask() -> None:
    """Among the strongest models, the best one per topic (chosen on train) beats the best one on test."""
    gains = []
    for name in DIGESTS:
        truth = Truth(Plan(scale=Scale.FULL, models=1000))
        scores, topic = truth.scores(name), truth.bank(name).topic
        train = np.arange(len(scores)) % 5 != 0
        strong = np.argsort(-scores[train].mean(axis=0), kind="stable")[:10]
        best = [
            int(strong[scores[train & (topic == t)][:, strong].mean(axis=0).argmax()])
            for t in range(len(TOPICS))
        ]
        routed = np.mean([scores[i, best[topic[i]]] for i in np.flatnonzero(~train)])
        gains.append(float(routed - scores[~train][:, strong].mean(axis=0).max()))
    assert np.mean(gains) > 0.02


def test_models_of_one_family_resemble_each_other() -> None:
    truth = Truth(Plan(scale=Scale.FULL, models=200))
    scores = truth.scores("mmlu")
    agreement = np.corrcoef(scores.T)
    family = truth.people.family[truth.places("mmlu")]
    same = family[:, None] == family
    apart = ~np.eye(len(family), dtype=bool)
    assert agreement[same & apart].mean() > agreement[~same].mean() + 0.02


def test_small_scale_has_every_subset_and_all_sides_of_a_split() -> None:
    total = 0
    for row in map(BENCHMARKS.__getitem__, DIGESTS):
        sizes = Plan().subset_sizes(row)
        assert list(sizes) == list(row.subsets)
        total += sum(sizes.values())
        assert sum(int(0.8 * n) for n in sizes.values()) > 0, row.name
        assert sum(int(0.9 * n) - int(0.8 * n) for n in sizes.values()) > 0, row.name
        assert sum(n - int(0.9 * n) for n in sizes.values()) > 0, row.name
    assert total <= 900


def test_full_scale_is_that_of_the_paper() -> None:
    truth = Truth(Plan(scale=Scale.FULL))
    records = sum(len(truth.bank(name).source) * len(truth.places(name)) for name in DIGESTS)
    assert records == 201_715_850
    everyone = {m for name in DIGESTS for m in truth.places(name).tolist()}
    assert len(everyone) == 8500


def test_gpqa_subsets_are_nested_and_mmlu_has_twins() -> None:
    for plan in (Plan(), FULL):
        truth = Truth(plan)
        asked = {s: set() for s in ("diamond", "main", "extended")}
        for item in truth.items("gpqa"):
            asked[item.subset].add(item.question)
        assert asked["diamond"] < asked["main"] < asked["extended"]
        twins = Counter(item.question for item in truth.items("mmlu"))
        assert set(twins.values()) == {1, 2}
    assert sum(n > 1 for n in twins.values()) == 90


def test_hellaswag_stems_repeat_with_other_endings() -> None:
    items = Truth(FULL).items("hellaswag")
    assert len({i.question for i in items}) < len(items)
    assert len({(i.question, i.choices) for i in items}) == len(items)


@pytest.mark.parametrize("name", DIGESTS)
def test_items_are_unique_in_their_subset_and_name_their_topic(name: str) -> None:
    row = BENCHMARKS[name]
    items = write_items(5, item_bank(5, row, dict(row.subsets)))
    assert len({(i.subset, i.question, i.choices) for i in items}) == len(items)
    for item in items[:: max(1, len(items) // 200)]:
        words = {w.strip(".,?:") for w in item.question.split()}
        assert item.topic in words
        foreign = {w for topic, nouns in WORDS.items() if topic != item.topic for w in nouns}
        assert words & set(WORDS[item.topic])
        assert not words & foreign
        assert not item.choices or item.choices[item.gold] == item.answer
        assert len(set(item.choices)) == len(item.choices)


def test_names_carry_the_family() -> None:
    people = population(0)
    assert people.name(42) == f"org-{people.family[42]}/model-0042"


def test_a_rasch_world_has_one_ability_for_everything_and_its_items_one_slope() -> None:
    people = population(0, World.RASCH)
    assert (people.ability == people.ability[0]).all()
    row = BENCHMARKS["gsm8k"]
    assert set(item_bank(0, row, dict(row.subsets), World.RASCH).slope.tolist()) == {256}
