"""Coverage-guided fuzzing of the readers that parse bytes themselves: pickles, MMLU-Pro's zips, harness logs.

    python benchmarks/fuzz_atheris.py {pickles,mmlu_pro,lm_eval} [--seconds 120]

Needs `pip install atheris`, which the project does not otherwise use. Inputs grow from the golden folders.
An input that crashes a reader is kept as `crash-*` in a new folder, whose name is printed; so is the seed.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "sources"
NAMES = {
    "pickles": "a.pkl",
    "mmlu_pro": "model_outputs_org__a_5shots.zip",
    "lm_eval": "samples_gsm8k_2024-01-01T00-00-00.000000.jsonl",
}
SEEDS = {
    "pickles": "routereval/*/dump/**/*.pkl",
    "mmlu_pro": "*/*/dump/*.zip",
    "lm_eval": "*/*/dump/**/*.json*",
}
MAX_ELEMENTS = 1 << 12  # of a pickle: a small budget reaches its limit often


def main() -> None:
    """Fuzz one reader until the time is over or an input breaks a promise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=120)
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed: pip install atheris (CPython 3.11 on Linux has a wheel)")
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["routerset.etl.sources"]):
        import routerset.etl.sources.lm_eval
        import routerset.etl.sources.mmlu_pro
        import routerset.etl.sources.pickles.reader  # noqa: F401

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{arguments.reader}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, path in enumerate(sorted(GOLDEN.glob(SEEDS[arguments.reader]))):
        (corpus / f"seed-{number}").write_bytes(path.read_bytes())
    print(f"{arguments.reader}: crashes go to {folder}", flush=True)
    options = [f"-max_total_time={arguments.seconds}", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    options += ["-max_len=65536", "-rss_limit_mb=2048", "-timeout=20"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], _target(arguments.reader, folder))
    atheris.Fuzz()


def _target(reader: str, folder: Path) -> Callable[[bytes], None]:
    """What is run on every input. It raises what a reader may not raise."""
    path = folder / "org__a" / NAMES[reader]
    path.parent.mkdir()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        (_load if reader == "pickles" else _read)(reader, path)

    return run


def _load(_: str, path: Path) -> None:
    from routerset.etl.sources.pickles.reader import ArrayRef, PickleError, PlainData, load_pickle

    def walk(value: PlainData) -> None:
        if isinstance(value, ArrayRef):
            value.load()
        elif isinstance(value, dict):
            walk(list(value.values()))
        elif isinstance(value, list | tuple):
            for each in value:
                walk(each)

    try:
        walk(load_pickle(path, max_elements=MAX_ELEMENTS))
    except PickleError:
        return


def _read(reader: str, path: Path) -> None:
    """Readings of one file, their text too; every record must be accounted for."""
    import numpy as np

    from routerset.etl.sources.base import Dump, DumpUnreadable, SourceSpec
    from routerset.etl.sources.registry import SOURCES

    dump = Dump(reader, str(path), f"{path.parent.name}/{path.name}", "", path.stat().st_size, "")
    try:
        for reading in SOURCES[reader].read(dump, SourceSpec(reader, str(path))):
            found: Counter[str] = Counter()
            for block in reading.blocks:
                found["scores"] += int(np.isfinite(block.values).sum())
                found["superseded"] += int(block.n_superseded.sum())
                block.columns.docs()
            found["quarantined"] = len(reading.quarantined)
            if sum(reading.n_read.values()) != found.total():
                raise AssertionError(
                    f"{sum(reading.n_read.values())} records read, accounted for: {dict(found)}"
                )
    except DumpUnreadable:
        return


if __name__ == "__main__":
    main()
