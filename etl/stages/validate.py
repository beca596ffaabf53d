"""Stage `validate`, and the gate behind every stage: the expectation suites, on what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from routerset.etl.manifest import code_fingerprint, done, fingerprint, once
from routerset.etl.progress import say
from routerset.expectations.findings import Validation
from routerset.schemas import store

FOLDER = "validation"


class ValidationFailed(ValueError):
    """Tables fail an expectation of severity error; the message is the table of findings."""

    exit_code = 1


def fingerprint_of(stages: Mapping[str, str]) -> str:
    """Fingerprint of the stage. stages: those before it, with their fingerprints."""
    return fingerprint("validate", code_fingerprint("expectations"), dict(stages))


def gate(build: Path, stage: str, mark: str) -> store.JsonObject:
    """Run the suites of one stage, unless they passed on the same files before; returns counts of findings.

    mark: fingerprint of the stage. Results and Data Docs go to `validation/STAGE/`.
    Raises ValidationFailed.
    """
    passed = fingerprint(
        "gate", code_fingerprint("expectations", "routerset.etl.stages.validate"), stage, mark
    )

    def make() -> tuple[Mapping[Path, int], store.JsonObject]:
        from routerset.expectations.report import to_text
        from routerset.expectations.validate import validate

        outcome = validate(build, stage=stage, docs=build / FOLDER / stage)
        if outcome.errors:
            raise ValidationFailed(
                f"{to_text(outcome)}\nstage {stage} failed its suites; what was found stands in "
                f"{build / FOLDER / stage}; mend the dumps or the config and build again"
            )
        for line in _warnings(outcome):
            say(f"{'':<9}warning: {line}")
        return {}, {"expectations": len(outcome.findings), "warnings": len(outcome.warnings)}

    once(build, passed, make)
    finished = done(build, passed)
    return finished.info if finished else {}


def _warnings(outcome: Validation) -> list[str]:
    """One line per warned expectation, with the number of places."""
    counts = Counter(f"{finding.suite}: {finding.expectation}" for finding in outcome.warnings)
    return [name if n == 1 else f"{name} ({n} times)" for name, n in counts.items()]
