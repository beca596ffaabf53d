"""Verbs that make something of a release."""

from __future__ import annotations

import argparse
from pathlib import Path

from routerset.etl.progress import say, show
from routerset.etl.verbs.base import Verbs, add_verb, taken, working
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE


def add_report(verbs: Verbs) -> None:
    """Verb `report`."""
    verb = add_verb(
        verbs,
        "report",
        _report,
        "write tables, plots and a page about a release",
        "routerset report out/real/release --out out/report",
    )
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
    release = taken(args.release)
    with working("evaluating") as progress:
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


def add_export(verbs: Verbs) -> None:
    """Verb `export`."""
    verb = add_verb(
        verbs,
        "export",
        _export,
        "write a release in the layout of another tool",
        "routerset export out/real/release --to llmrouter out/llmrouter",
    )
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

    args.path = taken(args.path)
    return run(args)


def add_leaderboard(verbs: Verbs) -> None:
    """Verb `leaderboard`."""
    verb = add_verb(
        verbs,
        "leaderboard",
        _leaderboard,
        "score submitted files of predictions into a page",
        "routerset leaderboard out/real/release submissions --out board",
    )
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
        taken(args.release),
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
