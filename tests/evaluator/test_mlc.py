"""The real fine-tuning, on a tiny RoBERTa that the test builds and saves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from routerset.release.evaluator import InputError, Release, Task, evaluate
from routerset.release.evaluator.routers import mlc
from routerset.release.evaluator.routers.mlc import MultiLabelRoberta, warm_up_then_decay
from tests.evaluator.test_metrics import make_task

WORDS = ("algebra", "poetry", "sum", "rhyme", "the", "of", "question", "filler")


@pytest.fixture(scope="module")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One layer, 16 dimensions, a vocabulary of letters; 24 positions, so longer prompts are cut."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

    folder = str(tmp_path_factory.mktemp("roberta"))
    special = ("<s>", "<pad>", "</s>", "<unk>")
    vocabulary = {word: i for i, word in enumerate((*special, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=26,
        pad_token_id=1,
        initializer_range=0.3,
    )
    RobertaForMaskedLM(config).save_pretrained(folder)  # as roberta-base is published, without a classifier
    return folder


def prompted(prompts: dict[str, list[str]], labels: Sequence[Sequence[int]], **changes: object) -> Task:
    return make_task(
        np.array(labels), n_test=len(prompts["test"]), read_prompts=lambda split: prompts[split], **changes
    )


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate and a warm-up that suit a model a millionth of the real one's size."""
    monkeypatch.setattr(mlc, "RATE", 5e-3)
    monkeypatch.setattr(mlc, "WARMUP", 5)


SUBJECTS = ["the sum of algebra", "the rhyme of poetry"]


def test_fine_tuning_learns_which_candidate_answers_what(tiny_roberta: str, hasty: None) -> None:
    prompts = {"train": SUBJECTS * 20, "test": SUBJECTS}
    task = prompted(prompts, [[1, 0], [0, 1]] * 20)
    router = MultiLabelRoberta(tiny_roberta)
    router.fit(task)
    assert router.predict_proba(task).argmax(axis=1).tolist() == [0, 1]
    again = MultiLabelRoberta(tiny_roberta)
    again.fit(task)
    assert np.array_equal(again.logits, router.logits)


@pytest.mark.parametrize(("compat", "apart"), [(False, True), (True, False)])
def test_a_long_prompt_keeps_its_end_and_with_compat_its_start(
    tiny_roberta: str, monkeypatch: pytest.MonkeyPatch, compat: bool, apart: bool
) -> None:
    monkeypatch.setattr(mlc, "EPOCHS", 1)
    shots = "filler " * 60
    prompts = {"train": SUBJECTS, "test": [shots + SUBJECTS[0], shots + SUBJECTS[1]]}
    task = prompted(prompts, [[1, 0], [0, 1]], compat=compat)
    router = MultiLabelRoberta(tiny_roberta)
    router.fit(task)
    assert (np.abs(router.logits[0] - router.logits[1]).max() > 1e-3) == apart


def test_it_is_scored_like_any_router(
    tiny_roberta: str, toy: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlc, "EPOCHS", 1)
    routers = {"mlc": lambda: MultiLabelRoberta(tiny_roberta)}
    rows = evaluate(toy, routers, benchmarks=["toy"], sizes=[3], resamples=10).rows
    assert [(row.router, row.encoder) for row in rows] == [("mlc", None)] * 3


def test_the_rate_warms_up_and_decays_to_zero() -> None:
    rates = [warm_up_then_decay(step, 1000) for step in (0, 250, 500, 750, 1000)]
    assert rates == [0, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize("folder", [None, "no/such/folder"])
def test_without_a_model_it_says_what_to_do(
    toy: Release, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    monkeypatch.delenv(mlc.MODEL_VARIABLE, raising=False)
    said = rf"{folder or 'no folder'} holds none: download FacebookAI/roberta-base and pass --mlc-model"
    with pytest.raises(InputError, match=said):
        evaluate(toy, {"mlc": lambda: MultiLabelRoberta(folder)})


def test_the_model_can_be_named_by_the_environment(
    tiny_roberta: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(mlc.MODEL_VARIABLE, tiny_roberta)
    assert MultiLabelRoberta().model == tiny_roberta
    assert MultiLabelRoberta(str(tmp_path)).model == str(tmp_path)
