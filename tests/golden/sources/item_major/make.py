"""Writes the inputs of these golden folders that are no plain text; run it as a script."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def main() -> None:
    """Write all of them."""
    answer = pa.struct(
        [("num_input_tokens", pa.int64()), ("num_output_tokens", pa.int64()), ("score", pa.float64())]
    )

    def answers(*rows: tuple[int | None, int | None, float | None] | None) -> pa.Array:
        names = answer.names if hasattr(answer, "names") else [field.name for field in answer]
        return pa.array([None if row is None else dict(zip(names, row, strict=True)) for row in rows], answer)

    sprout = pa.table(
        {
            "key": ["m-0", "m-1", "g-0", "g-1"],
            "dataset": ["openhermes/teknium", "openhermes/teknium", "gpqa", "gpqa"],
            "dataset_level": [0.5, 1.0, 0.0, None],
            "dataset_idx": [0, 1, 0, 1],
            "prompt": ["Write a poem.", "Write a list.", "Which atom?", None],
            "golden_answer": ["", None, "H", "He"],
            "aws-titan-text-premier-v1": answers((3, 40, 0.5), None, (4, 1, 1.0), (4, 2, None)),
            "openai-gpt-4o": answers((3, 20, 1.0), (3, None, 0.75), (4, -1, 0.0), (None, 2, 2.0)),
            "wxai-llama-3-1-8b": answers((5, 0, 0.0), (5, 1, 0.0), (6, 2, 0.0), (6, 3, float("nan"))),
        }
    )
    pq.write_table(sprout, HERE / "sprout" / "dump" / "train-00000-of-00001.parquet", row_group_size=3)
    both = ["lab/a", "lab/b"]
    compendium = pa.table(
        {
            "prompt": [f"What is {i}?" for i in range(8)],
            "dataset": ["maths", "maths", "maths", "art", "art", "art", "art", "art"],
            "models_name": [both, both[::-1], both, both, None, [], ["lab/a", "lab/a"], ["lab/b", None]],
            "models_performance": pa.array(
                [[1, 0], [0.5, float("nan")], [1], [None, 2], None, [], [1, 1], [0.25, 1]],
                pa.list_(pa.float32()),
            ),
            "embedding": [[0.5, 0.25]] * 8,
        }
    )
    pq.write_table(compendium, HERE / "compendium" / "dump" / "perf.parquet")
    lists = compendium.select(["prompt", "dataset"]).slice(0, 3).to_pylist()
    cells = ["['lab/a', 'lab/b']", "[1, 0.0]"], ['["lab/a", "lab/b"]', "[null, 1]"], ["['lab/a']", "[1, 0]"]
    header = "prompt,dataset,models_name,models_performance\n"
    quoted = ('"' + cell.replace('"', '""') + '"' for row in cells for cell in row)
    text = "".join(
        f"{row['prompt']} (in text),{row['dataset']},{next(quoted)},{next(quoted)}\n" for row in lists
    )
    (HERE / "compendium" / "dump" / "text.csv").write_text(header + text)


if __name__ == "__main__":
    main()
