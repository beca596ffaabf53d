"""Command line: `python -m evaluator [RELEASE] ...`, the same as `routerset evaluate`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from .bootstrap import RESAMPLES
from .costs import COST_KINDS
from .curve_rows import CURVES, curve_table
from .errors import EvaluatorError, UsageError
from .pair_rows import CONFIDENCES, routing_table
from .pairing import Pair
from .plain import lines, plain
from .predictions import PredictedRouter, commitment, read_predictions
from .reader import Release, load_release
from .results import SEEN, TRACKS
from .routers import ROUTERS, TRAINING_FREE, RouterFactory, RouterRow, find_router, nothing
from .routers.mlc import MultiLabelRoberta
from .scaling import scaling_table, scaling_up
from .scoring import evaluate
from .selection_rows import selection_table
from .selectors import SELECTORS, Selector

Number = TypeVar("Number", int, float)
EPILOG = """\
exit codes: 0 done, 1 the data or a router's output failed, 2 wrong usage,
3 something is missing or unreadable

README.md in the evaluator's folder shows how to score a router of your own, in
Python or as a file of predictions.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that repeats no word of a command line as it came."""

    def error(self, message: str) -> NoReturn:
        super().error(lines(message))


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The parser; `prog` is what the help calls the program."""
    parser = _Parser(
        prog=prog,
        description="Scores LLM routers on a release of the routing benchmark.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("release", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent, metavar="RELEASE",
        help="folder of the release (default: the one this evaluator ships in)")  # fmt: skip
    add("--routers", metavar="A,B", help=f"all, or any of: {', '.join(ROUTERS)}, r_o_P "
        "(default: those that need no gradient training)")  # fmt: skip
    add("--benchmarks", metavar="A,B", help="default: all")
    add("--sizes", metavar="3,5", help="group sizes m (default: all)")
    add("--encoder", metavar="E", help="whose vectors to use (default: minilm, or else the first)")
    add("--method", metavar="M", help="how groups were chosen, such as paper, or greedy, which never sees "
        "test (default: the first of the release's manifest)")  # fmt: skip
    add("--scheme", metavar="S", help="how items were split, such as paper or family (default: likewise)")
    add("--track", choices=TRACKS, default=SEEN, help="where routers learn: seen (default), on a benchmark's "
        "own items, or unseen, on those of all others")  # fmt: skip
    add("--costs", metavar="KIND", help=f"also curves of score over costs: {', '.join(COST_KINDS)}")
    add("--curve", choices=CURVES, help="points of these curves instead: over a cap on the cost of one "
        "answer, or over the mean cost; needs --costs")  # fmt: skip
    add("--selector", choices=SELECTORS, help="scores under budgets instead, by this way to choose; needs "
        "--costs")  # fmt: skip
    add("--budget", metavar="B,B", help="of --selector: mean cost of an answer, in the unit of --costs "
        "(default: six from what the cheapest answers cost to what the dearest do)")  # fmt: skip
    add("--alpha", type=float, metavar="A", help="of --selector ratio: exponent of the cost (default: 1)")
    add("--pair", metavar="SMALL,LARGE", help="any two models in place of groups, and how much goes to the "
        "large one; also with --curve, --selector, --differences")  # fmt: skip
    add("--confidence", choices=CONFIDENCES, help="of --pair: the small one gets first where its estimated "
        "score, less that of the large one (difference, the default), is highest")  # fmt: skip
    add("--compat", action="store_true", help="reproduce the reference code's quirks, and unless --method or "
        "--scheme says otherwise, on its groups and split: paper")  # fmt: skip
    add("--predictions", type=Path, metavar="FILE", help="score a CSV or Parquet file of predictions")
    add("--commit", action="store_true", help="check the predictions and print their sha256; score nothing")
    add("--differences", action="store_true", help="compare every pair of routers instead")
    add("--scaling", action="store_true", help="accuracy of r_o(p) over the number of candidates instead")
    add("--format", choices=("table", "json"), default="table", help="default: table")
    add("--seed", type=int, default=0, metavar="N", help="of routers and bootstrap (default: 0)")
    add(
        "--resamples", type=int, default=RESAMPLES, metavar="N", help=f"default: {RESAMPLES}; 0: no intervals"
    )
    add("--mlc-model", metavar="FOLDER", help="local copy of roberta-base that router mlc fine-tunes")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "python -m evaluator") -> int:
    """Run the command line; returns the exit code. Data goes to stdout, the rest to stderr."""
    try:
        arguments = build_parser(prog).parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        text = _run(arguments)
    except EvaluatorError as error:
        indented = str(error).replace("\n", "\n  ")  # a newline in a name makes no line that looks like ours
        print(lines(f"error: {indented}"), file=sys.stderr)
        return error.exit_code
    try:
        print(lines(text), flush=True)
    except BrokenPipeError:
        # The reader left (`| head`); without this Python complains again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _run(arguments: argparse.Namespace) -> str:
    release = load_release(arguments.release)
    benchmarks = arguments.benchmarks.split(",") if arguments.benchmarks else None
    as_json = arguments.format == "json"
    _one_answer(arguments)
    selector, pair = _selector(arguments), _pair(arguments)
    if arguments.scaling:
        curves = scaling_up(release, benchmarks, seed=arguments.seed, progress=show_progress)
        return json.dumps([c.to_dict() for c in curves], indent=1) if as_json else scaling_table(curves)
    sizes = _numbers("--sizes", arguments.sizes, int, "whole numbers", "3,5")
    if arguments.resamples < 0:
        raise UsageError(f"--resamples {arguments.resamples}: expected 0 or more")
    method, scheme = release.setting(arguments.method, arguments.scheme, arguments.compat)
    predicted: PredictedRouter | None = None
    routers: dict[str, RouterFactory | RouterRow] = {}
    if arguments.predictions:
        predicted = read_predictions(
            arguments.predictions,
            release,
            method=method,
            scheme=scheme,
            benchmarks=benchmarks,
            sizes=sizes,
        )
        routers[arguments.predictions.stem] = lambda: predicted
        if arguments.commit:
            digest = commitment(arguments.predictions)
            fields = {"sha256": digest, "file": arguments.predictions.name, "release": release.version}
            return json.dumps(fields) if as_json else f"{digest}  {plain(arguments.predictions.name)}"
    elif arguments.commit:
        raise UsageError("--commit needs --predictions FILE")
    if arguments.routers or not predicted:
        named = _routers(arguments.routers, arguments.mlc_model, release)
        if set(named) & set(routers):
            raise UsageError(f"{arguments.predictions}: a router has this name too; rename the file")
        routers |= named
    result = evaluate(
        release,
        routers,
        benchmarks=benchmarks,
        sizes=sizes,
        encoder=arguments.encoder,
        method=None if pair else method,
        scheme=scheme,
        compat=arguments.compat,
        track=arguments.track,
        costs=arguments.costs,
        curve=arguments.curve,
        selector=selector,
        pair=pair,
        seed=arguments.seed,
        resamples=arguments.resamples,
        pairs=arguments.differences,
        covers=predicted.covers if predicted else lambda group: True,
        progress=show_progress,
    )
    for note in (*result.notes, *([_public(arguments.predictions)] if predicted else [])):
        print(lines(plain(f"note: {note}")), file=sys.stderr)
    if arguments.differences:
        pairs = [d.to_dict() for d in result.differences]
        return json.dumps(pairs, indent=1) if as_json else result.difference_table()
    if arguments.selector:
        if as_json:
            return json.dumps([selection.to_dict() for selection in result.selections], indent=1)
        return selection_table(result.selections)
    if arguments.curve:
        return json.dumps([c.to_dict() for c in result.curves]) if as_json else curve_table(result.curves)
    if pair is not None:
        if as_json:
            return json.dumps([routing.to_dict() for routing in result.routings])
        return routing_table(result.routings)
    if as_json:
        return json.dumps([row.to_dict() for row in result.rows], indent=1)
    return result.cost_table() if arguments.costs else result.table()


ANSWERS = ("scaling", "commit", "differences", "curve", "selector")
"""Options that say what is answered in place of the rows of metrics."""


def _one_answer(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that ask for two answers, and for one that lacks another it needs."""
    asked = [f"--{name}" for name in ANSWERS if getattr(arguments, name)]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)}: each asks for another table; give one of them")
    if (arguments.curve or arguments.selector) and not arguments.costs:
        raise UsageError(f"{asked[0]} needs --costs KIND")


def _selector(arguments: argparse.Namespace) -> Selector | None:
    """What is asked for. Raises UsageError for options that need it, or that are no numbers."""
    budgets = _numbers("--budget", arguments.budget, float, "numbers", "0.5,1.5") or []
    if arguments.selector:
        return Selector(arguments.selector, tuple(budgets), arguments.alpha)
    for name in ("budget", "alpha"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} needs --selector")
    return None


def _pair(arguments: argparse.Namespace) -> Pair | None:
    """Two models. Raises UsageError for other numbers of them, and for options that a pair has no use for."""
    if arguments.pair is None:
        if arguments.confidence:
            raise UsageError("--confidence needs --pair SMALL,LARGE")
        return None
    useless = ("sizes", "method", "predictions", "scaling")
    if named := [f"--{name}" for name in useless if getattr(arguments, name)]:
        raise UsageError(f"{named[0]} is for groups of a release: leave it out with --pair")
    models = arguments.pair.split(",")
    if len(models) != 2 or not all(models):
        raise UsageError(f"--pair {arguments.pair}: expected two models, as in --pair SMALL,LARGE")
    return Pair(models[0], models[1], arguments.confidence or "difference")


def _public(path: Path) -> str:
    """What a score of a file is worth."""
    return (
        f"{path.name} has sha256 {commitment(path)}. The test scores are public, and nothing here tells when "
        "the file was made: that it did not follow them shows only where and when this sha256 was published"
    )


def show_progress(done: int, total: int, label: str) -> None:
    """A bar on stderr where someone watches, a line per benchmark in a log.

    `done` of `total` benchmarks are finished and `label` is next, empty at the end.
    """
    label = lines(plain(label))
    if sys.stderr.isatty():
        bar = "#" * (24 * done // max(total, 1))
        print(f"\r\x1b[K[{bar:<24}] {done}/{total} {label}" if label else "\r\x1b[K", end="", file=sys.stderr)
        sys.stderr.flush()
    elif label:
        print(f"evaluating {label} ({done + 1} of {total})", file=sys.stderr)


def _numbers(option: str, text: str | None, of: type[Number], words: str, such: str) -> list[Number] | None:
    """Numbers with commas between them; None where the option was not given."""
    if not text:
        return None
    try:
        return [of(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: expected {words}, as in {option} {such}") from None


def _routers(names: str | None, mlc_model: str | None, release: Release) -> dict[str, RouterRow]:
    """Named routers; `all` and the default leave out, with a note, what cannot run here."""
    available = dict(ROUTERS)
    if mlc_model:
        make = partial(MultiLabelRoberta, mlc_model)
        available["mlc"] = replace(ROUTERS["mlc"], make=make, lacks=nothing)
    if names and names != "all":
        return {name: available.get(name) or find_router(name) for name in names.split(",")}
    vectors = any(release.encoders(name) for name in release.benchmarks)
    kept = {}
    for name in available if names else TRAINING_FREE:
        row = available[name]
        lacking = "this release has no vectors" if row.uses_vectors and not vectors else row.lacks()
        if lacking:
            print(lines(plain(f"note: router {name} is left out: {lacking}")), file=sys.stderr)
        else:
            kept[name] = row
    return kept


if __name__ == "__main__":
    sys.exit(main())
