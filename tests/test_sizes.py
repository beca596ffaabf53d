"""How large a model is, by its description, a table of mixtures, or its name."""

from __future__ import annotations

import pytest

from routerset.etl.ingest.sizes import METADATA, MIXTURES, NAME, TABLE, Size, size_of


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("org/Llama-2-7b-hf", 7.0),
        ("TinyLlama-1.1B-step-50K-105b", 1.1),
        ("EleutherAI/pythia-410m", 0.41),
        ("Qwen/Qwen-1_8B-Chat", 1.8),
        ("stablelm-2-1_6b", 1.6),
        ("h2ogpt-6_9b", 6.9),
        ("LLaMA_2_7B", 7.0),
        ("model_42_70b", 70.0),
        ("orca_mini_v3_13b", 13.0),
        ("bigscience/bloom-7b1", 7.1),
        ("llama7b", 7.0),
        ("Mistral-7Bv0.1", 7.0),
        ("org/model-70b@4bit-9b", 70.0),
        ("70b/model", None),
        ("gpt-4-0613", None),
        ("llama-v2-4k-Q4_K_M", None),
        ("model-4bit-int8-fp16", None),
        ("claude-3-7-sonnet-20250219", None),
        ("gemma-3n-e4b", None),
        ("Beyonder-4x7B-v2", None),
        ("Yi-34Bx2-MoE", None),
        ("model-0b", None),
        ("b", None),
    ],
)
def test_a_name_tells_a_size(name: str, size: float | None) -> None:
    assert size_of(name) == (Size(size, size, NAME) if size else Size())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", Size(46.7, 12.9, TABLE)),
        ("open-mixtral-8x22b", Size(141.0, 39.0, TABLE)),
        ("Qwen/Qwen3-30B-A3B", Size(30.0, 3.0, NAME)),
        ("Hunyuan-A13B", Size(None, 13.0, NAME)),
        ("lab/moe-20b", Size(None, None, None)),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", Size(7.0, 7.0, NAME)),
    ],
)
def test_a_mixture_is_one_of_the_table_or_tells_what_is_active(name: str, expected: Size) -> None:
    assert size_of(name) == expected


def test_a_description_counts_before_a_name() -> None:
    assert size_of("org/gemma-7b", 8.54) == Size(8.54, 8.54, METADATA)
    assert size_of("org/Mixtral-8x7B", 7.24) == Size(7.24, None, METADATA)
    assert size_of("org/merge", 46.7, None, "MixtralForCausalLM") == Size(46.7, 12.9, METADATA)
    assert size_of("org/merge", 24.2, None, "MixtralForCausalLM") == Size(24.2, None, METADATA)
    assert size_of("org/merge", 24.2, None, None, True) == Size(24.2, None, METADATA)
    assert size_of("org/merge", 24.2, 12.9, None, True) == Size(24.2, 12.9, METADATA)
    assert size_of("org/merge", 7.0, 12.9) == Size(7.0, None, METADATA)
    assert size_of("org/large", listed_b=45.0) == Size(45.0, 45.0, TABLE)


def test_the_table_of_mixtures_is_sound() -> None:
    for row in MIXTURES:
        assert 0 < row.active_params_b < row.params_b
        assert row.url.startswith("https://")
        assert all(glob == glob.lower() for glob in row.names)
