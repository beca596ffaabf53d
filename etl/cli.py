"""The command line: `routerset VERB`; the verbs themselves stand in `verbs`."""

from __future__ import annotations

import argparse
import atexit
import gc
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import routerset
from routerset.etl import interrupts
from routerset.etl.extras import extra_of
from routerset.etl.progress import say
from routerset.etl.verbs import checking, making, publishing, using
from routerset.etl.verbs.base import Verbs, add_verb
from routerset.schemas.escape import lines
from routerset.schemas.exits import DONE, USAGE, exit_code, message

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
    for add in (
        _add_demo,
        making.add_synth,
        making.add_init,
        making.add_build,
        checking.add_validate,
        checking.add_verify,
        publishing.add_publish,
        publishing.add_status,
        publishing.add_diff,
        publishing.add_rollback,
        using.add_report,
        checking.add_audit,
        using.add_export,
        using.add_leaderboard,
    ):
        add(verbs)
    add_verb(
        verbs,
        EVALUATE,
        _evaluate,
        "score routers on a release",
        "routerset evaluate out/real/release --sizes 3,5",
    )
    return parser


def _add_demo(verbs: Verbs) -> None:
    verb = add_verb(
        verbs, "demo", _demo, "make small synthetic dumps and build them", "routerset demo --out out/demo"
    )
    verb.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="folder to work in (default: out/demo)"
    )


def _demo(args: argparse.Namespace) -> int:
    from routerset.etl.demo import demo

    return demo(args.out, main)


def _evaluate(args: argparse.Namespace) -> int:
    """The evaluator parses its own arguments, since it ships inside releases without this program."""
    from routerset.release.evaluator.__main__ import main as evaluate

    return evaluate(args.words, prog="routerset evaluate")


if __name__ == "__main__":
    raise SystemExit(main())
