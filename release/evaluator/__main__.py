"""Command line: `python -m evaluator [RELEASE] ...`, the same as `routerset evaluate`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from .bootstrap import RESAMPLES
from .by_category import category_table
from .categories import GROUPINGS
from .costs import COST_KINDS
from .curve_rows import CURVES, curve_table, shown_of
from .errors import EvaluatorError, UsageError
from .exports import FORMATS, export
from .holdout import parse_sets
from .holdout_rows import held_out_table
from .joining_rows import joined_table
from .layouts import Record, View
from .options import check_options
from .pair_rows import CONFIDENCES, routing_table
from .pairing import Pair
from .plain import lines, plain
from .predictions import PredictedRouter, commitment, read_predictions
from .progress import Progress
from .reader import Group, Release, load_release
from .results import Difference, Evaluation, Row
from .routers import (
    BESIDE_CURVES,
    ROUTERS,
    TRAINING_FREE,
    RouterFactory,
    RouterRow,
    find_router,
    nothing,
)
from .routers.mlc import MultiLabelRoberta
from .scaling import scaling_table, scaling_up, spread_sizes, table_sizes
from .scoring import evaluate
from .selection_rows import selection_table
from .selectors import SELECTORS, Selector
from .task import SEEN, TRACKS
from .tiers import TIER, tier_table
from .views import VIEWS

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
    add("release", nargs="?", type=Path, metavar="RELEASE",
        help="folder of the release (default: the one this evaluator ships in)")  # fmt: skip
    add("--routers", metavar="A,B", help=f"all, or any of: {', '.join(ROUTERS)}, r_o_P "
        "(default: those that need no gradient training)")  # fmt: skip
    add("--benchmarks", metavar="A,B", help="default: all")
    add("--sizes", metavar="3,5", help="group sizes m (default: all)")
    add("--encoder", metavar="E", help="whose vectors to use (default: minilm, or else the first)")
    add("--method", metavar="M", help="how groups were chosen, such as paper, or greedy, which never sees "
        "test (default: the first of the release's manifest)")  # fmt: skip
    add("--scheme", metavar="S", help="how items were split, such as paper or family (default: likewise)")
    add("--track", choices=TRACKS, help="where routers learn: seen (default), on a benchmark's "
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
    add("--predictions", type=Path, nargs="+", action="extend", metavar="FILE", help="score CSV or Parquet "
        "files of predictions, each under the name of its file")  # fmt: skip
    add("--commit", action="store_true", help="check the predictions and print their sha256; score nothing")
    add("--by", choices=(*GROUPINGS, TIER), help="scores by category of items, or by subset, or by domain "
        "(MMLU's 57 subjects as 17); or how often models of each size are chosen; instead")  # fmt: skip
    add("--hold-out", metavar="A,B", action="append", help="what routers lose on categories, "
        "that they learn nothing of, instead; all: each in turn; repeat it for a second set")  # fmt: skip
    add("--pseudo-specialists", action="store_true", help="how agreement with the heuristic changes when the "
        "release's pseudo-specialists join each group, instead; needs --costs")  # fmt: skip
    add("--differences", action="store_true", help="compare every pair of routers instead")
    add("--scaling", action="store_true", help="accuracy of r_o(p) over the number of candidates instead")
    add("--means", action="store_true", help="in JSON and CSV, what other formats show: means over the kinds "
        "of groups, and over benchmarks")  # fmt: skip
    add("--format", choices=("table", *FORMATS), help="default: table")
    add("--seed", type=int, metavar="N", help="of routers and bootstrap (default: 0)")
    add("--resamples", type=int, metavar="N", help=f"default: {RESAMPLES}; 0: no intervals")
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


DEFAULTS = {"track": SEEN, "format": "table", "seed": 0, "resamples": RESAMPLES}
"""Of options that the parser leaves None, so that it shows which were given."""


def _given(arguments: argparse.Namespace) -> set[str]:
    """Names of the options that a command line has, and of each router as `routers=NAME`."""
    given = {name for name, value in vars(arguments).items() if value is not None and value is not False}
    for name in sorted(given):
        if getattr(arguments, name) == "":
            raise UsageError(f"--{name.replace('_', '-')}: found nothing, expected a value")
    values = {f"{name}={getattr(arguments, name)}" for name in ("format", "track") if name in given}
    return given | values | {f"routers={name}" for name in (arguments.routers or "").split(",")}


def _run(arguments: argparse.Namespace) -> str:
    *files, last = arguments.predictions or [None]
    if arguments.release is None and last is not None and last.is_dir():
        arguments.predictions, arguments.release = files or None, last  # `--predictions FILE RELEASE`
    check_options(_given(arguments))
    for name, value in DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    release = load_release(arguments.release or Path(__file__).resolve().parent.parent)
    if arguments.release is not None and release.path != arguments.release:
        print(lines(plain(f"{arguments.release} is a build; taken: {release.path}")), file=sys.stderr)
    benchmarks = arguments.benchmarks.split(",") if arguments.benchmarks else None
    selector, pair = _selector(arguments), _pair(arguments)
    if arguments.scaling:
        with Progress("evaluating", each=True) as progress:
            curves = scaling_up(release, benchmarks, seed=arguments.seed, progress=progress)
        if arguments.format == "json":
            return json.dumps([c.to_dict() for c in curves], indent=1)
        every, few = ([row for c in curves for row in c.rows(of)] for of in (spread_sizes, table_sizes))
        return _shown(arguments, lambda: scaling_table(curves), "scaling", every, few)
    sizes = _numbers("--sizes", arguments.sizes, int, "whole numbers", "3,5")
    if arguments.resamples < 0:
        raise UsageError(f"--resamples {arguments.resamples}: expected 0 or more")
    method, scheme = release.setting(arguments.method, arguments.scheme, arguments.compat)
    predicted: dict[str, PredictedRouter] = {}
    for path in arguments.predictions or ():
        if path.stem in predicted:
            raise UsageError(f"{path}: another file of predictions has the name {path.stem!r}; rename one")
        predicted[path.stem] = read_predictions(
            path, release, method=method, scheme=scheme, benchmarks=benchmarks, sizes=sizes
        )
    if arguments.commit:
        return _commitments(arguments, release)
    routers: dict[str, RouterFactory | RouterRow] = {}
    for name, router in predicted.items():
        routers[name] = partial(_itself, router)
    if arguments.routers or not predicted:
        beside = BESIDE_CURVES if arguments.costs else ()
        named = _routers(arguments.routers, arguments.mlc_model, release, beside)
        for path in arguments.predictions or ():
            if path.stem in named:
                raise UsageError(f"{path}: a router has this name too; rename the file")
        routers |= named
    with Progress("evaluating", each=True) as progress:
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
            covers=partial(_covered, predicted) if predicted else None,
            by=arguments.by,
            hold_out=parse_sets(arguments.hold_out or []),
            pseudo_specialists=arguments.pseudo_specialists,
            progress=progress,
            detail=progress.detail,
        )
    for note in (*result.notes, *_left_out(predicted), *map(_public, arguments.predictions or ())):
        print(lines(plain(f"note: {note}")), file=sys.stderr)
    return _results(arguments, result)


def _results(arguments: argparse.Namespace, result: Evaluation) -> str:
    """What was asked for of an evaluation, in the format that was asked for."""
    if arguments.curve:
        points = [curve.to_dict() for curve in result.curves]
        return _shown(
            arguments, lambda: curve_table(result.curves), "curves", points, shown_of(result.curves)
        )
    if arguments.selector:
        told = [selection.to_dict() for selection in result.selections]
        few = _of_kinds(told)
        return _shown(arguments, lambda: selection_table(result.selections), "selections", told, few)
    if arguments.pair and not arguments.differences:
        rates = [routing.to_dict() for routing in result.routings]
        flat = [{k: v for k, v in rate.items() if not isinstance(v, list)} for rate in rates]
        return _shown(arguments, lambda: routing_table(result.routings), "routings", rates, flat)
    if arguments.by == TIER:
        shares = [share.to_dict() for share in result.by_tier]
        return _shown(arguments, lambda: tier_table(result.by_tier), "tiers", shares, _of_kinds(shares))
    if arguments.by:
        scores = [score.to_dict() for score in result.by_category]
        few = _of_kinds(scores)
        return _shown(arguments, lambda: category_table(result.by_category), "categories", scores, few)
    if arguments.hold_out:
        held = [of.to_dict() for of in result.held_out]
        return _shown(arguments, lambda: held_out_table(result.held_out), "held-out", held, _of_kinds(held))
    if arguments.pseudo_specialists:
        changes = [of.to_dict() for of in result.joined]
        return _shown(arguments, lambda: joined_table(result.joined), "joined", changes, _of_kinds(changes))
    if arguments.differences:
        means: list[Row | Difference] = [*(d for d in result.differences if d.kind == "mean")]
        means += result.overall_differences
        every: Sequence[Row | Difference] = result.differences
        table = result.cost_difference_table if arguments.costs else result.difference_table
        name = "cost-differences" if arguments.costs else "differences"
    else:
        means, every = [*result.means, *result.overall], result.rows
        table = result.cost_table if arguments.costs else result.table
        name = "costs" if arguments.costs else "means"
    shown = [record.to_dict() for record in means]
    records = shown if arguments.means else [record.to_dict() for record in every]
    priced = [record for record in shown if not arguments.costs or record.get("cost_unit") is not None]
    return _shown(arguments, table, name, records, priced)


def _of_kinds(records: Sequence[Record]) -> list[Record]:
    """Means over the kinds of groups, which people read."""
    return [record for record in records if record["kind"] == "mean"]


def _shown(
    arguments: argparse.Namespace,
    table: Callable[[], str],
    name: str,
    records: Sequence[Record],
    shown: Sequence[Record] | None = None,
) -> str:
    """Results in the format that was asked for; name: of their view. records, shown: see `exports.export`."""
    if arguments.format == "table":
        return table()
    view = VIEWS.get(name) or View(name, f"{name.capitalize()}.")
    return export(arguments.format, view, records, shown)


def _commitments(arguments: argparse.Namespace, release: Release) -> str:
    """A line for each file; in JSON, an object for one file, a list of them for several."""
    files = [
        {"sha256": commitment(path), "file": path.name, "release": release.version}
        for path in arguments.predictions
    ]
    if arguments.format == "json" and len(files) == 1:
        return json.dumps(files[0])
    return _shown(
        arguments,
        lambda: "\n".join(f"{file['sha256']}  {plain(file['file'])}" for file in files),
        "commitment",
        files,
    )


def _itself(router: PredictedRouter) -> PredictedRouter:
    return router


def _covered(predicted: Mapping[str, PredictedRouter], group: Group) -> bool:
    return all(router.covers(group) for router in predicted.values())


def _left_out(predicted: Mapping[str, PredictedRouter]) -> Iterator[str]:
    """What files answer in vain, since others do not."""
    answered = [router.predictions.keys() for router in predicted.values()]
    for name, cells in zip(predicted, answered, strict=True):
        if vain := sum(any(cell not in other for other in answered) for cell in cells):
            yield f"{name}: {vain} of its {len(cells)} cells left out, where not every file answers"


def _selector(arguments: argparse.Namespace) -> Selector | None:
    """What is asked for. Raises UsageError for budgets that are no numbers."""
    if arguments.selector is None:
        return None
    budgets = _numbers("--budget", arguments.budget, float, "numbers", "0.5,1.5") or []
    return Selector(arguments.selector, tuple(budgets), arguments.alpha)


def _pair(arguments: argparse.Namespace) -> Pair | None:
    """Two models. Raises UsageError for other numbers of them."""
    if arguments.pair is None:
        return None
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


def _numbers(option: str, text: str | None, of: type[Number], words: str, such: str) -> list[Number] | None:
    """Numbers with commas between them; None where the option was not given."""
    if not text:
        return None
    try:
        return [of(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: expected {words}, as in {option} {such}") from None


def _routers(
    names: str | None, mlc_model: str | None, release: Release, beside: Sequence[str] = ()
) -> dict[str, RouterRow]:
    """Named routers; `all` and the default leave out, with a note, what cannot run here.

    beside: those that the default has, too.
    """
    available = dict(ROUTERS)
    if mlc_model:
        make = partial(MultiLabelRoberta, mlc_model)
        available["mlc"] = replace(ROUTERS["mlc"], make=make, lacks=nothing)
    if names and names != "all":
        return {name: available.get(name) or find_router(name) for name in names.split(",")}
    vectors = any(release.encoders(name) for name in release.benchmarks)
    kept = {}
    for name in available if names else (*TRAINING_FREE, *beside):
        row = available[name]
        lacking = "this release has no vectors" if row.uses_vectors and not vectors else row.lacks()
        if lacking:
            print(lines(plain(f"note: router {name} is left out: {lacking}")), file=sys.stderr)
        else:
            kept[name] = row
    return kept


if __name__ == "__main__":
    sys.exit(main())
