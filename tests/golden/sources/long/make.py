"""Writes the inputs of these golden folders that are no plain text; run it as a script."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def main() -> None:
    """Write all of them."""
    table = pa.table(
        {
            "meta": [{"model": "org/a"}, {"model": "org/a"}, {"model": "org/b"}, {"model": "org/b"}, None],
            "id": [0.0, 1.0, 0.0, 1.0, 2.0],
            "question": ["zero", "one", "zero", "one", None],
            "choices": pa.array([["a", "b"], None, ["a", "b"], None, None]),
            "gold": pa.array([0, None, 0, None, None], pa.int64()),
            "eval": [{"score": True}, {"score": False}, {"score": True}, None, {"score": True}],
            "usage": [
                {"cost": 0.5, "in": 3},
                {"cost": float("nan"), "in": None},
                {"cost": None, "in": -3},
                {"cost": 0.25, "in": 4},
                {"cost": 0.25, "in": 4},
            ],
            "took.s": pa.array([1.5, float("inf"), None, 2.0, 2.0], pa.float32()),
        }
    )
    pq.write_table(table, HERE / "parquet" / "dump" / "results.parquet")


if __name__ == "__main__":
    main()
