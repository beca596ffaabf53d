"""Who answers what correctly: an item-response model in whole numbers, so that every machine agrees.

Three-parameter logistic model (Birnbaum, 1968): P(correct) = c + (1 - c) / (1 + exp(-a (theta - b))), with
one ability theta per model and topic. Abilities and difficulties are in logits x 1024, slopes x 256,
probabilities x 65536; a score is drawn by comparing 16 random bits with the probability. Models of one
organisation share strengths and weaknesses by topic, and some excel on one benchmark, so that groups of
candidates complement each other and the topic of a question tells whom to ask. In the world `rasch` (Rasch,
1960) a model has one ability for everything, all slopes are one and nobody guesses: what is left to a router
there is noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from hashlib import blake2b

import numpy as np

from routerset.etl.synth.plan import RECIPES, World
from routerset.schemas.benchmarks import Benchmark

TOPICS = ("astronomy", "cooking", "finance", "law", "medicine", "music", "sailing", "software")
UNIT = 1024
"""One logit."""
N_FAMILIES = 12
N_POPULATION = 8500
"""Models on any leaderboard."""
_ROW = 5000
"""Random draws per item whatever the number of models, so that a slice of the models has the same scores."""
_CHUNK = 256


def generator(seed: int, *purpose: str | int) -> np.random.PCG64:
    """Bit generator of its own for every purpose; the same on every machine."""
    name = "/".join(map(str, ("synth", seed, *purpose)))
    return np.random.PCG64(int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little"))


def uniforms(bits: np.random.PCG64, n: int) -> np.ndarray:
    """uint16 (n,): 16 random bits each."""
    return bits.random_raw(-(-n // 4)).astype("<u8").view("<u2")[:n]


def normals(bits: np.random.PCG64, n: int) -> np.ndarray:
    """int64 (n,): near-normal numbers with mean 0 and standard deviation `UNIT`.

    The sum of twelve uniforms has standard deviation 1; it takes no logarithm, whose last bit differs
    between machines.
    """
    total: np.ndarray = uniforms(bits, 12 * n).reshape(12, n).astype(np.int64).sum(axis=0)
    return (total - 6 * 65536) >> 6


@dataclass(frozen=True)
class Population:
    """All models that could be asked.

    family: int (N_POPULATION,). ability: int64 (topics, N_POPULATION), logits x 1024.
    """

    seed: int
    family: np.ndarray
    ability: np.ndarray
    world: World = World.TOPICS

    def name(self, model: int) -> str:
        """Model name as `org/name`; the organisation tells the family."""
        return f"org-{self.family[model]}/model-{model:04d}"


def population(seed: int, world: World = World.TOPICS) -> Population:
    """Draw all models: a level per family and model, and per family two strong topics and a few weak ones."""
    bits = generator(seed, "models")
    family = uniforms(bits, N_POPULATION) % N_FAMILIES
    # every topic is strong in some family: families walk through the topics two by two
    strong = np.array([[(2 * f + k) % len(TOPICS) for k in (0, 1 + f // 4)] for f in range(N_FAMILIES)])
    taste = normals(bits, len(TOPICS) * N_FAMILIES).reshape(len(TOPICS), N_FAMILIES) // 4 - UNIT // 4
    taste[strong.T, np.arange(N_FAMILIES)] += 2 * UNIT
    level = normals(bits, N_FAMILIES)[family] // 4 + normals(bits, N_POPULATION) // 2
    own = normals(bits, len(TOPICS) * N_POPULATION).reshape(len(TOPICS), N_POPULATION) // 4
    if world is World.RASCH:
        return Population(seed, family, np.tile(2 * level, (len(TOPICS), 1)), world)
    return Population(seed, family, taste[:, family] + level + own)


@dataclass(frozen=True)
class ItemBank:
    """Items of one benchmark in canonical order, and how hard they are.

    sizes: subset -> items. source: int64 (items,), number of the question behind each item; items with
    the same number ask the same question. topic, difficulty (logits x 1024), slope (x 256): int64 (items,).
    """

    benchmark: Benchmark
    sizes: dict[str, int]
    source: np.ndarray
    topic: np.ndarray
    difficulty: np.ndarray
    slope: np.ndarray

    def rows(self, subset: str) -> range:
        """Positions of a subset's items in canonical order."""
        names = list(self.sizes)
        start = sum(self.sizes[s] for s in names[: names.index(subset)])
        return range(start, start + self.sizes[subset])


def item_bank(
    seed: int, benchmark: Benchmark, sizes: dict[str, int], world: World = World.TOPICS
) -> ItemBank:
    """Draw the items of a benchmark; parameters belong to the question, so twins are equally hard."""
    n = sum(sizes.values())
    source = _sources(benchmark.name, sizes)
    bits = generator(seed, benchmark.name, "items")
    topic = (uniforms(bits, n) % len(TOPICS)).astype(np.int64)
    difficulty = normals(bits, n) - RECIPES[benchmark.name].ease
    slope = 200 + (uniforms(bits, n).astype(np.int64) >> 8)
    if world is World.RASCH:
        slope[:] = 256
    return ItemBank(benchmark, sizes, source, topic[source], difficulty[source], slope[source])


def _sources(benchmark: str, sizes: dict[str, int]) -> np.ndarray:
    """Question behind each item, with the repetitions that the real benchmarks have."""
    source = np.arange(sum(sizes.values()))
    if benchmark == "hellaswag":
        # stems repeat with other endings
        source -= (source % 4 == 3).astype(source.dtype)
    elif benchmark == "gpqa":
        # diamond lies inside main, and main inside extended
        start = sizes["diamond"]
        source[:start] = start + np.arange(start)
        main = start + sizes["extended"]
        source[main:] = start + np.arange(sizes["main"])
    elif benchmark == "mmlu":
        # some questions stand in two subjects
        start = 0
        for k, n in enumerate(sizes.values()):
            twins = (n // 60 or int(k % 19 == 1)) if k % 2 else 0
            source[start + n - twins : start + n] = source[start - twins : start]
            start += n
    return source


@cache
def _probabilities(choices: int) -> np.ndarray:
    """uint16 (4096,): P(correct) x 65536 for a (theta - b) from -8 to 8 logits in steps of 1/256.

    Decimal's exponential is correctly rounded, hence the same everywhere.
    """
    logistic = [1 / (1 + (Decimal(2048 - i) / 256).exp()) for i in range(4096)]
    guess = Decimal(1) / choices if choices else Decimal(0)
    return np.array([min(65535, int((guess + (1 - guess) * p) * 65536)) for p in logistic], np.uint16)


def draw_scores(
    people: Population, bank: ItemBank, models: np.ndarray, rows: range | None = None
) -> Iterator[np.ndarray]:
    """Scores of `models` on the items in `rows` (default: all), a chunk of items at a time.

    Yields float32 (items, models) in [0, 1], exact multiples of 1/65536. A score depends on seed,
    benchmark, item and the model's place on the leaderboard alone.
    """
    name = bank.benchmark.name
    rows = rows or range(len(bank.source))
    alike = people.world is World.RASCH
    table = _probabilities(RECIPES[name].choices if bank.benchmark.binary and not alike else 0)
    bonus = 0 if alike else _bonus(people.seed, name)[: len(models)]
    ability = (people.ability[:, models] + bonus).astype(np.int32)
    bits = generator(people.seed, name, "scores").advance(rows.start * _ROW // 4)
    for start in range(rows.start, rows.stop, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, rows.stop))
        n = chunk.stop - chunk.start
        dice = uniforms(bits, n * _ROW).reshape(n, _ROW)[:, : len(models)]
        logit = ability[bank.topic[chunk]]
        logit -= bank.difficulty[chunk, None].astype(np.int32)
        logit *= bank.slope[chunk, None].astype(np.int32)
        logit >>= 10
        logit += 2048
        np.clip(logit, 0, 4095, out=logit)
        chance = table[logit]
        if bank.benchmark.binary:
            yield (dice < chance).astype(np.float32)
        else:
            spread = chance.astype(np.int32) + (dice >> 1) - 16384
            yield (np.clip(spread, 0, 65536) / np.float32(65536)).astype(np.float32)


def _bonus(seed: int, benchmark: str) -> np.ndarray:
    """int64 (_ROW,): what a model knows of this benchmark beyond its level; one in 16 is a specialist."""
    bits = generator(seed, benchmark, "specialists")
    bonus: np.ndarray = normals(bits, _ROW) // 8
    bonus[uniforms(bits, _ROW) < 4096] += UNIT * 3 // 4
    return bonus
