"""Run benchmarks one after the other, and append what they print to benchmarks/RESULTS.md.

    python benchmarks/run.py                         all of them
    python benchmarks/run.py groups stages           some
    python benchmarks/run.py stages -- --full        one, with arguments of its own

Each is a process; its wall time, the CPU time of all its processes, and the peak of the largest one are
measured from outside. Run it on a machine that does nothing else: the load average stands beside the figures.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
RELEASE, SCRATCH = "{release}", "{scratch}"
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "stages": ("stages.py",),
    "full": ("stages.py", "--full"),
    "doubling": ("stages.py", "--doubling"),
    "costs": ("costs.py",),
    "jsonl": ("jsonl.py",),
    "groups": ("groups.py",),
    "groups-all": ("groups.py", "--all"),
    "limits": ("limits.py",),
    "rasch": ("soundness.py", "rasch"),
    "twins": ("twins.py",),
    "embed": ("embed.py",),
    "workers": ("workers.py",),
    "clusters": ("clusters.py",),
    "validate": ("validate.py", SCRATCH),
    "evaluate": ("evaluate.py", RELEASE),
    "routers": ("routers.py", RELEASE),
    "audit": ("audit.py",),
    "coverage": ("coverage.py",),
    "coverage-costs": ("coverage_costs.py",),
    "publish-bytes": ("publish.py", "bytes"),
    "publish-rebuild": ("publish.py", "rebuild"),
}
"""Name -> script and arguments; some need a release, `validate` a folder for its tables."""
PACKAGES = ("apache-beam", "distributed", "duckdb", "datasets", "msgspec", "numpy", "pyarrow", "torch")


def section(name: str, words: Sequence[str], usage: measure.Usage, load: str) -> str:
    """What one benchmark printed, under its command and cost, as Markdown."""
    state = "" if usage.code == 0 else f"; **failed with exit code {usage.code}**"
    cost = f"{usage.wall:.1f} s, {usage.cpu:.1f} s of CPU, largest process {usage.peak:,.0f} MiB{state}"
    return (
        f"\n### {name}\n\n`python benchmarks/{shlex.join(words)}`: {cost}. {load}.\n"
        f"\n```\n{usage.printed.strip()}\n```\n"
    )


def main(arguments: Sequence[str]) -> int:
    """Run and append; 1 if one failed."""
    own, extra = list(arguments), []
    if "--" in own:
        own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; default: all")
    parser.add_argument(
        "--release", type=Path, help="release for those that need one, which are left out otherwise"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to append to")
    args = parser.parse_args(own)
    if unknown := [name for name in args.names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {unknown[0]!r}; valid: {', '.join(BENCHMARKS)}")
    if extra and len(args.names) != 1:
        parser.error("arguments after -- need exactly one NAME")
    lacking = {name for name, words in BENCHMARKS.items() if RELEASE in words and args.release is None}
    if needing := lacking.intersection(args.names):
        parser.error(f"{min(needing)} needs --release")
    names = args.names or [name for name in BENCHMARKS if name not in lacking]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = f"\n## {today}\n\n{measure.machine()}. {measure.versions(*PACKAGES)}.\n"
    costs, failed = [], False
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            places = {RELEASE: str(args.release), SCRATCH: scratch}
            words = [*BENCHMARKS[name], *extra]
            print(f"\n$ python benchmarks/{shlex.join(words)}", flush=True)
            before = measure.load()
            script, *rest = (places.get(word, word) for word in words)
            usage = measure.run([sys.executable, str(HERE / script), *rest], check=False)
        print(usage.printed, flush=True)
        text += section(name, words, usage, f"Load {before} before, {measure.load()} after")
        costs.append([name, f"{usage.wall:.1f}", f"{usage.cpu:.1f}", f"{usage.peak:,.0f}", str(usage.code)])
        failed |= usage.code != 0
    with args.results.open("a", encoding="utf-8") as stream:
        stream.write(text)
    print(measure.table(("benchmark", "wall s", "CPU s", "peak MiB", "exit code"), costs))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
