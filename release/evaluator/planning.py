"""What is evaluated: which routers, on which groups, with whose vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

from . import asked
from .errors import InputError, UsageError
from .reader import Group, Release
from .routers import RouterFactory, RouterRow
from .task import Router

Routers = Sequence[str | type[Router]] | Mapping[str, RouterFactory | RouterRow]


def rows_of(routers: Routers) -> list[RouterRow]:
    """Rows of routers, each under its name. Raises UsageError for a name that is none, and for no routers."""
    made = asked.routers(routers)
    if not made:
        raise UsageError("no routers were named")
    return [
        _named(of, name) if isinstance(of, RouterRow) else RouterRow(name, of, name)
        for name, of in made.items()
    ]


def _named(row: RouterRow, name: str) -> RouterRow:
    """The row under another name; what its class declares stays what it was when the row was made."""
    named = copy(row)
    object.__setattr__(named, "name", name)
    return named


def plan_groups(
    release: Release,
    benchmarks: Sequence[str] | None,
    sizes: Sequence[int] | None,
    method: str,
    covers: Callable[[Group], bool],
) -> tuple[list[tuple[str, list[Group]]], list[str]]:
    """Groups to evaluate together, with their benchmark, and a note for each size that a benchmark lacks.

    Where candidates may miss scores, the groups of one size are evaluated by themselves: which items count
    for them must not depend on what else is asked for.
    """
    release.require(benchmarks or ())
    methods = sorted({*(g.method for g in release.groups), *(s.method for s in release.skipped)})
    if method not in methods:
        raise UsageError(f"no groups by method {method!r}; this release has {', '.join(methods) or 'none'}")
    plan: list[tuple[str, list[Group]]] = []
    notes = []
    explained = False
    for name in dict.fromkeys(benchmarks or release.benchmarks):
        groups = release.groups_of(name, method)
        have = sorted({g.m for g in groups})
        absent = sorted(set(sizes or ()) - set(have))
        if absent or not have:
            notes.append(f"{name}: no {method} groups of m = {absent or 'any size'}; it has m = {have}")
        skipped = [s for s in release.skipped if (s.benchmark, s.method) == (name, method)]
        told = [s for s in skipped if s.m not in have and s.m in (sizes or (s.m,))]
        notes += [f"{name}: m = {s.m}, {s.kind}: {s.reason}" for s in told]
        explained |= bool(told)
        kept = [g for g in groups if (sizes is None or g.m in sizes) and covers(g)]
        apart = sorted({g.m for g in kept}) if release.min_coverage < 1 else [None]
        plan += [(name, part) for m in apart if (part := [g for g in kept if m in (None, g.m)])]
    if not plan and not explained:
        raise UsageError("nothing to evaluate: " + ("; ".join(notes) or "no group is covered"))
    return plan, notes


def choose_encoder(
    release: Release, benchmark: str, wanted: str | None, chosen: Sequence[RouterRow]
) -> str | None:
    """The encoder to use, None where there is none and no router needs one."""
    available = release.encoders(benchmark)
    if wanted is not None and wanted not in available:
        raise UsageError(
            f"{benchmark}: no vectors by encoder {wanted!r}; there are {', '.join(available) or 'none'}"
        )
    needing = [row.name for row in chosen if row.uses_vectors]
    if not available and needing:
        raise InputError(
            f"{benchmark}: this release has no vectors, which {', '.join(needing)} need; "
            "leave them out of --routers, or use a release with an encoder"
        )
    return wanted or ("minilm" if "minilm" in available else next(iter(available), None))
