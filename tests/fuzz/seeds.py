"""Sound dumps to start from: one of every layout, synthetic, and those of the golden folders."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

from routerset.etl.config import parse_config
from routerset.etl.sources.base import SourceSpec
from routerset.etl.sources.registry import SOURCES
from routerset.etl.synth import Layout, Plan, build_config, write
from tests.sources import golden

SYNTHETIC = {
    "wide-parquet": (Layout.WIDE, "gsm8k"),
    "wide-csv": (Layout.WIDE, "ifeval"),
    "lm_eval": (Layout.LM_EVAL, "gpqa"),
    "details-old": (Layout.DETAILS_OLD, "arc"),
    "details-new": (Layout.DETAILS_NEW, "winogrande"),
    "mmlu_pro": (Layout.MMLU_PRO, "mmlu_pro"),
    "routereval": (Layout.ROUTEREVAL, "gsm8k"),
    "long": (Layout.LONG, "gsm8k"),
    "item_major": (Layout.ITEM_MAJOR, "gsm8k"),
}


@dataclass(frozen=True)
class Seed:
    """files: name below the dumps -> bytes. spec: its paths are relative to the dumps."""

    name: str
    spec: SourceSpec
    files: dict[str, bytes] = field(repr=False)

    def at(self, folder: Path) -> SourceSpec:
        """The source, its dumps in `folder`."""
        return self.spec.with_paths(lambda path: str(folder / path))


def synthetic(folder: Path, name: str) -> Seed:
    """A small dump in one layout, written below `folder`."""
    layout, benchmark = SYNTHETIC[name]
    plan = Plan(models=3, layout=layout, benchmarks=(benchmark,))
    write(folder, plan)
    config = parse_config(tomllib.loads(build_config(folder, plan)), folder / "config.toml")
    (spec,) = config.sources
    seed = _seed(name, spec, folder)
    # one dump is enough, and the files that no source lists: texts of items, prompts
    others = [Path(dump.path) for dump in SOURCES[spec.format].discover(spec)][1:]
    left_out = {"models.csv", "truth.json", *(path.relative_to(folder).as_posix() for path in others)}
    return replace(seed, files={file: data for file, data in seed.files.items() if file not in left_out})


def goldens() -> list[Seed]:
    """The dumps of all golden folders, sound and faulty ones."""
    return [_seed(case, golden.load_spec(case), golden.ROOT / case) for case in golden.cases()]


def _seed(name: str, spec: SourceSpec, folder: Path) -> Seed:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return Seed(name, spec.with_paths(lambda path: str(Path(path).relative_to(folder))), files)
