"""The text of an item that an encoder sees."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal


def embed_text(question: str | None, prompt: str | None, which: Literal["question", "prompt"]) -> str:
    """The question or the prompt of an item; each stands in for the other where it is null.

    An item with neither has the empty text, which encoders see as their special tokens alone.
    """
    first, second = (question, prompt) if which == "question" else (prompt, question)
    return first if first is not None else second if second is not None else ""


def well_formed(text: str) -> str:
    """Text that UTF-8 can carry: surrogate pairs become their character, lone surrogates U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_key(text: str) -> bytes:
    """SHA-256 of a well-formed text, 32 bytes: its identity in the cache."""
    return sha256(text.encode()).digest()
