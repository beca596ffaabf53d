"""The command line: `routerset VERB`. Verbs are thin; what takes time to import is imported by its verb."""

from __future__ import annotations

import argparse
import atexit
import gc
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import routerset
from routerset.etl import interrupts
from routerset.etl.extras import extra_of
from routerset.etl.progress import say, show
from routerset.schemas.escape import lines, plain
from routerset.schemas.exits import DATA_FAILED, DONE, USAGE, exit_code, message

if TYPE_CHECKING:
    from routerset.release.evaluator.progress import Progress

EVALUATE = "evaluate"


class _Parser(argparse.ArgumentParser):
    """A parser that repeats no word of a command line as it came."""

    def error(self, message: str) -> NoReturn:
        super().error(lines(message))


class _Escaped(logging.Formatter):
    """Lines of a log that cannot be commands."""

    def format(self, record: logging.LogRecord) -> str:
        return lines(super().format(record))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 the data failed a check, 2 wrong usage or config, 3 an input is missing or unreadable,
    75 a remote service is unavailable, 130 interrupted.
    """
    if argv is None:  # this process is ours
        interrupts.end_in_time()
        atexit.register(gc.freeze)  # or Python looks through all that was imported, for up to a second
    _escape_what_python_tells()
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words[:1] if words[:1] == [EVALUATE] else words)
    args.words = words[1:]
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        return interrupts.tell()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "", words[0])
        if extra is None:
            raise
        lack = f"{words[0]} needs {error.name}, which is not installed"
        say(f"routerset: {lack}: pip install 'routerset[{extra}]'")
        return USAGE
    except Exception as error:
        if interrupts.interrupted():  # what a library made of it
            return interrupts.tell()
        found = exit_code(error)
        if found is None:
            raise
        indented = message(error).replace(
            "\n", "\n  "
        )  # a newline in a name makes no line that looks like ours
        say(f"routerset: {indented}")
        return found
    return interrupts.tell() if interrupts.interrupted() else code


def _escape_what_python_tells() -> None:
    """Warnings, logs of libraries and tracebacks are told as safely as what we say."""
    if logging.lastResort:
        logging.lastResort.setFormatter(_Escaped())
    warnings.formatwarning = lambda message, category, *_: f"{lines(f'{category.__name__}: {message}')}\n"
    sys.excepthook = lambda *error: say("".join(traceback.format_exception(*error)))


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="routerset", description="Turn LLM leaderboard dumps into a versioned benchmark for LLM routers."
    )
    parser.add_argument("--version", action="version", version=f"routerset {routerset.__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_demo(verbs)
    _add_synth(verbs)
    _add_init(verbs)
    _add_build(verbs)
    _add_validate(verbs)
    _add_verify(verbs)
    _add_publish(verbs)
    _add_status(verbs)
    _add_diff(verbs)
    _add_rollback(verbs)
    _add_report(verbs)
    _add_audit(verbs)
    _add_export(verbs)
    _add_leaderboard(verbs)
    _verb(
        verbs,
        EVALUATE,
        _evaluate,
        "score routers on a release",
        "routerset evaluate out/real/release --sizes 3,5",
    )
    return parser


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)
    return verb


def _taken(folder: Path) -> Path:
    """The release that is meant by a folder, and which that is where the folder is a build."""
    from routerset.schemas.outfolder import release_of

    release = release_of(folder)
    if release != folder:
        say(plain(f"{folder} is a build; taken: {release}"))
    return release


def _working(verb: str) -> Progress:
    """Tells how far a verb is, while entered."""
    from routerset.release.evaluator.progress import Progress

    return Progress(verb)


def _add_demo(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "demo", _demo, "make small synthetic dumps and build them",
                 "routerset demo --out out/demo")  # fmt: skip
    verb.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="folder to work in (default: out/demo)"
    )


def _demo(args: argparse.Namespace) -> int:
    from routerset.etl.demo import demo

    return demo(args.out, main)


def _add_synth(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "synth", _synth, "write synthetic dumps in real layouts, with a known truth",
                 "routerset synth out/dumps --layout lm_eval --models 20 --faults rerun nan")  # fmt: skip
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


def _add_init(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "init", _init, "look at a folder of dumps, and write a config that builds it",
                 "routerset init results --out results.toml")  # fmt: skip
    verb.add_argument("dumps", type=Path, metavar="DUMPS", help="folder of dumps, or one file")
    verb.add_argument("--out", type=Path, metavar="FILE", help="config to write (default: to stdout)")


def _init(args: argparse.Namespace) -> int:
    from routerset.etl.looking.init import init

    return init(args.dumps, args.out)


def _add_build(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "build", _build, "build tables and a release from dumps",
                 "routerset build configs/real.toml --out out/real")  # fmt: skip
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


def _add_validate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "validate", _validate, "check a build, a release, a table or a raw dump",
                 "routerset validate out/real --format github")  # fmt: skip
    verb.add_argument("path", type=Path, metavar="PATH", help="build, release, table file or raw dump")
    verb.add_argument("--table", metavar="NAME", help="only this table; for a single file, what it holds")
    verb.add_argument("--config", type=Path, metavar="FILE", help="build config that says what raw dumps are")
    verb.add_argument("--previous", type=Path, metavar="PATH", help="release or build before, for drift")
    verb.add_argument("--out", type=Path, metavar="DIR", help="folder for results and Data Docs (default: "
                      "`validation` in a build, else none)")  # fmt: skip
    verb.add_argument("--format", choices=("text", "json", "github"), default="text", help="default: text")


def _validate(args: argparse.Namespace) -> int:
    from routerset.expectations.errors import Unreadable
    from routerset.expectations.report import annotation, to_github, to_json, to_text
    from routerset.schemas.outfolder import VALIDATION, is_build

    pages = args.out or (args.path / VALIDATION if is_build(args.path) else None)
    if not args.out and pages and not os.access(args.path, os.W_OK):
        say(plain(f"{args.path} is not ours to write to: results and Data Docs are kept with --out alone"))
        pages = None
    try:
        with _working("checking") as progress:
            found = routerset.validate(
                args.path,
                table=args.table,
                previous=args.previous,
                config=args.config,
                out=pages,
                progress=progress,
            )
    except Unreadable as error:
        if args.format == "github":
            print(annotation("error", str(args.path), "unreadable", str(error)))
        raise
    if args.format == "github":
        print(to_github(found))
    else:
        show(to_json(found) if args.format == "json" else to_text(found))
    return found.exit_code


def _add_verify(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "verify", _verify, "recompute everything that a release says, from its own tables",
                 "routerset verify out/real/release --against out/real")  # fmt: skip
    verb.add_argument("release", type=Path, metavar="RELEASE", help="folder of a release, or of a build")
    verb.add_argument("--against", type=Path, metavar="BUILD|DUMPS", help="what to compare it with")
    verb.add_argument("--config", type=Path, metavar="FILE", help="read the dumps again, by this config")


def _verify(args: argparse.Namespace) -> int:
    release = _taken(args.release)
    with _working("verifying") as progress:
        problems = routerset.verify(
            release, against=args.against, config=args.config, note=progress.note, progress=progress
        )
    for problem in problems:
        show(plain(problem))
    show(plain(f"{release}: {f'{len(problems)} problems' if problems else 'whole and consistent'}"))
    return DATA_FAILED if problems else DONE


def _add_publish(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "publish", _publish, "publish the release of a build, to a folder or to the Hub",
                 "routerset publish out/real --to hf://datasets/ORG/NAME --dry-run")  # fmt: skip
    verb.add_argument("dir", type=Path, metavar="DIR", help="folder of a build or of a release")
    verb.add_argument("--to", required=True, metavar="PLACE", help="a folder, or hf://datasets/ORG/NAME")
    verb.add_argument("--version", metavar="X.Y.Z", help="refuse any other version")
    verb.add_argument("--sign", type=Path, metavar="KEY", help="an SSH key to sign with, by ssh-keygen")
    verb.add_argument("--overwrite", action="store_true", help="also what others changed on the Hub's main")
    verb.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _publish(args: argparse.Namespace) -> int:
    from routerset.release.publish.hub import publish

    done = publish(
        _taken(args.dir),
        args.to,
        version=args.version,
        dry_run=args.dry_run,
        overwrite=args.overwrite,
        sign=args.sign,
        progress=say,
    )
    show(done.text())
    return DONE


def _add_status(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "status", _status, "say where a build, a release or a published dataset stands",
                 "routerset status out/real")  # fmt: skip
    verb.add_argument("place", metavar="DIR", help="build, release, or place that releases are published to")
    verb.add_argument("--config", type=Path, metavar="FILE", help="of the build (default: of its last run)")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _status(args: argparse.Namespace) -> int:
    from routerset.etl.status import status

    return status(args.place, args.config, args.format)


def _add_diff(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "diff", _diff, "say what changed between two releases, and which version that makes",
                 "routerset diff hf://datasets/ORG/NAME@v1.0.0 out/real")  # fmt: skip
    what = "release, build, or place with published releases, at the latest one or @vX.Y.Z"
    verb.add_argument("old", metavar="OLD", help=what)
    verb.add_argument("new", metavar="NEW", help="the same")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _diff(args: argparse.Namespace) -> int:
    from routerset.etl.versions import diff

    return diff(args.old, args.new, args.format)


def _add_rollback(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "rollback", _rollback, "publish an older version again, as a new one that says so",
                 'routerset rollback /srv/data/name 1.2.0 --because "prompts of 1.3.0 are cut"')  # fmt: skip
    verb.add_argument("target", metavar="TARGET", help="where it is published: a folder, or hf://...")
    verb.add_argument("version", metavar="X.Y.Z", help="the version whose rows come back")
    verb.add_argument("--because", default="", metavar="TEXT", help="a line for the changelog")
    verb.add_argument("--sign", type=Path, metavar="KEY", help="an SSH key to sign with, by ssh-keygen")
    verb.add_argument("--overwrite", action="store_true", help="also what others changed on the Hub's main")
    verb.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _rollback(args: argparse.Namespace) -> int:
    from routerset.etl.versions import rollback

    given = {"dry_run": args.dry_run, "overwrite": args.overwrite, "sign": args.sign}
    return rollback(args.target, args.version, args.because, **given)


def _add_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "report", _report, "write tables, plots and a page about a release",
                 "routerset report out/real/release --out out/report")  # fmt: skip
    verb.add_argument("release", type=Path, metavar="RELEASE", help="folder of a release, or of a build")
    verb.add_argument("--out", type=Path, metavar="DIR", default=Path("report"), help="default: report")
    verb.add_argument("--routers", metavar="A,B", help="default: those that need no training")
    verb.add_argument("--sizes", metavar="3,5", default="3,5", help="group sizes (default: 3,5)")
    verb.add_argument("--method", metavar="M", help="groups to show first (default: the release's first)")
    verb.add_argument("--costs", metavar="KIND", help="of the curves of score over cost (default: of usd, "
                      "tokens, params_b the one that most groups have)")  # fmt: skip
    verb.add_argument("--hold-out", action="store_true", help="also what routers lose on each category in "
                      "turn that they learn nothing of")  # fmt: skip


def _report(args: argparse.Namespace) -> int:
    from routerset.etl.words import listed, sizes_in
    from routerset.release.reporting.report import write_report

    sizes, routers = sizes_in(args.sizes), listed(args.routers)
    release = _taken(args.release)
    with _working("evaluating") as progress:
        written = write_report(
            release,
            args.out,
            sizes=sizes,
            routers=routers,
            method=args.method,
            costs=args.costs,
            hold_out=args.hold_out,
            progress=progress,
        )
    for path in written:
        show(plain(path))
    say(plain(f"report: {args.out.resolve()}"))
    return DONE


def _add_audit(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "audit", _audit, "ask of a build, a release or dumps whether routing is worth it",
                 "routerset audit my.csv --costs prices.csv --out audit")  # fmt: skip
    verb.add_argument("path", type=Path, metavar="PATH", help="build, release, or dumps of any format")
    verb.add_argument("--costs", metavar="FILE|KIND", help="a file of prices, or a kind of costs, such as "
                      "usd (default: params_b, where all models have it)")  # fmt: skip
    verb.add_argument("--out", type=Path, metavar="DIR", help="folder for tables and a page (default: none)")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _audit(args: argparse.Namespace) -> int:
    from routerset.etl.auditing import run

    return run(args.path, args.costs, args.out, args.format)


def _add_export(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "export", _export, "write a release in the layout of another tool",
                 "routerset export out/real/release --to llmrouter out/llmrouter")  # fmt: skip
    verb.add_argument("path", type=Path, metavar="RELEASE", help="folder of a release, or of a build")
    verb.add_argument("--to", required=True, metavar="FORMAT", help="llmrouter, llmrouterbench, embedllm, "
                      "routerbench, routellm, semantic-router or routingcompendium")  # fmt: skip
    verb.add_argument("out", type=Path, metavar="OUT", help="folder to write, one below it per group")
    verb.add_argument("--benchmarks", metavar="A,B", help="only these (default: all)")
    verb.add_argument("--sizes", metavar="3,5", help="group sizes (default: 3,5)")
    verb.add_argument("--method", metavar="M", help="how groups were chosen (default: the release's first)")
    verb.add_argument(
        "--kind", metavar="KIND", help="all_strong, all_weak, strong_to_weak or open (default: all)"
    )
    verb.add_argument("--scheme", metavar="S", help="split scheme (default: the release's first)")
    verb.add_argument("--encoder", metavar="E", help="of the vectors (default: the first that there is)")
    verb.add_argument("--costs", metavar="KIND", help="the cheapest candidate first, and labels that weigh "
                      "costs, such as usd or params_b")  # fmt: skip
    verb.add_argument("--validation", choices=("train", "drop"), help="where validation items go in "
                      "llmrouter, which has no place for them (default: drop)")  # fmt: skip
    verb.add_argument("--strong", metavar="MODEL", help="for routellm: the model that a query may be sent to")
    verb.add_argument("--weak", metavar="MODEL", help="for routellm: the model to save it for")


def _export(args: argparse.Namespace) -> int:
    from routerset.etl.exporting import run

    args.path = _taken(args.path)
    return run(args)


def _add_leaderboard(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verb = _verb(verbs, "leaderboard", _leaderboard, "score submitted files of predictions into a page",
                 "routerset leaderboard out/real/release submissions --out board")  # fmt: skip
    verb.add_argument("release", type=Path, metavar="RELEASE", help="folder of a release")
    verb.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="a folder for each submission")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the page and data")
    verb.add_argument("--committed", type=Path, metavar="DIR", help="SUBMISSIONS as it was before; a file "
                      "counts only if its commitment stands there")  # fmt: skip
    verb.add_argument("--benchmarks", metavar="A,B", help="default: all")
    verb.add_argument("--sizes", metavar="3,5", help="group sizes (default: all that anyone answers)")
    verb.add_argument("--method", metavar="M", help="how groups were chosen (default: the release's first)")
    verb.add_argument("--scheme", metavar="S", help="how items were split (default: likewise)")
    verb.add_argument("--costs", metavar="KIND", help="also score over cost, such as usd or params_b")
    verb.add_argument("--eval-results", type=Path, metavar="DIR", help="also `.eval_results` of each router, "
                      "for its repository on the Hub; needs --dataset")  # fmt: skip
    verb.add_argument("--dataset", metavar="ORG/NAME", help="of --eval-results: the release on the Hub")
    verb.add_argument("--revision", metavar="COMMIT", help="of --eval-results: its commit there")
    verb.add_argument("--url", metavar="URL", help="of --eval-results: where the page will stand")
    verb.add_argument("--strict", action="store_true", help="end with 1 if a submission was refused")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def _leaderboard(args: argparse.Namespace) -> int:
    from routerset.etl.leaderboard import run
    from routerset.etl.words import listed, sizes_in

    return run(
        _taken(args.release),
        args.submissions,
        args.out,
        method=args.method,
        scheme=args.scheme,
        benchmarks=listed(args.benchmarks),
        sizes=None if args.sizes is None else sizes_in(args.sizes),
        costs=args.costs,
        committed=args.committed,
        results=args.eval_results,
        dataset=args.dataset,
        revision=args.revision,
        url=args.url,
        strict=args.strict,
        form=args.format,
    )


def _evaluate(args: argparse.Namespace) -> int:
    """The evaluator parses its own arguments, since it ships inside releases without this program."""
    from routerset.release.evaluator.__main__ import main as evaluate

    return evaluate(args.words, prog="routerset evaluate")


if __name__ == "__main__":
    raise SystemExit(main())
