"""How large a model is: what it is described as, else a dated table of mixtures, else what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from routerset.schemas.ids import fold_model

METADATA, NAME, TABLE = "metadata", "name", "table"
"""Where a size is from: a file that describes models, the name, or a table (`MIXTURES`, or of prices)."""
CLOSE = 0.05
"""A mixture is one of the table where its size is that close to the one there."""


@dataclass(frozen=True)
class Mixture:
    """A mixture of experts: billions of parameters, and those that answer one token.

    names: globs of names without organisation, in lower case. architecture: class in the model's config.
    """

    names: tuple[str, ...]
    architecture: str
    params_b: float
    active_params_b: float
    url: str


_ARXIV = "https://arxiv.org/abs/"
_LLAMA_4 = "https://ai.meta.com/blog/llama-4-multimodal-intelligence/"
MIXTURES = (
    Mixture(("*8x7b*",), "MixtralForCausalLM", 46.7, 12.9, "https://mistral.ai/news/mixtral-of-experts"),
    Mixture(("*8x22b*",), "MixtralForCausalLM", 141.0, 39.0, "https://mistral.ai/news/mixtral-8x22b"),
    Mixture(
        ("qwen1.5-moe-a2.7b*",), "Qwen2MoeForCausalLM", 14.3, 2.7, "https://qwenlm.github.io/blog/qwen-moe/"
    ),
    Mixture(("deepseek-moe-16b*",), "DeepseekForCausalLM", 16.4, 2.8, f"{_ARXIV}2401.06066"),
    Mixture(
        ("deepseek-v2-lite*", "deepseek-coder-v2-lite*"),
        "DeepseekV2ForCausalLM",
        15.7,
        2.4,
        f"{_ARXIV}2405.04434",
    ),
    Mixture(
        (
            "deepseek-v2",
            "deepseek-v2-chat*",
            "deepseek-v2.5*",
            "deepseek-coder-v2-instruct*",
            "deepseek-coder-v2-base",
        ),
        "DeepseekV2ForCausalLM",
        236.0,
        21.0,
        f"{_ARXIV}2405.04434",
    ),
    Mixture(
        (
            "deepseek-v3",
            "deepseek-v3-base",
            "deepseek-v3-0324",
            "deepseek-v3.1",
            "deepseek-r1",
            "deepseek-r1-zero",
            "deepseek-r1-0528",
        ),
        "DeepseekV3ForCausalLM",
        671.0,
        37.0,
        f"{_ARXIV}2412.19437",
    ),
    Mixture(("jamba-v0.1*",), "JambaForCausalLM", 52.0, 12.0, f"{_ARXIV}2403.19887"),
    Mixture(("olmoe-1b-7b*",), "OlmoeForCausalLM", 6.9, 1.3, f"{_ARXIV}2409.02060"),
    Mixture(("phi-3.5-moe*",), "PhiMoEForCausalLM", 42.0, 6.6, f"{_ARXIV}2404.14219"),
    Mixture(("gpt-oss-120b*",), "GptOssForCausalLM", 116.8, 5.1, f"{_ARXIV}2508.10925"),
    Mixture(("gpt-oss-20b*",), "GptOssForCausalLM", 20.9, 3.6, f"{_ARXIV}2508.10925"),
    Mixture(("llama-4-scout*",), "Llama4ForConditionalGeneration", 109.0, 17.0, _LLAMA_4),
    Mixture(("llama-4-maverick*",), "Llama4ForConditionalGeneration", 400.0, 17.0, _LLAMA_4),
    Mixture(("glm-4.5-air*",), "Glm4MoeForCausalLM", 106.0, 12.0, f"{_ARXIV}2508.06471"),
    Mixture(("glm-4.5", "glm-4.5-fp8"), "Glm4MoeForCausalLM", 355.0, 32.0, f"{_ARXIV}2508.06471"),
)
"""Mixtures as those who made them describe them, 2025-11. A mixture of others is unknown, never guessed: four
experts of 7B are 24B where they share what is not an expert, and 28B where they do not."""
_MIXED = frozenset(row.architecture.lower() for row in MIXTURES)

# a number with a unit, alone or behind a word: `7b`, `1.1B`, `410m`, `llama13b`; never `4bit`, `q4`
_END = r"(?:(?![a-z0-9])|(?=v\d))"
_SIZE = re.compile(
    rf"(?<![a-z0-9.])(?:[a-z]{{3,}})?(\d{{1,4}}(?:\.\d+)?)([bm]){_END}|(?<![a-z0-9.])(\d)b(\d){_END}"
)
_DECIMAL = re.compile(rf"(?:(?<![a-z0-9_])\d|(?<![a-z0-9])[01])_\d(?=b{_END})")
_ACTIVE = re.compile(rf"(?<![a-z0-9.])a(\d{{1,4}}(?:\.\d+)?)([bm]){_END}")
_TIMES = re.compile(
    r"\d+x\d+(?:\.\d+)?[bm](?![a-z])|\d+[bm]?x\d+(?![a-z0-9.])|\d+b-\d+e(?![a-z0-9])|(?<![a-z])moe(?![a-z])"
)


@dataclass(frozen=True)
class Size:
    """Billions of parameters, those that answer one token, and where they are from; None where not known."""

    params_b: float | None = None
    active_params_b: float | None = None
    source: str | None = None


def billions(number: str, unit: str) -> float:
    """Billions of a number with a unit, B or M."""
    return float(number) / (1000.0 if unit.lower() == "m" else 1.0)


def size_of(
    model: str,
    params_b: float | None = None,
    active_params_b: float | None = None,
    architecture: str | None = None,
    is_moe: bool | None = None,
    listed_b: float | None = None,
) -> Size:
    """Size of a model by its id and what it is described as.

    listed_b: what a table of prices says. The total is the described one; else that of a known mixture, the
    listed one, the first in the name. All parameters of a model that is no mixture are active; of a mixture,
    those that the table or the name tells (`30B-A3B`), where they belong to that total.
    """
    name = fold_model(model).partition("@")[0].rpartition("/")[2]
    mixed = (architecture or "").lower() in _MIXED or "moe" in (architecture or "").lower()
    known = next(_mixtures(name, params_b, architecture), None)
    active = _active(name)
    mixture = bool(is_moe or mixed or known or active or _TIMES.search(name))
    named = None if _TIMES.search(name) and not active else _total(name)
    total, source = next(
        (
            (value, told)
            for value, told in (
                (params_b, METADATA),
                (known and known.params_b, TABLE),
                (listed_b, TABLE),
                (named, NAME),
            )
            if value
        ),
        (None, None),
    )
    if active_params_b is None:
        if not mixture:
            active_params_b = total
        elif known and total and _close(total, known.params_b):
            active_params_b = known.active_params_b
        else:
            active_params_b = active
    if active_params_b and total and active_params_b > total:
        active_params_b = None
    return Size(total, active_params_b, source or (NAME if active_params_b else None))


def _mixtures(name: str, params_b: float | None, architecture: str | None) -> Iterator[Mixture]:
    """Rows of `MIXTURES` that a name means, then those of the architecture and size."""
    yield from (row for row in MIXTURES if any(fnmatchcase(name, glob) for glob in row.names))
    for row in MIXTURES:
        if params_b and architecture == row.architecture and _close(params_b, row.params_b):
            yield row


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= CLOSE * other


def _total(name: str) -> float | None:
    """The first size in a name: what follows counts tokens, steps and the like (`1.1B-step-50K-105b`)."""
    match = _SIZE.search(_DECIMAL.sub(lambda found: found[0].replace("_", "."), name))
    if match is None:
        return None
    found = billions(match[1], match[2]) if match[1] else float(f"{match[3]}.{match[4]}")  # BLOOM's `7b1`
    return found or None


def _active(name: str) -> float | None:
    """What a name such as `30b-a3b` says to be active."""
    match = _ACTIVE.search(name)
    return (billions(match[1], match[2]) or None) if match else None
