"""The default encoder equals the library it replaces, on real questions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from embed.encoders import ENCODERS
from embed.model import Policy, encode, model_path

PROMPTS = Path(__file__).resolve().parents[3] / "shared" / "dumps" / "openllm_v2_wide" / "prompts"
MINILM = ENCODERS["minilm"]


def test_minilm_equals_sentence_transformers_on_real_questions() -> None:
    """Of texts over the limit we keep the end, so the library is given that end."""
    if not PROMPTS.is_dir():
        pytest.skip("the real dumps (folder `shared` beside the checkout) are not here")
    from sentence_transformers import SentenceTransformer

    questions = sorted(
        {row["prompt"] for path in PROMPTS.glob("*.csv") for row in csv.DictReader(path.open())}
    )
    texts = questions[:: len(questions) // 500][:500]
    actual = encode(texts, [MINILM], policy=Policy(dtype="float32", device="cpu"))

    library = SentenceTransformer(model_path(MINILM, {}), device="cpu")
    tokenizer = library.tokenizer
    ends = []
    for text, cut in zip(texts, actual.truncated, strict=True):
        offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
        ends.append(text[offsets[-(MINILM.max_tokens - 2)][0] :] if cut else text)
    expected = library.encode(ends)
    assert len(texts) == 500
    assert 0 < actual.truncated.sum() < 400
    np.testing.assert_allclose(actual.vectors["minilm"], expected, atol=1e-5)
