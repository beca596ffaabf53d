"""Verbs that make dumps, a config, and a build of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import routerset
from routerset.etl.progress import say, show
from routerset.etl.verbs.base import Verbs, add_verb
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE


def add_synth(verbs: Verbs) -> None:
    """Verb `synth`."""
    verb = add_verb(
        verbs,
        "synth",
        _synth,
        "write synthetic dumps in real layouts, with a known truth",
        "routerset synth out/dumps --layout lm_eval --models 20 --faults rerun nan",
    )
    verb.add_argument("dir", type=Path, metavar="DIR", help="folder to write")
    verb.add_argument("--models", type=int, metavar="N", help="number of models (default: by scale)")
    verb.add_argument("--layout", default="all", metavar="L", help="dump layout, or all (default)")
    verb.add_argument("--scale", choices=("full", "small"), default="small", help="size (default: small)")
    verb.add_argument("--seed", type=int, default=0, metavar="S", help="seed (default: 0)")
    verb.add_argument("--faults", nargs="*", default=[], metavar="F", help="faults that real dumps have")
    verb.add_argument("--benchmarks", nargs="*", metavar="B", help="only these benchmarks")
    verb.add_argument(
        "--costs", action="store_true", help="with what answers cost, where a layout can tell it"
    )
    verb.add_argument("--world", choices=("topics", "rasch"), default="topics",
                      help="strengths by topic (default), or abilities alone")  # fmt: skip


def _synth(args: argparse.Namespace) -> int:
    from routerset.etl.demo import synth

    given = (args.models, args.layout, args.scale, args.seed, args.faults, args.benchmarks, args.world)
    return synth(args.dir, *given, args.costs)


def add_init(verbs: Verbs) -> None:
    """Verb `init`."""
    verb = add_verb(
        verbs,
        "init",
        _init,
        "look at a folder of dumps, and write a config that builds it",
        "routerset init results --out results.toml",
    )
    verb.add_argument("dumps", type=Path, metavar="DUMPS", help="folder of dumps, or one file")
    verb.add_argument("--out", type=Path, metavar="FILE", help="config to write (default: to stdout)")


def _init(args: argparse.Namespace) -> int:
    from routerset.etl.looking.init import init

    return init(args.dumps, args.out)


def add_build(verbs: Verbs) -> None:
    """Verb `build`."""
    verb = add_verb(
        verbs,
        "build",
        _build,
        "build tables and a release from dumps",
        "routerset build configs/real.toml --out out/real",
    )
    verb.add_argument("config", type=Path, metavar="CONFIG.toml", help="what to build")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the build")
    verb.add_argument("--runner", choices=("direct", "dask"), default="direct", help="where it runs")
    verb.add_argument("--workers", type=int, metavar="N",
                      help="local processes (default: as many as the work repays)")  # fmt: skip
    verb.add_argument("--scheduler", metavar="ADDR", help="a Dask scheduler, such as tcp://host:8786")
    verb.add_argument("--only", metavar="STAGE", help="run this stage alone")
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be read and run, and what is wrong; run nothing",
    )
    verb.add_argument("--check", action="store_true", help="hash all dumps and files anew, mend what changed")


def _build(args: argparse.Namespace) -> int:
    from routerset.etl import console as text
    from routerset.etl.config import load_config
    from routerset.etl.options import BUILD
    from routerset.release.evaluator.options import check_options

    given = {name for name in ("dry_run", "workers", "scheduler", "check") if getattr(args, name)}
    check_options(given | {f"runner={args.runner}"}, BUILD)
    config = load_config(args.config)
    if args.dry_run:
        from routerset.etl.looking.dry_run import dry_run

        return dry_run(config, args.out, args.only)
    manifest = routerset.build(
        args.config,
        args.out,
        runner=args.runner,
        workers=args.workers,
        scheduler=args.scheduler,
        only=args.only,
        check=args.check,
        report=lambda stage, state: say(f"{stage:<9}{state}"),
    )
    info = manifest.stages["ingest"].info
    show(text.accounting(info["accounting"], info["passed_over"]))
    if "groups" in manifest.stages:
        groups = manifest.stages["groups"].info
        show("\n" + text.candidate_groups(groups, config.groups.methods))
    if "release" in manifest.stages:
        from routerset.etl.status import after_build
        from routerset.schemas.outfolder import RELEASE

        version = manifest.stages["release"].info["version"]
        say("\n" + plain(f"release {version}: {args.out / RELEASE}"))
        say(plain(f"next: {after_build(args.out, config)}"))
    return DONE
