"""TIGER-Lab MMLU-Pro results: one zip per model around one JSON list of answers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from routerset.etl.synth import names
from routerset.etl.synth.documents import document
from routerset.etl.synth.faults import Injury, Target, injury
from routerset.etl.synth.plan import Fault
from routerset.etl.synth.records import Record, mistaken, records, row_at_fault
from routerset.etl.synth.truth import Truth, subsets
from routerset.etl.synth.wording import LETTERS, Item

_FIRST_QUESTION = 70
_EPOCH = (2024, 6, 1, 0, 0, 0)


def write(folder: Path, truth: Truth, benchmark: str, targets: tuple[Target, ...]) -> list[Injury]:
    """Write `model_outputs_<org__name>_5shots.zip` (every other one `.json.zip`) below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    models = truth.models(benchmark)
    injuries = []
    for subset in subsets(truth, benchmark, targets):
        n = len(subset.items)
        scores = truth.scores(benchmark, subset.name)
        for place, model in enumerate(models):
            struck = subset.target(place)
            # runs start with another category
            start = place * n // len(models)
            rows = records([*range(start, n), *range(start)], scores[:, place].tolist(), struck)
            stem = f"model_outputs_{names.folder_name(model)}_{subset.benchmark.shots}shots"
            file = folder / f"{stem}{'.json' if place % 2 else ''}.zip"
            answers = [_answer(subset.items, row, place) for row in rows]
            data = _zipped(f"{stem}.json", json.dumps(answers, indent=2 if place % 3 == 0 else None))
            if struck is not None:
                injuries.append(injury(struck, model, file, folder, n, row_at_fault(struck, rows)))
                if struck.fault is Fault.TRUNCATED:
                    data = data[: len(data) * 2 // 3]
            file.write_bytes(data)
    return injuries


def question_id(key: int) -> int:
    """Number of a question in the data set: neither from 0 nor without gaps."""
    return _FIRST_QUESTION + key + key // 50


def _answer(items: Sequence[Item], row: Record, place: int) -> object:
    if row.stray:
        return "assistant: I cannot answer this."
    item = mistaken(items[row.key]) if row.wrong_gold else items[row.key]
    n = len(item.choices)
    right = row.score == 1.0
    # now and then no answer could be parsed from what the model wrote
    lost = not right and (row.key + place) % 8 == 0
    pred = None if lost else LETTERS[item.gold if right else (item.gold + 1 + place % (n - 1)) % n]
    text = "I do not know." if pred is None else f"The answer is ({pred})."
    of_this_set = {"question_id": question_id(row.key), "src": f"ori_mmlu-{item.topic}"}
    written = {"pred": pred, "model_outputs" if place % 2 else "generated_text": text}
    return document(item) | of_this_set | written


def _zipped(member: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(member, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, text, compresslevel=1)
    return buffer.getvalue()
