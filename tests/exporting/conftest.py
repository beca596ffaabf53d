from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from routerset.release.build import write_release
from routerset.schemas import outfolder, store
from routerset.schemas.tables import ITEMS
from tests.release.builds import Bench, add_costs, binary, options, write_build

ODD = 'A "quoted", odd\r\ntext\u2028with | signs\tand \\ é 😀'


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with its release: missing scores, repeated and missing texts, costs, fractions."""
    rng = np.random.default_rng(3)
    scores = binary(20, 60, 1)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    benches = [
        Bench("gsm8k", scores, encoders={"minilm": 6}, sizes=(3, 5)),
        Bench("truthfulqa", rng.random((20, 30), dtype=np.float32), encoders={}),
        Bench("gpqa", binary(20, 30, 2), encoders={}),
    ]
    root = write_build(tmp_path_factory.mktemp("exported"), benches)
    path = root / "tables/items/benchmark=gsm8k/part-0.parquet"
    rows = store.read_file(path).to_pylist()
    rows[4]["question"] = rows[5]["question"] = rows[6]["question"] = ODD
    rows[7]["question"] = None
    rows[8]["question"] = rows[8]["prompt"] = None
    rows[9]["question"] = " \n"
    store.write_table(path, ITEMS, pa.Table.from_pylist(rows, schema=ITEMS))
    accounting = add_costs(root, benches, ("gsm8k",))
    outfolder.mark(root, outfolder.BUILD)
    write_release(root, root / "release", options(accounting=accounting, skipped_groups=()))
    return root


@pytest.fixture
def release(build: Path) -> Path:
    """That release; not to be changed."""
    return build / "release"
