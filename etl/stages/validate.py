"""Stage `validate`, and the gate behind every stage: the expectation suites, on what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from routerset.etl.fingerprints import code_fingerprint, fingerprint
from routerset.etl.manifest import Finished, once
from routerset.etl.progress import say
from routerset.etl.stages.base import Context, Stage
from routerset.expectations.findings import Validation
from routerset.schemas import store
from routerset.schemas.exits import DATA_FAILED

FOLDER = "validation"


class ValidationFailed(ValueError):
    """Tables fail an expectation of severity error; the message is the table of findings."""

    exit_code = DATA_FAILED


Progress: TypeAlias = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and which is next."""


def gate(
    build: Path,
    stage: str,
    mark: str,
    watching: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda *_: None),
) -> store.JsonObject:
    """Run the suites of one stage, unless they passed on the same files before, and what they found still
    stands there as it was written; returns counts of findings.

    mark: of the stage and of all files that its suites see (`Context.mark`). watching: given what is done,
    tells people how far it is; handed in, since nothing here depends on how. Results and a page go to
    `validation/STAGE/`. A stage that writes no table has no suites. Raises ValidationFailed.
    """
    from routerset.expectations.target import STAGES as LOOKED_AT

    if stage not in LOOKED_AT:
        return {}
    passed = fingerprint("gate", code_fingerprint(__name__), stage, mark)

    def make() -> tuple[Mapping[Path, int], store.JsonObject]:
        from routerset.expectations.data_docs import write_stages
        from routerset.expectations.report import to_text
        from routerset.expectations.results import claim, write
        from routerset.expectations.validate import validate

        claim(build / FOLDER / stage)
        with watching(f"checking stage {stage},") as progress:
            outcome = validate(build, stage=stage, progress=progress)
        written = write(outcome, build / FOLDER / stage)
        write_stages(build / FOLDER, LOOKED_AT, f"{build.name}, checked by routerset {version('routerset')}")
        if outcome.errors:
            raise ValidationFailed(
                f"{to_text(outcome)}\nstage {stage} failed its suites; what was found stands in "
                f"{build / FOLDER / stage}; mend the dumps or the config and build again"
            )
        for line in _warnings(outcome):
            say(f"{'':<9}warning: {line}")
        rows = dict.fromkeys(written, len(outcome.findings))
        return rows, {"expectations": len(outcome.findings), "warnings": len(outcome.warnings)}

    return once(build, passed, make).info


def _warnings(outcome: Validation) -> list[str]:
    """One line per warned expectation: the number of places, and the first of them."""
    from routerset.expectations.report import show

    return [
        f"{finding.suite}: {finding.expectation}"
        + (f" ({finding.unexpected} times)" if finding.unexpected > 1 else "")
        + (f", such as {show(finding.examples[0])}" if finding.examples else "")
        for finding in outcome.warnings
    ]


def _sum_up(context: Context) -> Finished:
    """What the gate said of every stage."""
    if context.gate is None:
        raise ValueError("stage validate: a build without a gate has none")
    said = {name: context.gate(context.out, name, context.mark(name)) for name in context.finished}
    return Finished((), said)


def _settings(context: Context) -> object:
    return {name: context.mark(name) for name in context.finished}


STAGE = Stage("validate", (), _settings, _sum_up, sums_up=True)
