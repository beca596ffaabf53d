"""What answers cost, as synthetic dumps tell it: numbers, lists of tokens, or texts of some length."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from routerset.etl.synth.plan import RECIPES
from routerset.etl.synth.truth import Subset, Truth
from routerset.schemas.tables import COST_MEASURES, TOKENS

LEAST_WORDS, MORE_WORDS = 4, 32
"""Words of an answer: so many, and up to as many more. They are few, since texts take most of a dump."""
TOKENIZER: Mapping[str, object] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"word": 0}, "unk_token": "word"},
}
"""The tokenizer that comes with dumps whose texts are to be counted: a token is a word between spaces."""


def draw_tokens(truth: Truth, subset: Subset, place: int) -> dict[str, np.ndarray]:
    """Tokens of one model's answers to the items of a subset: int64 (items,) per measure."""
    lengths = np.array([len(prompt) for prompt in subset.prompts])
    one = slice(place, place + 1)
    costs = draw_costs(truth, subset.benchmark.name, subset.name, 0, lengths, one)
    return {name: costs[name][:, 0].astype(np.int64) for name in TOKENS}


def is_generated(benchmark: str) -> bool:
    """Whether answers to a benchmark are written; else options are ranked, and nothing is."""
    return RECIPES[benchmark].choices == 0


def answer_of(tokens: int, ending: str = "") -> str:
    """An answer that has as many words as `n_words` says. ending: its last words, `LEAST_WORDS` at most."""
    more = n_words(tokens) - len(ending.split())
    return " ".join([*["well"] * more, *([ending] if ending else [])])


def n_words(tokens: int) -> int:
    """Words of an answer that took so many tokens."""
    return LEAST_WORDS + tokens % MORE_WORDS


def draw_costs(
    truth: Truth, benchmark: str, subset: str, start: int, lengths: np.ndarray, place: slice = slice(None)
) -> dict[str, np.ndarray]:
    """What all models' answers to some items cost: float32 (items, models) per measure, NaN where unknown.

    start: of the items in their subset. lengths: of their prompts, in characters. place: of some models on
    the leaderboard. The larger a model, the dearer and slower; every fourth has no price, and one latency in
    sixteen was lost.
    """
    bank = truth.bank(benchmark)
    items = np.arange(start, start + len(lengths), dtype=np.uint64) + np.uint64(bank.rows(subset).start)
    models = truth.places(benchmark)[place].astype(np.uint64)
    mixed = _mix(items[:, None] * np.uint64(1 << 20) + models + np.uint64(truth.plan.seed << 44))
    prompt = np.broadcast_to((lengths // 4 + 1)[:, None].astype(np.float64), mixed.shape)
    completion = (mixed % np.uint64(512)).astype(np.float64)
    size = 1.0 + (models % np.uint64(6)).astype(np.float64)
    usd = np.where(models % np.uint64(4) == 3, np.nan, (prompt + 3 * completion) * size / 1e6)
    latency = np.where(mixed >> np.uint64(60) == 0, np.nan, 0.25 + completion * size / 128)
    found = dict(zip(COST_MEASURES, (usd, prompt, completion, latency), strict=True))
    return {name: values.astype(np.float32) for name, values in found.items()}


def _mix(values: np.ndarray) -> np.ndarray:
    """Numbers that look random, of numbers (splitmix64, Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
