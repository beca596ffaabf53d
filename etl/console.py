"""Plain text for terminals: tables that fit 80 columns, and counts that people can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from routerset.schemas.escape import plain

WIDTH = 80


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned table; numbers with thousands separators on the right, text on the left, cut to 80 columns."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(headers), *cells]) for i in range(len(headers))]
    right = [
        bool(rows) and all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(headers))
    ]
    lines = [
        "  ".join(
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(headers), ["-" * w for w in widths], *cells]
    ]
    return "\n".join(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, (int, float)) else plain(value)


def accounting(rows: Sequence[Mapping[str, Any]], passed_over: Sequence[Mapping[str, Any]] = ()) -> str:
    """The accounting of a build: one line per source and benchmark, one more per reason and note.

    passed_over: of each source, the files that nothing reads.
    """
    headers = ["source", "benchmark", "read", "kept", "superseded", "quarantined"]
    names = headers[2:]
    body: list[list[object]] = [
        [r["source"], r["benchmark"] or "(unknown)", *(r[n] for n in names)] for r in rows
    ]
    body.append(["total", "", *(sum(int(r[n]) for r in rows) for n in names)])
    reasons = [
        [r["source"], r["benchmark"] or "(unknown)", reason, n]
        for r in rows
        for reason, n in r["reasons"].items()
    ]
    joined = [[r["source"], r["benchmark"], *r["joined"].values()] for r in rows if any(r["joined"].values())]
    notes = [[r["source"], r["benchmark"], note, n] for r in rows for note, n in r["notes"].items()]
    parts = [table(headers, body)]
    if joined:
        parts.append(
            "Kept, by what told the documents\n" + table(["source", "benchmark", *rows[0]["joined"]], joined)
        )
    if reasons:
        parts.append(
            "Quarantined, by reason\n" + table(["source", "benchmark", "reason", "records"], reasons)
        )
    if notes:
        parts.append("Also noted\n" + table(["source", "benchmark", "note", "records"], notes))
    if passed_over:
        over = [[each["source"], each["n"], each["such_as"]] for each in passed_over]
        parts.append("Passed over, since they are no dumps\n" + table(["source", "files", "such as"], over))
    return "\n\n".join(parts)


def candidate_groups(stage: Mapping[str, Any], methods: Sequence[str]) -> str:
    """The groups of a build: one line per method and benchmark, then what was skipped and why, and how many
    models each tier of size has where method `universe` chooses from some tiers alone.

    stage: what the manifest says of stage `groups`. methods: in the order of the config, which a manifest
    that was read again does not keep.
    """
    from routerset.release.evaluator.tiers import TIERS

    info, tiers = stage["groups"], stage.get("tiers", {})
    body: list[list[object]] = [
        [method, name, g["complete_models"], g["left_out"], len(g["groups"]), len(g["skipped"])]
        for method in methods
        if method in info
        for name, g in info[method].items()
    ]
    text = table(["method", "benchmark", "complete models", "incomplete", "groups", "skipped"], body)
    short: dict[str, set[int]] = {}
    for found in info.values():
        for name, g in found.items():
            short.setdefault(name, set()).update(s["m"] for s in g["skipped"])
    skipped = [[name, ", ".join(map(str, sorted(sizes)))] for name, sizes in short.items() if sizes]
    if skipped:
        text += "\n\nSizes that some pool cannot fill (manifest.json says which, and why)\n"
        text += table(["benchmark", "m"], skipped)
    if tiers:
        sizes = [[t, tiers["models"][t], t in tiers["chosen"]] for t in TIERS if t in tiers["models"]]
        text += "\n\nSizes of models, of which method universe chooses from some alone ([groups] tiers)\n"
        text += table(["tier", "models", ""], [[t, n, "" if own else "left out"] for t, n, own in sizes])
    return text


def left_out(file: str, licenses: Mapping[str, str]) -> str:
    """What `licenses = "permissive"` of a config leaves out, and how to keep it. licenses: by benchmark."""
    such = next(iter(licenses))
    return plain(
        f'{file}: [release] licenses = "permissive" leaves out, whatever the dumps hold, '
        f"{', '.join(f'{name} ({license})' for name, license in licenses.items())}, with all their configs, "
        f'such as {such} and scores-{such}; licenses = "all" keeps them, each under its own'
    )
