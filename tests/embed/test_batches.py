"""Batches: complete, within budget, nearly free of padding; a full device is survived."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from routerset.embed import packed
from routerset.embed.batches import plan_batches
from routerset.embed.encoders import Pooling
from routerset.embed.errors import ModelUnusable
from routerset.embed.model import Policy, encode
from tests.embed.tiny import MAX_TOKENS, save_model, text_of, tiny_encoder


@given(lengths=st.lists(st.integers(2, 600), max_size=200), budget=st.integers(1, 5000))
def test_every_text_is_in_one_batch_within_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in batch) <= budget or len(batch) == 1 for batch in batches)
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(lengths, reverse=True)


def test_padding_is_below_five_percent(tmp_path: Path) -> None:
    """At the default budget and block, for lengths as skewed as those of real questions."""
    lengths = np.random.default_rng(0).lognormal(3, 0.5, 1500).astype(int).clip(2, MAX_TOKENS)
    folder = save_model("bert", tmp_path)
    texts = [text_of(n) for n in lengths]
    encoded = encode(texts, [tiny_encoder("tiny")], policy=Policy(device="cpu"), paths={"tiny": folder})
    assert int(encoded.tokens.sum()) == lengths.sum()
    assert 0 < encoded.padding_waste <= 0.05


def limit_memory(monkeypatch: pytest.MonkeyPatch, most_rows: int) -> list[int]:
    """A device whose memory holds so many rows; returns the rows of every batch tried."""
    forward = packed.PackedEncoder.forward
    tried: list[int] = []

    def limited(
        self: packed.PackedEncoder, batch: packed.PackedTexts, poolings: set[Pooling]
    ) -> dict[Pooling, torch.Tensor]:
        tried.append(len(batch.tokens))
        if len(batch.tokens) > most_rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, batch, poolings)

    monkeypatch.setattr(packed.PackedEncoder, "forward", limited)
    return tried


def test_the_budget_is_halved_until_batches_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save_model("bert", tmp_path)
    texts = [text_of(2 + i % (MAX_TOKENS - 2)) for i in range(200)]
    policy = Policy(dtype="float32", device="cpu", token_budget=2048, block=64)
    arguments = {"encoders": [tiny_encoder("tiny")], "policy": policy, "paths": {"tiny": folder}}
    expected = encode(texts, **arguments)
    tried = limit_memory(monkeypatch, most_rows=600)
    with caplog.at_level(logging.WARNING):
        actual = encode(texts, **arguments)
    np.testing.assert_array_equal(actual.vectors["tiny"], expected.vectors["tiny"])
    assert [rows > 600 for rows in tried] == [True, True] + [False] * (len(tried) - 2)
    assert actual.rows == sum(tried[2:])
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory on cpu: 1024 tokens in a batch from now on",
        "out of memory on cpu: 512 tokens in a batch from now on",
    ]


def test_a_device_that_holds_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_model("bert", tmp_path)
    limit_memory(monkeypatch, most_rows=0)
    with pytest.raises(ModelUnusable, match="out of memory on cpu with 256 tokens in a batch; use the cpu"):
        encode(["text"], [tiny_encoder("tiny")], policy=Policy(device="cpu"), paths={"tiny": folder})
