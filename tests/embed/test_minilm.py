"""The default encoder equals the library it replaces, on real questions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from routerset.embed.encoders import ENCODERS
from routerset.embed.model import Policy, encode
from routerset.embed.weights import model_path

PROMPTS = Path(__file__).resolve().parents[3] / "shared" / "dumps" / "openllm_v2_wide" / "prompts"
MINILM = ENCODERS["minilm"]


def test_minilm_equals_sentence_transformers_on_real_questions() -> None:
    """On 480 short questions and 20 that are too long: the library, too, is told to keep the end."""
    if not PROMPTS.is_dir():
        pytest.skip("the real dumps (folder `shared` beside the checkout) are not here")
    from sentence_transformers import SentenceTransformer

    texts = prompts("math_*")[:480] + prompts("bbh_salient*")[-20:]
    actual = encode(texts, [MINILM], policy=Policy(dtype="float32", device="cpu"))
    library = SentenceTransformer(model_path(MINILM, {}), device="cpu")
    library.tokenizer.truncation_side = "left"
    expected = library.encode(texts)
    assert len(texts) == 500
    assert actual.truncated[-20:].all()
    np.testing.assert_allclose(actual.vectors["minilm"], expected, atol=1e-5)


def prompts(pattern: str) -> list[str]:
    """Distinct prompts of the files of that name, shortest first."""
    found = set()
    for path in PROMPTS.glob(f"{pattern}_prompts.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            found |= {row["prompt"] for row in csv.DictReader(file)}
    return sorted(found, key=lambda text: (len(text), text))
