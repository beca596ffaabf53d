"""What a new version costs: bytes to publish it, and time to build it.

    python benchmarks/publish.py bytes [--models 2000] [--benchmarks arc,gsm8k] [--sizes 3,5,10] [--freeze]
    python benchmarks/publish.py rebuild [--models 100] [--benchmarks arc,gsm8k] [--layout lm_eval]
    python benchmarks/publish.py rebuild --models 5000 --layout details_new --benchmarks all --dumps out/dumps

`bytes` publishes a release, then one with 1% more models, to a Hub on this machine (tests/publish), by the
real client over HTTP, and counts what the server received. Git LFS sends whole files; the Hub's Xet storage
sends only new chunks, cut by content (64 KiB on average): `chunks` counts those, uncompressed. With
`--freeze` the second release has the groups of the first, and their limits, as `[groups] freeze` keeps them.

`rebuild` builds synthetic dumps of full shape cold, adds 1% new dumps, builds again in the same folder, and
cold in another one; both releases must have the same checksums. With `--dumps` the dumps are written to that
folder unless it is there, and kept: 5000 models of the first leaderboard's details are 310,000 files, 29 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure
from benchmarks.groups import simulated_scores
from tests.publish.hub_server import serve
from tests.publish.hub_store import WRITER, Hub

SMALLEST, LARGEST, MASK = 8 << 10, 128 << 10, np.uint64(0xFFFF << 48)
"""Xet's chunks: a cut where the hash of the last 64 bytes is 0 under the mask."""
GEAR = np.random.default_rng(0).integers(0, 2**64, 256, np.uint64)


def chunks(data: bytes) -> Iterator[bytes]:
    """Content-defined chunks of a file by a gear hash, computed for all positions at once."""
    codes = GEAR[np.frombuffer(data, np.uint8)]
    for step in (1, 2, 4, 8, 16, 32):  # doubles the window that every hash covers
        codes[step:] += codes[:-step] << np.uint64(step)
    cuts = np.flatnonzero((codes & MASK) == 0) + 1
    start = 0
    for cut in [*cuts.tolist(), len(data)]:
        while cut - start > LARGEST:
            yield data[start : start + LARGEST]
            start += LARGEST
        if cut - start >= SMALLEST or (cut == len(data) and cut > start):
            yield data[start:cut]
            start = cut


def prints(release: Path) -> dict[bytes, int]:
    """Chunks of all files of a release: hash -> bytes."""
    return {
        hashlib.blake2b(chunk, digest_size=16).digest(): len(chunk)
        for path in release.rglob("*")
        if path.is_file()
        for chunk in chunks(path.read_bytes())
    }


def make_releases(
    folder: Path, benchmarks: Sequence[str], models: int, sizes: Sequence[int], freeze: bool = False
) -> tuple[Path, Path]:
    """Two releases, the second with 1% more models in every benchmark, spread over the alphabet.

    freeze: whether the second one has the groups of the first.
    """
    from routerset.etl.ingest.assemble import score_batches
    from routerset.release.build import write_release
    from routerset.release.layout import GROUPS
    from routerset.release.manifest import Row, read_manifest
    from routerset.schemas import store
    from routerset.schemas.benchmarks import BENCHMARKS
    from routerset.schemas.tables import SCORES
    from tests.release.builds import Bench, model_names, options, write_build

    more = models + max(1, models // 100)
    everyone = np.ones(more, bool)
    late = np.linspace(0, more - 1, more - models + 2).astype(int)[1:-1]
    scores = {name: simulated_scores(more, BENCHMARKS[name].n_items, binary=True) for name in benchmarks}
    previous = None
    frozen: Row = {}
    for folder_name, chosen in (("old", ~np.isin(np.arange(more), late)), ("new", everyone)):
        names = [name for name, here in zip(model_names(more), chosen, strict=True) if here]
        benches = [
            Bench(name, matrix[chosen].astype(np.float32), sizes=sizes, encoders={"minilm": 384})
            for name, matrix in scores.items()
        ]
        build = write_build(folder / folder_name, benches, names)
        for name, matrix in scores.items():
            path = build / f"tables/scores/benchmark={name}/part-0.parquet"
            store.write_batches(path, SCORES, score_batches(matrix[chosen], names))
        if freeze and previous is not None:
            for table in ("groups", "limits"):
                shutil.rmtree(build / "tables" / table)
                shutil.copytree(folder / "old/tables" / table, build / "tables" / table)
            groups = {name: [g.column for g in entry.groups] for name, entry in
                      read_manifest(previous).benchmarks.items()}  # fmt: skip
            frozen = {"version": "1.0.0", "sha256": store.sha256(previous / GROUPS), "groups": groups}
        given = options(previous=previous, accounting=(), skipped_groups=(), frozen=frozen)
        write_release(build, build / "release", given)
        previous = build / "release"
    return folder / "old/release", folder / "new/release"


def received(hub: Hub) -> int:
    """Bytes in the bodies of all requests so far."""
    return sum(request.received for request in hub.requests)


def measure_bytes(args: argparse.Namespace, folder: Path) -> None:
    """Print what was sent for the first version and for the second."""
    with serve() as hub:
        os.environ |= {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(folder / "home"),
            "HF_TOKEN": WRITER,
        }
        from routerset.release.publish.hub import publish

        old, new = make_releases(folder, args.benchmarks, args.models, args.sizes, args.freeze)
        known: dict[bytes, int] = {}
        print(
            f"{'version':<9}{'files':>7}{'sent':>7}{'bytes':>15}{'over HTTP':>15}{'chunks':>15}{'share':>8}"
        )
        for release in (old, new):
            before = received(hub)
            done = publish(release, "hf://datasets/org/name")
            size = sum(path.stat().st_size for path in release.rglob("*") if path.is_file())
            found = prints(release)
            fresh = sum(size for key, size in found.items() if key not in known)
            known |= found
            print(
                f"{done.version:<9}{len(done.sent) + done.kept:>7}{len(done.sent):>7}{size:>15,}"
                f"{received(hub) - before:>15,}{fresh:>15,}{fresh / size:>8.1%}"
            )
            for path, sent in sorted(done.sent.items(), key=lambda item: -item[1])[:6]:
                print(f"{'':>23}{sent:>15,}  {path}")


def measure_rebuild(args: argparse.Namespace, folder: Path) -> None:
    """Print the times of a cold build, of a rebuild with 1% new dumps, and of a cold build of the same."""
    dumps = args.dumps or folder / "dumps"
    aside, config = dumps.with_name(f"{dumps.name}-new"), dumps.with_name(f"{dumps.name}.toml")
    if not dumps.exists():
        wanted = [] if args.benchmarks == ["all"] else ["--benchmarks", *args.benchmarks]
        shape = ("--layout", args.layout, "--models", args.models, "--scale", "full")
        measure.seconds_of("synth", dumps, *shape, *wanted)
    models = sorted((dumps / args.layout).iterdir())
    n_late = max(1, len(models) // 100)
    late = models[:: len(models) // n_late][:n_late]
    sizes = [path.stat().st_size for path in dumps.rglob("*") if path.is_file()]
    print(f"{len(models)} models, {len(sizes):,} files, {sum(sizes):,} bytes; {len(late)} models are new")
    aside.mkdir()
    try:
        for model in late:
            model.rename(aside / model.name)
        cold = measure.seconds_of("build", config, "--out", folder / "a")
    finally:
        for path in aside.iterdir():
            path.rename(dumps / args.layout / path.name)
        aside.rmdir()
    again = measure.seconds_of("build", config, "--out", folder / "a")
    sums = (folder / "a/release/SHA256SUMS").read_bytes()
    shutil.rmtree(folder / "a")
    whole = measure.seconds_of("build", config, "--out", folder / "b")
    same = sums == (folder / "b/release/SHA256SUMS").read_bytes()
    print(f"{'seconds':<10}{'cold, old':>12}{'rebuild':>12}{'cold, all':>12}{'share':>8}")
    for stage in whole:
        share = again[stage] / whole[stage]
        print(f"{stage:<10}{cold[stage]:>12.1f}{again[stage]:>12.1f}{whole[stage]:>12.1f}{share:>8.1%}")
    print(f"the same bytes: {same}")


def main() -> None:
    """Run one of the two, and say with what."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("bytes", "rebuild"))
    parser.add_argument("--models", type=int)
    parser.add_argument("--benchmarks", type=lambda text: text.split(","), default=["arc", "gsm8k"])
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=(3, 5, 10))
    parser.add_argument("--freeze", action="store_true", help="keep the groups of the first version")
    parser.add_argument("--layout", default="lm_eval")
    parser.add_argument("--dumps", type=Path, help="synthetic dumps to build; written if absent, and kept")
    args = parser.parse_args()
    args.models = args.models or {"bytes": 2000, "rebuild": 100}[args.what]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "huggingface-hub", "datasets"))
    print(f"$ {shlex.join(['python', *sys.argv])}\nPython {platform.python_version()}, {libraries}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # or gigabytes would stay behind
    with tempfile.TemporaryDirectory(prefix="routerset-benchmark-") as folder:
        (measure_bytes if args.what == "bytes" else measure_rebuild)(args, Path(folder))


if __name__ == "__main__":
    main()
