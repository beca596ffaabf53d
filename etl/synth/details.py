"""Open LLM Leaderboard v1 details: one Parquet file per model and task, flat old or nested new columns.

Rows stand in an order that all models share but that is not the data set's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.synth import names
from routerset.etl.synth.costs import is_generated
from routerset.etl.synth.model import generator, uniforms
from routerset.etl.synth.plan import RECIPES, Layout
from routerset.etl.synth.runs import Record, Run, mistaken
from routerset.etl.synth.truth import Subset
from routerset.etl.synth.wording import Item
from routerset.schemas.tables import TOKENS

_SAME = {"truncated": 0}
_SAME_NEW = {"instruction": "", "pred_logits": [0.0], "padded": 0}
"""What all rows say alike."""


@dataclass(frozen=True)
class Details:
    """Files as `details_<org__name>/<time>/details_<task>_<time>.parquet`.

    The name of `folder` is the layout's and tells old columns from new ones.
    """

    folder: Path
    subset: Subset

    @property
    def old(self) -> bool:
        """Whether columns are those of the first files."""
        return self.folder.name == Layout.DETAILS_OLD

    def order(self, place: int) -> Sequence[int]:
        """The same for all models."""
        return self._shuffled

    @cached_property
    def _shuffled(self) -> list[int]:
        of = (self.subset.benchmark.name, self.subset.name, "order")
        drawn = uniforms(generator(self.subset.seed, *of), len(self.subset.items))
        found: list[int] = np.argsort(drawn, kind="stable").tolist()
        return found

    def save(self, run: Run) -> tuple[Path, int]:
        """Write one file; returns it, and the number of rows of every record."""
        known = names.task_name(self.subset.benchmark, self.subset.name, Layout(self.folder.name))
        task = f"harness|{names.UNKNOWN_TASK}|5" if run.unknown else known
        day = "2023-07-19" if self.old else "2023-12-03"
        time = names.timestamp(day, run.place, colons=self.old, days_before=run.days_before)
        folder = self.folder / f"details_{names.folder_name(run.model)}" / time
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"details_{task}_{time}.parquet"
        pq.write_table(self._table(run.rows, run.tokens, hashes=self.old and run.place % 2 == 1), file)
        return file, 1

    def _table(self, rows: Sequence[Record], tokens: Mapping[str, np.ndarray], hashes: bool) -> pa.Table:
        """Columns of one file, in the order of real files."""
        keys = [row.key for row in rows]
        columns = {name: self._texts[name].take(pa.array(keys)) for name in self._texts.column_names}
        if any(row.wrong_gold for row in rows):
            asked = [(self.subset.items[row.key], row.wrong_gold) for row in rows]
            columns |= _golds([mistaken(item) if wrong else item for item, wrong in asked], self.old)
        metrics = _metrics(self.subset.benchmark.name, np.array([r.score for r in rows]), np.array(keys))
        columns |= metrics if self.old else {"metrics": _struct(metrics)}
        columns |= self._answers(keys, tokens)
        if hashes:
            hashed = pa.array([f"{key:016x}" for key in keys])
            columns["hashes"] = _struct({"example": hashed, "full_prompt": hashed})
        return pa.table(columns)

    def _answers(self, keys: Sequence[int], tokens: Mapping[str, np.ndarray]) -> dict[str, pa.Array]:
        """What the LLM said, and lists of tokens; empty ones where the dumps tell no costs.

        Old files have a request per option, of which the last one is the longest.
        """
        generated, n = is_generated(self.subset.benchmark.name), len(keys)
        options = 1 if generated or not self.old else RECIPES[self.subset.benchmark.name].choices
        sent, written = (tokens[name][keys] if tokens else np.zeros(n, np.int64) for name in TOKENS)
        requests = (np.maximum(sent[:, None] - np.arange(options)[::-1], 1) * (sent[:, None] > 0)).ravel()
        options_written = np.repeat(written if generated else (sent > 0).astype(np.int64), options)
        said = pa.array(["It is so." if generated else [-1.5, -3.25]] * n)
        return {
            "predictions": said,
            "input_tokens": _token_lists(requests, options),
            "cont_tokens": _token_lists(options_written, options),
        }

    @cached_property
    def _texts(self) -> pa.Table:
        """Columns that all models share, one row per document."""
        items = self.subset.items
        questions = pa.array([item.question for item in items])
        if self.old:
            # the oldest files hold an id of the data set here, and no prompt
            ids = pa.array([f"{item.subset}_{item.key}" for item in items])
            columns = {"example": ids, "query": questions}
        else:
            columns = {"example": questions, "full_prompt": pa.array(self.subset.prompts)}
        columns["choices"] = pa.array([list(item.choices) or [item.answer] for item in items])
        same = _SAME if self.old else _SAME | _SAME_NEW
        repeated = {name: pa.array([value] * len(items)) for name, value in same.items()}
        return pa.table(columns | _golds(items, self.old) | repeated)


def _token_lists(lengths: np.ndarray, each: int) -> pa.Array:
    """Lists of tokens of some lengths, `each` of them to a row."""
    tokens = pa.array(np.zeros(int(lengths.sum()), np.int64))
    lists = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), tokens)
    return pa.ListArray.from_arrays(np.arange(0, len(lengths) + 1, each, dtype=np.int32), lists)


def _golds(items: Sequence[Item], old: bool) -> dict[str, pa.Array]:
    positions = pa.array([item.gold for item in items], pa.int64())
    if old:
        return {"gold": positions if items[0].choices else pa.array([item.answer for item in items])}
    return {"gold": pa.array([[item.answer] for item in items]), "gold_index": positions}


def _metrics(benchmark: str, scores: np.ndarray, keys: np.ndarray) -> dict[str, pa.Array]:
    """Metric columns. Without length normalisation another option often wins, hence acc of arc."""
    exact = pa.array(scores)
    match benchmark:
        case "arc" | "hellaswag":
            return {"acc": pa.array(np.where(keys % 3 == 0, 0.0, scores)), "acc_norm": exact}
        case "truthfulqa":
            return {"mc1": pa.array(np.where(scores > 0.5, 1.0, 0.0)), "mc2": exact}
        case _:
            return {"acc": exact}


def _struct(columns: Mapping[str, pa.Array]) -> pa.StructArray:
    return pa.StructArray.from_arrays([*columns.values()], [*columns])
