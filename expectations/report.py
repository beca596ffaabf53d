"""An outcome as text, JSON, or annotations of a GitHub workflow."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import PurePath

from routerset.expectations.findings import Finding, Severity, Validation, Value
from routerset.schemas.escape import plain

WIDTH = 80
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
        failed = [f for f in findings if not f.success]
        for finding in findings if verbose else failed:
            lines += _lines(finding)
        held = len(findings) - len(failed)
        if held and not verbose:
            lines.append(f"{suite:<11} {held} {'others hold' if failed else 'hold'}")
    for line in outcome.skipped:
        lines += textwrap.wrap(plain(f"not run: {line}"), WIDTH, subsequent_indent="  ")
    lines.append("-" * 69)
    lines.append(
        f"{len(outcome.findings)} expectations: {len(outcome.errors)} errors, "
        f"{len(outcome.warnings)} warnings" + (f", {len(outcome.skipped)} not run" if outcome.skipped else "")
    )
    return "\n".join(lines)


def _by_suite(outcome: Validation) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in outcome.findings:
        found.setdefault(_suite(finding), []).append(finding)
    return found


def _suite(finding: Finding) -> str:
    """Name of the suite, with a mark for that of a release inside a build."""
    return (RELEASE if finding.table.startswith(RELEASE) else "") + finding.suite


def _lines(finding: Finding) -> Iterator[str]:
    result = "ok" if finding.success else finding.severity.value
    count = "" if finding.success else f"{finding.unexpected:,}"
    yield f"{_suite(finding):<11} {finding.expectation:<36} {result:<8} {count:>11}".rstrip()
    if finding.success:
        return
    for example in finding.examples:
        yield from textwrap.wrap(show(example), WIDTH, initial_indent="    ", subsequent_indent="      ")
    yield from textwrap.wrap(
        f"why: {finding.why} [{finding.reference}]", WIDTH, initial_indent="  ", subsequent_indent="    "
    )


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
        "findings": [asdict(finding) for finding in outcome.findings],
    }
    return json.dumps(document, allow_nan=False, default=str)


def to_github(outcome: Validation) -> str:
    """Workflow commands, one line per failure; empty where all holds.

    The file is the one that the first example names, else what was validated.
    """
    lines = []
    for finding in outcome.findings:
        if not finding.success:
            path = _file(outcome.path, finding)
            message = "\n".join(
                [
                    f"{finding.unexpected:,} unexpected in {finding.table}: {finding.why}",
                    *(show(example) for example in finding.examples),
                ]
            )
            level = "error" if finding.severity is Severity.ERROR else "warning"
            title = f"{_suite(finding)}.{finding.expectation}"
            lines.append(annotation(level, path, title, message))
    return "\n".join(lines)


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
