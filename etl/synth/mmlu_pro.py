"""TIGER-Lab MMLU-Pro results: one zip per model around one JSON list of answers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from routerset.etl.synth import names
from routerset.etl.synth.costs import answer_of
from routerset.etl.synth.documents import document
from routerset.etl.synth.runs import Record, Run, mistaken
from routerset.etl.synth.truth import Subset
from routerset.etl.synth.wording import LETTERS
from routerset.schemas.tables import TOKENS

_FIRST_QUESTION = 70
_EPOCH = (2024, 6, 1, 0, 0, 0)


@dataclass(frozen=True)
class Zips:
    """Results as `model_outputs_<org__name>_5shots.zip`, every other one `.json.zip`."""

    folder: Path
    subset: Subset

    def order(self, place: int) -> Sequence[int]:
        """Runs start with another category."""
        n = len(self.subset.items)
        start = 7 * place % n
        return [*range(start, n), *range(start)]

    def save(self, run: Run) -> tuple[Path, int]:
        """Write one zip; returns it, and the number of entries of every record."""
        shots = self.subset.benchmark.shots
        stem = f"model_outputs_{names.folder_name(run.model)}_{shots}shots"
        file = self.folder / f"{stem}{'.json' if run.place % 2 else ''}.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        answers = [self._answer(row, run) for row in run.rows]
        with zipfile.ZipFile(file, "w") as archive:
            member = zipfile.ZipInfo(f"{stem}.json", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            text = json.dumps(answers, indent=2 if run.place % 3 == 0 else None)
            archive.writestr(member, text, compresslevel=1)
        return file, 1

    def _answer(self, row: Record, run: Run) -> object:
        place = run.place
        if row.stray:
            return "assistant: I cannot answer this."
        item = self.subset.items[row.key]
        item = mistaken(item) if row.wrong_gold else item
        n = len(item.choices)
        right = row.score == 1.0
        # now and then no answer could be parsed from what the model wrote
        lost = not right and (row.key + place) % 8 == 0
        pred = None if lost else LETTERS[item.gold if right else (item.gold + 1 + place % (n - 1)) % n]
        text = "I do not know." if pred is None else f"The answer is ({pred})."
        if run.tokens:
            text = answer_of(int(run.tokens[TOKENS[1]][row.key]), text)
        # numbers in the data set start neither from 0 nor are they without gaps
        number = _FIRST_QUESTION + row.key + row.key // 50
        of_this_set = {"question_id": number, "src": f"ori_mmlu-{item.topic}"}
        return (
            document(item)
            | of_this_set
            | {"pred": pred, "model_outputs" if place % 2 else "generated_text": text}
        )
