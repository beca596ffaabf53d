"""What encoders see of items: a text, its identity, and its tokens; of a text that is too long, the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS = ("question", "prompt")
"""What of an item an encoder may see."""
_WORD_BREAK = re.compile(r"(?<=\S) (?=\S)")
_CHARS_PER_TOKEN = 8
# a tokenizer may treat the very start of a text in its own way: that far in, nothing of it is left
_MARGIN = 32


def embed_text(question: str | None, prompt: str | None, which: Literal["question", "prompt"]) -> str:
    """The question or the prompt of an item; each stands in for the other where it is null.

    An item with neither has the empty text, which encoders see as their special tokens alone.
    """
    first, second = (question, prompt) if which == "question" else (prompt, question)
    return first if first is not None else second if second is not None else ""


def text_key(text: str) -> bytes:
    """SHA-256 of a well-formed text, 32 bytes: its identity in the cache."""
    return sha256(text.encode()).digest()


def tokenize(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int
) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:
    """Token ids of each text, special tokens included, and whether its start was cut off.

    A text of more than `max_tokens` tokens keeps its first special token and its *end*: in a
    few-shot prompt the question comes last (ROUTEREVAL, point 11). The tokenizer puts one special
    token first; it neither truncates nor pads.
    """
    ends = [_end(text, _CHARS_PER_TOKEN * max_tokens) for text in texts]
    encoded = [np.array(e.ids, dtype=np.int64) for e in tokenizer.encode_batch_fast(ends)]
    short = [
        i for i, text in enumerate(texts) if ends[i] is not text and len(encoded[i]) < max_tokens + _MARGIN
    ]
    for i, whole in zip(short, tokenizer.encode_batch_fast([texts[i] for i in short]), strict=True):
        encoded[i] = np.array(whole.ids, dtype=np.int64)
    truncated = np.array([len(ids) > max_tokens for ids in encoded], dtype=np.bool_)
    kept = [
        np.concatenate((ids[:1], ids[len(ids) - max_tokens + 1 :])) if cut else ids
        for ids, cut in zip(encoded, truncated, strict=True)
    ]
    return kept, truncated


def _end(text: str, chars: int) -> str:
    """About the last `chars` characters of a text, from the space before a word on.

    Tokenizers split at such a space first, so the end has the tokens that it has in the whole
    text; not having to tokenise the rest makes long prompts several times faster.
    """
    if len(text) <= chars:
        return text
    found = _WORD_BREAK.search(text, len(text) - chars)
    return text[found.start() :] if found else text
