"""An outcome as text, JSON, or annotations of a GitHub workflow."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import PurePath

from routerset.expectations.findings import Finding, Severity, Validation, Value
from routerset.schemas import escape
from routerset.schemas.escape import plain

WIDTH = 80
REPOSITORY = "https://github.com/ORG/routerset"
"""Where this project lives; links of findings lead there."""
PAPER = "https://arxiv.org/abs/2503.10657"
"""RouterEval (Huang et al., 2025)."""
RELEASE = "release/"
"""Before the table and the files of a release inside a build."""


def to_text(outcome: Validation, *, verbose: bool = False) -> str:
    """A table of suites and failures, 80 columns wide, with three examples each.

    verbose: list what holds, too.
    """
    lines = [
        plain(outcome.path),
        f"{'suite':<11} {'expectation':<36} {'result':<8} {'unexpected':>11}",
        "-" * 69,
    ]
    for suite, findings in _by_suite(outcome).items():
        failed = [f for f in findings if not f.success and not f.cause]
        for finding in findings if verbose else failed:
            lines += _lines(outcome, finding)
        held = sum(f.success for f in findings)
        if held and not verbose:
            lines.append(f"{suite:<11} {held} {'others hold' if failed else 'hold'}")
    for line in outcome.skipped:
        lines += textwrap.wrap(plain(f"not run: {line}"), WIDTH, subsequent_indent="  ")
    lines.append("-" * 69)
    lines.append(counts(outcome))
    return "\n".join(lines)


def counts(outcome: Validation) -> str:
    """How many expectations there were, and how they ended, on one line."""
    following = sum(bool(f.cause) for f in outcome.findings)
    return (
        f"{len(outcome.findings)} expectations: {len(outcome.errors)} errors, "
        f"{len(outcome.warnings)} warnings"
        + (f", {following} that follow from them" if following else "")
        + (f", {len(outcome.skipped)} not run" if outcome.skipped else "")
    )


def link(reference: str) -> str:
    """Where a rule stands, as a URL; as it is where it stands nowhere that has one."""
    place, _, part = reference.partition(": ")
    if place.startswith("RouterEval"):
        return PAPER
    if not re.fullmatch(r"[\w/]+\.(py|md)", place):
        return reference
    anchor = "#" + part.lower().replace(" ", "-") if place.endswith(".md") and part else ""
    return f"{REPOSITORY}/blob/main/{place}{anchor}"


def _by_suite(outcome: Validation) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in outcome.findings:
        found.setdefault(_suite(finding), []).append(finding)
    return found


def _suite(finding: Finding) -> str:
    """Name of the suite, with a mark for that of a release inside a build."""
    return (RELEASE if finding.table.startswith(RELEASE) else "") + finding.suite


def consequences(outcome: Validation, finding: Finding) -> str:
    """What else fails for the same reason alone, in one sentence; empty where nothing does."""
    names = ", ".join(f"{f.full_name} ({f.unexpected:,})" for f in outcome.follow(finding))
    return f"what follows from it, and is checked again once it is mended: {names}" if names else ""


def _lines(outcome: Validation, finding: Finding) -> Iterator[str]:
    result = "ok" if finding.success else finding.severity.value
    count = "" if finding.success else f"{finding.unexpected:,}"
    yield f"{_suite(finding):<11} {finding.expectation:<36} {result:<8} {count:>11}".rstrip()
    if finding.success:
        return
    for example in finding.examples:
        yield from textwrap.wrap(show(example), WIDTH, initial_indent="    ", subsequent_indent="      ")
    for said in (f"why: {finding.why} [{finding.reference}]", consequences(outcome, finding)):
        yield from textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")


def show(example: Mapping[str, Value]) -> str:
    """An offending row on one line."""
    return ", ".join(f"{plain(key)} {_shown(value)}" for key, value in example.items())


def _shown(value: Value) -> str:
    if value is None:
        return "null"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return plain(text if len(text) <= 200 else f"{text[:200]}...")


def to_json(outcome: Validation) -> str:
    """One JSON object: path, totals, and every result."""
    document = {
        "path": outcome.path,
        "errors": len(outcome.errors),
        "warnings": len(outcome.warnings),
        "skipped": list(outcome.skipped),
        "findings": [asdict(finding) | {"url": link(finding.reference)} for finding in outcome.findings],
    }
    return json.dumps(document, allow_nan=False, default=str)


def to_github(outcome: Validation) -> str:
    """Workflow commands, one line per failure, then the counts and what did not run, as lines of the log.

    The file is the one that the first example names, else what was validated. Nothing that a dump or a
    release says is a command of its own.
    """
    lines = []
    for finding in outcome.findings:
        if not finding.success and not finding.cause:
            path = _file(outcome.path, finding)
            message = "\n".join(
                [
                    f"{finding.unexpected:,} unexpected in {finding.table}: {finding.why}",
                    *(show(example) for example in finding.examples),
                    *filter(None, [consequences(outcome, finding)]),
                    f"rule: {link(finding.reference)}",
                ]
            )
            level = "error" if finding.severity is Severity.ERROR else "warning"
            title = f"{_suite(finding)}.{finding.expectation}"
            lines.append(annotation(level, path, title, message))
    lines += [escape.lines(plain(f"not run: {line}")) for line in outcome.skipped]
    return "\n".join([*lines, escape.lines(plain(f"{outcome.path}: {counts(outcome)}"))])


def annotation(level: str, path: str, title: str, message: str) -> str:
    """One workflow command. level: error or warning."""
    return f"::{level} file={_escaped(path, True)},title={_escaped(title, True)}::{_escaped(message)}"


def _file(root: str, finding: Finding) -> str:
    """The file that the first example of a finding lies in; a single file is named below its own folder."""
    first = finding.examples[0] if finding.examples else {}
    # `file` of other tables is where a record came from, which is not below the root
    place = first.get("file") if finding.table.startswith("dump_") else first.get("path")
    if place is None or PurePath(root).name == place:
        return root
    return f"{root}/{RELEASE if finding.table.startswith(RELEASE) else ''}{place}"


def _escaped(text: str, in_property: bool = False) -> str:
    """Text as a workflow command carries it."""
    text = plain(text, keep="\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text
