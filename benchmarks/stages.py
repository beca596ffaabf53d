"""Every stage of a build of the full shape: records/s, MB/s and the most memory held; and reading by hand.

    python benchmarks/stages.py [--models 200] [--layouts routereval,details_new] [--folder DIR]
    python benchmarks/stages.py --full             all models, 201,715,850 records from pickles
    python benchmarks/stages.py --doubling         N and 2N files: time doubles, memory stays

The dumps are synthetic, of real layouts: RouterEval's pickles, or a details file per model and task. The
build is one process without vectors and without the gate; `validate` is a process of its own. MB/s counts the
bytes of the dumps. By hand: what a user would otherwise read the scores with, each a process of its own, its
time with imports; it joins, checks and accounts for nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow.parquet as pq

from benchmarks import measure
from routerset.schemas.benchmarks import BENCHMARKS

DETAILS = ("arc", "hellaswag", "truthfulqa", "winogrande")
HEADERS = ("stage", "wall s", "CPU s", "records/s", "MB/s", "peak MiB")
METRIC = {"arc": "acc_norm", "hellaswag": "acc_norm", "truthfulqa": "mc2", "winogrande": "acc"}


@dataclass(frozen=True)
class Dumps:
    """Synthetic dumps and the config that builds them. size: bytes."""

    folder: Path
    config: Path
    layout: str
    files: int
    size: int


def synthesise(root: Path, layout: str, models: int | None) -> Dumps:
    """Write dumps below `root`; models: per benchmark, None for as many as the leaderboards had."""
    from routerset.etl.synth import Layout, Plan, Scale, build_config, write

    folder = root / "dumps"
    benchmarks = DETAILS if layout == Layout.DETAILS_NEW else None
    plan = Plan(models=models, layout=Layout(layout), scale=Scale.FULL, benchmarks=benchmarks)
    write(folder, plan, lambda _: None)
    config = root / "x.toml"
    config.write_text(build_config(Path("dumps"), plan).replace('encoders = ["minilm"]', "encoders = []"))
    sizes = [path.stat().st_size for path in (folder / layout).rglob("*") if path.is_file()]
    return Dumps(folder / layout, config, layout, len(sizes), sum(sizes))


def build_here(config_file: str, out: str) -> None:
    """Build in this process; prints seconds and peak of every stage, and the number of records, as JSON."""
    from routerset.etl.build import build
    from routerset.etl.config import Runner, load_config

    started: list[tuple[str, float, float]] = []
    peaks: list[float] = []

    def report(stage: str, state: str) -> None:
        if state == "running":
            peaks.append(measure.peak_mib())
            measure.reset_peak()
            started.append((stage, time.perf_counter(), time.process_time()))

    manifest = build(load_config(Path(config_file)), Path(out), Runner(), report)
    peaks.append(measure.peak_mib())
    started.append(("", time.perf_counter(), time.process_time()))
    found = [
        (name, wall_end - wall, cpu_end - cpu, peak)
        for ((name, wall, cpu), (_, wall_end, cpu_end)), peak in zip(
            pairwise(started), peaks[1:], strict=True
        )
    ]
    records = sum(row["read"] for row in manifest.stages["ingest"].info["accounting"])
    print(json.dumps({"stages": found, "records": records}))


def by_hand(tool: str, folder: str) -> None:
    """Read all scores in this process, in the plainest way that the tool offers."""
    files = sorted(map(str, Path(folder).rglob("*.parquet")))
    if tool == "pickle and NumPy":
        import pickle

        for path in sorted(Path(folder, "leaderboard_score").glob("*.pkl")):
            with path.open("rb") as stream:
                data = pickle.load(stream)["data"]  # noqa: S301 - our own file, and what users do
            sum(float(task["correctness"].mean()) for task in data.values())
    elif tool == "DuckDB":
        import duckdb

        for benchmark, metric in METRIC.items():
            chosen = [name for name in files if _task(benchmark) in name]
            query = (
                f"select filename, example, metrics.{metric} as score from read_parquet($1, filename = true)"
            )
            duckdb.sql(query, params=[chosen]).to_arrow_table()
    elif tool == "polars":
        import polars

        for benchmark, metric in METRIC.items():
            chosen = [name for name in files if _task(benchmark) in name]
            lazy = polars.scan_parquet(chosen, include_file_paths="file")
            lazy.select("file", "example", polars.col("metrics").struct.field(metric)).collect()
    else:
        import datasets

        datasets.disable_progress_bars()
        with tempfile.TemporaryDirectory() as cache:
            for benchmark in METRIC:
                chosen = [name for name in files if _task(benchmark) in name]
                datasets.load_dataset("parquet", data_files=chosen, split="train", cache_dir=cache)


def _task(benchmark: str) -> str:
    """Part of the names of a benchmark's details files."""
    return f"harness|{benchmark}"


def peers(layout: str) -> list[str]:
    """Tools that read a layout, as far as they are installed."""
    if layout == "routereval":
        return ["pickle and NumPy"]
    found = ["DuckDB", "datasets.load_dataset"]
    return [*found, "polars"] if importlib.util.find_spec("polars") else found


def bits(paths: Sequence[Path]) -> float:
    """Bits of file for each row."""
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    return 8 * sum(path.stat().st_size for path in paths) / rows


def row(name: str, seconds: float, cpu: float, records: int, size: int, peak: float) -> list[str]:
    """A line of the table; rates are by wall time."""
    return [
        name,
        f"{seconds:.1f}",
        f"{cpu:.1f}",
        f"{records / seconds:,.0f}",
        f"{size / seconds / 1e6:,.0f}",
        f"{peak:,.0f}",
    ]


def compare(root: Path, layout: str, models: int | None) -> None:
    """Print the table of one layout."""
    dumps = synthesise(root, layout, models)
    out = root / "build"
    child = [sys.executable, __file__, "--child"]
    usage = measure.run([*child, "build", str(dumps.config), str(out)])
    found = json.loads(usage.printed)
    records = found["records"]
    print(f"\n{layout}: {dumps.files} files, {dumps.size / 1e6:,.0f} MB, {records:,} records")
    rows = [row(name, wall, cpu, records, dumps.size, peak) for name, wall, cpu, peak in found["stages"]]
    rows.append(row("build, with imports", usage.wall, usage.cpu, records, dumps.size, usage.peak))
    gate = measure.run([sys.executable, "-m", "routerset.etl.cli", "validate", str(out), "--format", "json"])
    rows.append(row("validate, with imports", gate.wall, gate.cpu, records, dumps.size, gate.peak))
    for tool in peers(layout):
        hand = measure.run([*child, "read", tool, str(dumps.folder)])
        rows.append(row(f"reading by hand: {tool}", hand.wall, hand.cpu, records, dumps.size, hand.peak))
    print(measure.table(HEADERS, rows))
    scores = out / "tables" / "scores"
    everything = sorted(scores.rglob("*.parquet"))
    binary = [path for path in everything if BENCHMARKS[path.parent.name.partition("=")[2]].binary]
    print(f"scores on disk: {bits(everything):.2f} bits a record, {bits(binary):.3f} where they are 0 or 1")
    sys.stdout.flush()


def doubling(root: Path, models: int) -> None:
    """Print time and peak of ingest with N and with 2N files."""
    rows = []
    for n in (models, 2 * models):
        place = root / str(n)
        place.mkdir()
        dumps = synthesise(place, "details_new", n)
        usage = measure.run(
            [sys.executable, __file__, "--child", "build", str(dumps.config), str(place / "out")]
        )
        found = json.loads(usage.printed)
        (_, wall, cpu, peak), *_ = found["stages"]
        rows.append((dumps, wall, cpu, found["records"], peak))
    print("\ningest, a details file per model and task")
    print(
        measure.table(
            ("files", "MB", *HEADERS[1:]),
            [
                [f"{d.files:,}", f"{d.size / 1e6:,.0f}", *row("", wall, cpu, records, d.size, peak)[1:]]
                for d, wall, cpu, records, peak in rows
            ],
        )
    )
    (_, wall, cpu, _, peak), (_, wall2, cpu2, _, peak2) = rows
    print(
        f"twice the files: {wall2 / wall:.2f} times the time, {cpu2 / cpu:.2f} times the CPU time, "
        f"{peak2 / peak:.2f} times the memory"
    )


def main(arguments: Sequence[str]) -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=200, help="models per benchmark (default 200)")
    parser.add_argument("--layouts", default="routereval,details_new", help="default: routereval,details_new")
    parser.add_argument("--full", action="store_true", help="all models, from pickles alone")
    parser.add_argument("--doubling", action="store_true", help="N and 2N files")
    parser.add_argument("--folder", type=Path, help="where dumps and builds go (default: a temporary folder)")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        work, *words = args.child
        (build_here if work == "build" else by_hand)(*words)
        return
    names = ("pyarrow", "numpy", "apache-beam", "duckdb", "datasets")
    print(measure.command(), measure.versions(*names), measure.machine(), sep="\n", flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        if args.doubling:
            doubling(Path(temporary), args.models)
            return
        for layout in ["routereval"] if args.full else args.layouts.split(","):
            root = Path(temporary) / layout
            root.mkdir()
            compare(root, layout, None if args.full else args.models)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main(sys.argv[1:])
