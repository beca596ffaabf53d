"""What costs cost: a build of dumps that tell four measures for every answer, beside one of the same scores.

    python benchmarks/costs.py [--models 150] [--layout long]     all items of 12 benchmarks

The dumps are synthetic, of the full shape but for the number of models. Each build is a process of its own,
without vectors and with the smallest groups alone (noise floors take more time than all else, and know no
costs), and writes a release; the ratios are what matters.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import measure

HEADERS = ("build", "records", "costs", "wall s", "CPU s", "peak MiB", "release MB")


def build(root: Path, layout: str, models: int, costs: bool) -> tuple[list[str], measure.Usage]:
    """Write dumps below `root`, build them, and say what that took."""
    from routerset.etl.synth import Layout, Plan, Scale, build_config, write

    plan = Plan(models=models, layout=Layout(layout), scale=Scale.FULL, costs=costs)
    write(root / "dumps", plan, lambda _: None)
    config = root / "x.toml"
    text = re.sub(r"(methods = .*)", r"\1\nsizes = [3]", build_config(Path("dumps"), plan))
    config.write_text(text.replace('encoders = ["minilm"]', "encoders = []"))
    out = root / "build"
    script = "import sys; from routerset.etl.cli import main; sys.exit(main(sys.argv[1:]))"
    usage = measure.run([sys.executable, "-c", script, "build", str(config), "--out", str(out)])
    info = json.loads((out / "manifest.json").read_text())["stages"]["ingest"]["info"]
    records = sum(row["kept"] for row in info["accounting"])
    known = sum(told["kept"] for row in info["accounting"] for told in row.get("costs", {}).values())
    size = sum(path.stat().st_size for path in (out / "release").rglob("*.parquet")) / 1e6
    figures = (f"{usage.wall:.0f}", f"{usage.cpu:.0f}", f"{usage.peak:,.0f}", f"{size:,.0f}")
    return ["with costs" if costs else "without", f"{records:,}", f"{known:,}", *figures], usage


def main(arguments: Sequence[str]) -> int:
    """Build both and print the table and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=150, metavar="N", help="per benchmark (default: 150)")
    parser.add_argument("--layout", default="long", choices=("long", "item_major"))
    args = parser.parse_args(arguments)
    rows, used = [], []
    for costs in (False, True):
        with tempfile.TemporaryDirectory() as root:
            row, usage = build(Path(root), args.layout, args.models, costs)
        rows.append(row)
        used.append(usage)
    print(measure.table(HEADERS, rows))
    without, with_costs = used
    ratios = (
        f"{name} {getattr(with_costs, of) / getattr(without, of):.2f}"
        for name, of in (("wall", "wall"), ("CPU", "cpu"), ("peak memory", "peak"))
    )
    print(f"\nwith costs over without: {', '.join(ratios)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
