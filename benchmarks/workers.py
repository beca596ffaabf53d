"""Two Dask workers against one, each on a cluster of its own: ingest and embedding, and the same bytes out.

    python benchmarks/workers.py [--models 300] [--texts 6000] [--workers 1,2] [--busy 0]
    python benchmarks/workers.py --models 0 --texts 0 --build out/dumps.toml --folder out

Ingest reads synthetic details, one Parquet file per model and task. Embedding runs minilm on synthetic
questions, one thread a worker. Starting the workers (a process, Python, Beam; for embedding also torch and
the model) is timed apart: it is paid once per stage and does not grow with the data. With --busy, so many
endless loops run beside: a share of the cores is what can be left, and no less should be. With --build, a
config is built whole as well, by `routerset build --workers 1` and by as many as are taken without it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")
BENCHMARKS = ("hellaswag", "mmlu")


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: its workers' start-up, the work, its parts, and the driver's own CPU time."""

    workers: int
    start: float
    work: float
    parts: Mapping[str, float]
    driver: float
    digest: str


def digest(paths: Iterable[Path], root: Path) -> str:
    """One checksum over names and bytes."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def newest(folder: Path) -> float:
    """When the last entry of a folder got its name."""
    return max(path.stat().st_mtime for path in folder.iterdir())


def time_ingest(config_file: Path, out: Path, workers: int) -> Timing:
    """Ingest the dumps of a config into a new folder."""
    from routerset.etl.build import build
    from routerset.etl.config import Runner, RunnerName, load_config
    from routerset.etl.pipeline import local_cluster

    started = time.perf_counter()
    config = load_config(config_file)
    with local_cluster(workers) as cluster:
        ready, clock, own = time.perf_counter(), time.time(), time.process_time()
        runner = Runner(RunnerName.DASK, workers, cluster.scheduler_address)
        build(config, out, runner, lambda *_: None, "ingest")
        done, driver = time.time(), time.process_time() - own
    read, assembled = newest(out / "staging" / "shards"), newest(out / "staging" / "done")
    parts = {"reading": read - clock, "assembling": assembled - read, "merging": done - assembled}
    files = (out / "tables").rglob("*.parquet")
    return Timing(workers, ready - started, done - clock, parts, driver, digest(files, out))


def time_embedding(texts: Sequence[str], cache: Path, workers: int) -> Timing:
    """Encode texts with minilm into an empty cache; every worker has loaded the model before."""
    from routerset.embed.model import Policy
    from routerset.embed.shards import embed_texts
    from routerset.etl.config import Runner, RunnerName
    from routerset.etl.pipeline import local_cluster, parallel_map

    started = time.perf_counter()
    with local_cluster(workers) as cluster:
        runner = Runner(RunnerName.DASK, workers, cluster.scheduler_address)
        parallel_map([str(cache.with_name(f"warm-{workers}-{n}")) for n in range(8 * workers)], warm, runner)
        ready, own = time.perf_counter(), time.process_time()
        vectors, _ = embed_texts(
            texts,
            ["minilm"],
            cache_dir=str(cache),
            policy=Policy(shard_texts=256),
            run_shards=lambda function, shards: parallel_map(shards, function, runner),
        )
        work, driver = time.perf_counter() - ready, time.process_time() - own
    return Timing(
        workers, ready - started, work, {}, driver, hashlib.sha256(vectors["minilm"].tobytes()).hexdigest()
    )


def warm(cache: str) -> None:
    """Load torch and the model in this worker."""
    from routerset.embed.shards import embed_texts

    embed_texts([f"warm {os.getpid()}"], ["minilm"], cache_dir=cache)
    time.sleep(0.2)  # so that one worker does not take the others' turns


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing else than take CPU time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def questions(count: int) -> list[str]:
    """Distinct texts of about 40 words."""
    rng = np.random.default_rng(0)
    words = [
        f"{a}{b}" for a in ("plan", "orb", "num", "quest", "ten") for b in ("et", "it", "ber", "ion", "s")
    ]
    return [f"{i} " + " ".join(rng.choice(words, int(n))) for i, n in enumerate(rng.integers(10, 70, count))]


def build_whole(config: Path, root: Path) -> bool:
    """Print the seconds of every stage, by one worker and by default; whether both gave the same release."""
    runs, sums = [], []
    for name, words in (("one", ("--workers", "1")), ("default", ())):
        runs.append(measure.seconds_of("build", config, "--out", root / name, *words))
        sums.append((root / name / "release" / "SHA256SUMS").read_bytes())
        shutil.rmtree(root / name)
    one, default = runs
    rows = [
        [stage, f"{one[stage]:.1f}", f"{default[stage]:.1f}", f"{one[stage] / default[stage]:.2f}x"]
        for stage in one
    ]
    print(f"\nbuild of {config.name}; the same bytes: {sums[0] == sums[1]}")
    print(measure.table(["stage", "one worker s", "default s", "faster"], rows))
    return sums[0] == sums[1]


def report(title: str, timings: Sequence[Timing]) -> bool:
    """Print a table; whether all runs gave the same bytes."""
    one = timings[0]
    parts = list(one.parts)
    print(f"\n{title}")
    rows = [
        [
            f"{t.workers}",
            f"{t.start:.1f}",
            f"{t.work:.1f}",
            *(f"{t.parts[p]:.1f}" for p in parts),
            f"{t.driver:.1f}",
            f"{one.work / t.work:.2f}x",
            f"{(one.start + one.work) / (t.start + t.work):.2f}x",
            "yes" if t.digest == one.digest else "NO",
        ]
        for t in timings
    ]
    print(
        measure.table(
            [
                "workers",
                "start-up s",
                "work s",
                *parts,
                "driver CPU",
                "faster",
                "with start-up",
                "same bytes",
            ],
            rows,
        )
    )
    return all(t.digest == one.digest for t in timings)


def main() -> int:
    """Print both tables; 1 if bytes differ."""
    from routerset.etl.synth import Layout, Plan, Scale, build_config, write

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--models", type=int, default=300, help="models of the dumps (default 300; 5 MB each)"
    )
    parser.add_argument("--texts", type=int, default=6000, help="texts to encode, 0 for none (default 6000)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers (default 1,2)")
    parser.add_argument("--busy", type=int, default=0, help="endless loops beside (default 0)")
    parser.add_argument("--build", type=Path, metavar="CONFIG", help="build this too")
    parser.add_argument("--folder", type=Path, help="where dumps and builds go (default: a temporary folder)")
    args = parser.parse_args()
    counts = [int(n) for n in args.workers.split(",")]
    print(
        measure.command(),
        measure.versions("apache-beam", "distributed", "torch"),
        measure.machine(),
        sep="\n",
    )
    same = True
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary, busy(args.busy):
        root = Path(temporary)
        if args.build:
            same &= build_whole(args.build, root)
        os.environ.update(dict.fromkeys(THREADS, "1"))
        if args.models:
            plan = Plan(
                models=args.models, layout=Layout.DETAILS_NEW, scale=Scale.FULL, seed=0, benchmarks=BENCHMARKS
            )
            write(root / "dumps", plan, lambda _: None)
            (root / "x.toml").write_text(build_config(Path("dumps"), plan))
            files = list((root / "dumps").rglob("*.parquet"))
            size = sum(path.stat().st_size for path in files)
            runs = [time_ingest(root / "x.toml", root / f"build-{n}", n) for n in counts]
            same &= report(f"ingest, {len(files)} files, {size / 1e6:.0f} MB", runs)
        if args.texts:
            texts = questions(args.texts)
            runs = [time_embedding(texts, root / f"vectors-{n}", n) for n in counts]
            same &= report(f"embedding, minilm, {len(texts)} texts", runs)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
