"""`routerset demo` and `routerset synth`: synthetic dumps, and everything that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from routerset.etl.config import ConfigError
from routerset.etl.progress import say, show
from routerset.etl.synth import Fault, Layout, Plan, Scale, World, build_config, write
from routerset.schemas import outfolder
from routerset.schemas.exits import DONE
from routerset.schemas.outfolder import NotOurs
from routerset.schemas.plainfiles import MAX_JSON, read_bytes
from routerset.schemas.store import write_text

DUMPS = "dumps"
CONFIG = "demo.toml"
BUILD = "build"
LOAD = """
The dataset is ready. In Python:

    from datasets import load_dataset

    d = load_dataset("{release}", "gsm8k-minilm")
    x = d["train"].with_format("numpy")["embedding"][:]
    y = d["train"].with_format("numpy")["greedy_m5_all_strong_label"][:]
"""


def synth(
    folder: Path,
    models: int | None,
    layout: str,
    scale: str,
    seed: int,
    faults: Sequence[str],
    benchmarks: Sequence[str] | None,
    world: str,
    costs: bool = False,
) -> int:
    """Write synthetic dumps, and a config that builds them; returns the exit code."""
    try:
        plan = Plan(
            models=models,
            layout=Layout(layout),
            scale=Scale(scale),
            seed=seed,
            faults=frozenset(map(Fault, faults)),
            benchmarks=tuple(benchmarks) if benchmarks else None,
            costs=costs,
            world=World(world),
        )
    except ValueError as error:
        names = f"layouts: {', '.join(Layout)}; faults: {', '.join(Fault)}"
        raise ConfigError(f"synth: {error}; {names}") from error
    config = folder.with_name(f"{folder.name}.toml")
    text = build_config(Path(folder.name), plan)
    _refuse_another(config, text)
    write(folder, plan, say)
    write_text(config, text)
    say(f"build them with: routerset build {config} --out {folder.with_name(folder.name + '-build')}")
    return DONE


def _refuse_another(config: Path, text: str) -> None:
    """Raise NotOurs where a config holds anything but a text."""
    outfolder.refuse_links(config.parent, [config.name])
    try:
        found = read_bytes(config, MAX_JSON)
    except FileNotFoundError:
        return
    except ValueError:
        found = b""
    if found != text.encode():
        raise NotOurs(
            f"{config}: found another config, which is not written over; move it, or choose another DIR"
        )


def demo(out: Path, run: Callable[[list[str]], int]) -> int:
    """Synthetic dumps of all benchmarks, built, checked and evaluated; returns the exit code.

    run: carries out a command line, and returns its exit code.
    """
    outfolder.check(out, outfolder.DEMO, (CONFIG, f"{DUMPS}/", f"{BUILD}/"))
    outfolder.mark(out, outfolder.DEMO)
    write(out / DUMPS, Plan(), say)
    write_text(out / CONFIG, build_config(Path(DUMPS), Plan()))
    release = out / BUILD / "release"
    for arguments in (
        ["build", str(out / CONFIG), "--out", str(out / BUILD)],
        ["verify", str(release)],
        ["evaluate", str(release), "--sizes", "3", "--benchmarks", "gsm8k,gpqa"],
    ):
        say(f"\n$ routerset {' '.join(arguments)}")
        code = run(arguments)
        if code != DONE:
            return code
    show(LOAD.format(release=release))
    return DONE
