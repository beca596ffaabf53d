"""What is exported, and how: what was asked for, and what a release and a format make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from routerset.release.evaluator.costs import find_kind
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.reader import Release
from routerset.release.exporting.files import Format

KEEP, DROP = "train", "drop"
PAIR = "pair"
SIZES = (3, 5)
"""Sizes of groups that are exported where none is named."""


@dataclass(frozen=True)
class Settings:
    """What is exported, and how; None is what the release or the format says.

    costs: kind of costs that order candidates and weigh labels. validation: where that side goes in a format
    that has no place for it, KEEP (into train) or DROP. strong, weak: the two of a format of pairs.
    """

    benchmarks: tuple[str, ...] | None = None
    sizes: tuple[int, ...] | None = None
    method: str | None = None
    kind: str | None = None
    scheme: str | None = None
    encoder: str | None = None
    costs: str | None = None
    validation: str | None = None
    strong: str | None = None
    weak: str | None = None


def settled(release: Release, form: Format, asked: Settings) -> Settings:
    """The settings with what was left open. Raises UsageError for what this release or format has not."""
    _refuse(form, asked)
    method, scheme = release.setting(asked.method, asked.scheme)
    names = asked.benchmarks or tuple(release.benchmarks)
    release.require(names)
    if release.schemes and scheme not in release.schemes:
        raise UsageError(f"no split scheme {scheme!r}; this release has {', '.join(release.schemes)}")
    if asked.validation not in (None, KEEP, DROP):
        raise UsageError(f"no place {asked.validation!r} for validation items; valid: {KEEP}, {DROP}")
    if asked.costs is not None:
        find_kind(asked.costs)
    if asked.encoder is not None and not any(asked.encoder in release.encoders(name) for name in names):
        there = sorted({encoder for name in names for encoder in release.encoders(name)})
        raise UsageError(f"no vectors of {asked.encoder!r}; there are {', '.join(there) or 'none'}")
    shared = replace(
        asked,
        benchmarks=names,
        scheme=scheme,
        validation=None if form.splits else asked.validation or DROP,
    )
    if form.pair:
        return shared
    methods = sorted({group.method for group in release.groups})
    if method not in methods:
        raise UsageError(f"no groups by method {method!r}; this release has {', '.join(methods) or 'none'}")
    kinds = dict.fromkeys(g.kind for name in names for g in release.groups_of(name, method))
    if asked.kind is not None and asked.kind not in kinds:
        raise UsageError(
            f"no groups of kind {asked.kind!r} by {method}; there are {', '.join(kinds) or 'none'}"
        )
    sized = sorted({g.m for name in names for g in release.groups_of(name, method)})
    sizes = asked.sizes or tuple(m for m in SIZES if m in sized) or tuple(sized[:1])
    absent = [m for m in sizes if m not in sized]
    if absent or not sizes:
        raise UsageError(f"no groups of size {absent}; there are {', '.join(map(str, sized)) or 'none'}")
    return replace(shared, sizes=sizes, method=method)


def _refuse(form: Format, asked: Settings) -> None:
    """Raise UsageError for settings that a format has no use for, or lacks."""
    for_pairs = {"--strong": asked.strong, "--weak": asked.weak}
    for_groups = {"--sizes": asked.sizes, "--method": asked.method, "--kind": asked.kind}
    useless = dict(for_groups if form.pair else for_pairs)
    useless |= {} if form.vectors else {"--encoder": asked.encoder}
    useless |= {} if form.priced else {"--costs": asked.costs}
    useless |= {"--validation": asked.validation} if form.splits else {}
    given = [name for name, value in useless.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: {form.name} has no use for it; leave it out")
    if form.pair and (asked.strong is None or asked.weak is None or asked.strong == asked.weak):
        raise UsageError(f"{form.name} compares two models: name them, --strong A --weak B")
