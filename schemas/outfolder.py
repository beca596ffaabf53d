"""Folders that verbs write to: only one that is ours is written to, and no link in it is ever followed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from itertools import chain
from pathlib import Path

from routerset.schemas.checksums import CHECKSUMS
from routerset.schemas.exits import USAGE
from routerset.schemas.plainfiles import entries, kind, read_bytes, read_json

MARKER, LOCK, MANIFEST, VALIDATION = ".routerset", ".lock", "manifest.json", "validation"
RELEASE = "release"
"""Where the release of a build lies in it."""
GATED = "release-gated"
"""Where its companion lies, of texts that the release withholds."""
BUILD, REPORT, VALIDATE, DEMO = "build", "report", "validate", "demo"
AUDIT, EXPORT, LEADERBOARD = "audit", "export", "leaderboard"
"""Verbs that mark the folder that they write to."""
_SAYS = {
    f"`routerset {verb}` writes over files here, and removes what it wrote\n".encode(): verb
    for verb in (BUILD, REPORT, VALIDATE, DEMO, AUDIT, EXPORT, LEADERBOARD)
}
_MANIFEST_KEYS = frozenset({"schema_version", "libraries", "dataset", "stages"})
_TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


class NotOurs(ValueError):
    """Something that routerset did not make stands where a verb would write; nothing was touched."""

    exit_code = USAGE


def check(folder: Path, verb: str, parts: Collection[str] = ()) -> None:
    """Make sure that `routerset VERB` may write to a folder; touches nothing.

    It may where there is nothing, where its marker is, where a build of a version without markers left its
    manifest, and in what `validate` keeps inside a build. parts: what the verb writes, for `refuse_links`.
    Raises NotOurs, and OSError for what is no folder.
    """
    for above in Path(os.path.realpath(folder)).parents:
        if (above / CHECKSUMS).is_file() and (above / MANIFEST).is_file():
            raise NotOurs(f"{folder}: lies in {above}, a release, which never changes; choose another folder")
    build = _build_around(folder) if verb == VALIDATE else None
    if build is not None:
        refuse_links(build, [f"{VALIDATION}/"])
    elif (whose := owner(folder)) != verb:
        known = [MARKER] if whose is None and is_build(folder) and verb == BUILD else _names(folder)
        strange = next((name for name in known if not _is_blank(folder / name)), None)
        if strange is not None:
            found = f"a folder of `routerset {whose}`" if whose else f"{strange!r}, which is not ours"
            raise NotOurs(
                f"{folder}: found {found}, expected nothing or a folder of `routerset {verb}`; nothing was "
                "touched: choose another folder"
            )
    refuse_links(folder, parts)


def mark(folder: Path, verb: str) -> None:
    """Make a folder that `check` let pass ours, before anything else is written there."""
    folder.mkdir(parents=True, exist_ok=True)
    if owner(folder) is None and not (verb == VALIDATE and _build_around(folder)):
        (says,) = (text for text, of in _SAYS.items() if of == verb)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(folder / MARKER, flags, 0o666), "wb") as stream:
            stream.write(says)


def owner(folder: Path) -> str | None:
    """The verb that marked a folder as its own, or None."""
    try:
        return _SAYS.get(read_bytes(folder / MARKER, 200, follow=False))
    except (OSError, ValueError):
        return None


def is_output(folder: Path) -> bool:
    """Whether a folder is marked as one that holds results alone, which are no input of a build."""
    return owner(folder) in (BUILD, REPORT, VALIDATE, AUDIT, LEADERBOARD)


def is_build(folder: Path) -> bool:
    """Whether a folder is a build's: by its marker, or by a manifest from before there were markers."""
    return owner(folder) == BUILD or _manifest(folder) is not None


def release_of(folder: Path) -> Path:
    """The release that a folder stands for: the one in it where it is a build's, else itself.

    A folder that has a release in it, and no manifest of its own, is taken for a build.
    """
    inside = folder / RELEASE
    held = (inside / MANIFEST).is_file() and not (folder / MANIFEST).exists()
    return inside if held or is_build(folder) else folder


def listed(build: Path) -> frozenset[str]:
    """Paths of all files that the manifest of a build lists; none where there is no manifest."""
    stages = (_manifest(build) or {}).get("stages")
    outputs = [
        output
        for stage in (stages.values() if isinstance(stages, dict) else ())
        if isinstance(stage, dict) and isinstance(stage.get("outputs"), list)
        for output in stage["outputs"]
    ]
    return frozenset(str(output.get("path")) for output in outputs if isinstance(output, dict))


def refuse_links(root: Path, parts: Collection[str]) -> None:
    """Raise NotOurs for a link, pipe or device at some names of a folder, or anywhere below them.

    parts: those of folders end with `/`; a folder in place of a file, or the other way, is refused, too.
    """
    for part in parts:
        path = root / part
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        odd = [(path, kind(mode) or "a file")] if stat.S_ISDIR(mode) != part.endswith("/") else []
        below = entries(path) if stat.S_ISDIR(mode) else [("", kind(mode))]
        for where, found in chain(odd, ((path / name, found) for name, found in below)):
            if found is not None:
                raise NotOurs(
                    f"{where}: found {found}, expected a file or folder of ours; nothing was touched: remove "
                    "it, or choose another folder"
                )


def is_temporary(name: str) -> bool:
    """Whether a name is one that `schemas/store.py` gives to what it has not finished."""
    return _TEMPORARY.fullmatch(name) is not None


def _build_around(folder: Path) -> Path | None:
    """The build in which a folder is `validation`, or one that is in there."""
    inside = next((path for path in (folder, folder.parent) if path.name == VALIDATION), None)
    return inside.parent if inside is not None and is_build(inside.parent) else None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []


def _is_blank(path: Path) -> bool:
    """Whether nothing is there, or one of our empty files: a run was killed before it wrote more."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    return path.name in (MARKER, LOCK) and stat.S_ISREG(found.st_mode) and found.st_size == 0


def _manifest(folder: Path) -> dict[str, object] | None:
    """The manifest of a build; None where there is none."""
    try:
        document = read_json(folder / MANIFEST, follow=False)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.keys() >= _MANIFEST_KEYS else None
