"""Which text of an item is embedded, and what counts as the same text."""

from __future__ import annotations

from hashlib import sha256

import pytest

from routerset.embed.texts import embed_text, text_key
from routerset.schemas.ids import well_formed


@pytest.mark.parametrize(
    ("question", "prompt", "which", "expected"),
    [
        ("q", "p", "question", "q"),
        ("q", "p", "prompt", "p"),
        (None, "p", "question", "p"),
        ("q", None, "prompt", "q"),
        ("", "p", "question", ""),
        (None, None, "question", ""),
    ],
)
def test_question_and_prompt_stand_in_for_each_other(
    question: str | None, prompt: str | None, which: str, expected: str
) -> None:
    assert embed_text(question, prompt, which) == expected  # type: ignore[arg-type]


def test_surrogates_become_characters_or_the_replacement_character() -> None:
    assert well_formed("a\ud83e\udd89b") == "a🦉b"
    assert well_formed("a\ud800b\udfff") == "a\ufffdb\ufffd"
    untouched = "plain 日本 🦉 \x00 \ufffd"
    assert well_formed(untouched) is untouched


def test_the_key_is_the_hash_of_the_text() -> None:
    assert text_key("é") == sha256("é".encode()).digest()
