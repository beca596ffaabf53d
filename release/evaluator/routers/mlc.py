"""MLC: roberta-base fine-tuned on the raw prompts, one label per candidate (needs torch, transformers)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..metrics import softmax
from ..task import Floats, Scores, Task
from .linear import sigmoid

EPOCHS, BATCH, RATE, WARMUP, DECAY, TOKENS = 10, 10, 5e-5, 500, 0.01, 512
MODEL_VARIABLE = "EVALUATOR_MLC_MODEL"


def no_model() -> str | None:
    """Why it cannot run here, unless it is made with a model."""
    return None if os.environ.get(MODEL_VARIABLE) else "no --mlc-model FOLDER"


class MultiLabelRoberta:
    """Fine-tunes a local copy of roberta-base for one cell: 10 epochs, batches of 10, AdamW 5e-5, 512 tokens.

    model: folder with the model and its tokenizer; by default the environment variable EVALUATOR_MLC_MODEL.
    A prompt that is too long keeps its end, where the question is; with compat its start, as the reference.
    """

    uses_vectors = False
    entropy_floor = 1e-4

    def __init__(self, model: str | None = None) -> None:
        self.model = model or os.environ.get(MODEL_VARIABLE)

    def fit(self, task: Task) -> None:
        """Fine-tune, then score the test prompts. Raises InputError without the model or the libraries."""
        if not self.model or not (Path(self.model) / "config.json").is_file():
            raise InputError(
                f"router 'mlc' fine-tunes a local roberta-base, and {self.model or 'no folder'} holds none: "
                f"download FacebookAI/roberta-base and pass --mlc-model FOLDER (or set {MODEL_VARIABLE})"
            )
        self.logits = fine_tune(self.model, task)

    def predict_scores(self, task: Task) -> Floats:
        """sigmoid(logits): see `LinearRouter.predict_scores`."""
        return sigmoid(self.logits)

    def predict_proba(self, task: Task) -> Floats:
        """See `selection_probabilities`."""
        return selection_probabilities(self.logits, task.compat)


def selection_probabilities(logits: Floats, compat: bool = False) -> npt.NDArray[np.float64]:
    """softmax(logits); with compat relu(logits) / sum, and the first candidate where no logit is positive.

    The reference divides 0 by 0 there, drops the NaN from E_p and takes index 0: hence the E_p of 0.00 in
    the paper's Table 2.
    """
    if not compat:
        return softmax(logits)
    positive = np.maximum(np.asarray(logits, np.float64), 0)
    positive[positive.sum(axis=1) == 0, 0] = 1
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def warm_up_then_decay(step: int, steps: int) -> float:
    """Factor of the learning rate: linear up to 1 over the warm-up, then linear down to 0."""
    return min(step / WARMUP, max(0.0, (steps - step) / max(1, steps - WARMUP)))


def fine_tune(folder: str, task: Task) -> Scores:
    """Test logits (n_test, m) of the fine-tuned model, on a GPU where there is one."""
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise InputError(f"router 'mlc' needs torch and transformers ({error}): pip install them") from None

    # Every cell starts from a new classifier, and transformers would report that each time.
    silencers: list[Callable[[], None]] = [logging.set_verbosity_error, logging.disable_progress_bar]
    for silence in silencers:
        silence()
    torch.manual_seed(task.seed)
    side = "right" if task.compat else "left"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, truncation_side=side)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, num_labels=task.m, problem_type="multi_label_classification"
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    undecayed = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    skip = {id(p) for p in undecayed}
    decayed = [p for p in model.parameters() if id(p) not in skip]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": DECAY}, {"params": undecayed, "weight_decay": 0.0}], lr=RATE
    )
    limit = min(TOKENS, model.config.max_position_embeddings - 2)

    def encode(texts: list[str]) -> dict[str, torch.Tensor]:
        batch = tokenizer(texts, truncation=True, max_length=limit, padding=True, return_tensors="pt")
        return {name: values.to(device) for name, values in batch.items()}

    prompts = task.read_prompts("train")
    labels = torch.tensor(task.labels_train, dtype=torch.float32)
    rng = np.random.default_rng(task.stream)
    batches = [
        rows
        for _ in range(EPOCHS)
        for rows in np.array_split(rng.permutation(len(prompts)), range(BATCH, len(prompts), BATCH))
    ]
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(warm_up_then_decay, steps=len(batches)))
    for rows in batches:
        loss = model(**encode([prompts[i] for i in rows]), labels=labels[rows].to(device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rates.step()
        optimiser.zero_grad()
    model.eval()
    tests = task.read_prompts("test")
    with torch.no_grad():
        chunks = [
            model(**encode(tests[i : i + BATCH])).logits.float().cpu() for i in range(0, len(tests), BATCH)
        ]
    logits: Scores = torch.cat(chunks).numpy()
    return logits
