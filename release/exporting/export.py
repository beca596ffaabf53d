"""Writes a release in the layout of another tool: a folder per group, and what was done beside them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from routerset.release.errors import ReleaseError
from routerset.release.evaluator.errors import UsageError
from routerset.release.evaluator.reader import Release, load_release
from routerset.release.exporting.cells import Cell
from routerset.release.exporting.files import Format, LeftOut
from routerset.release.exporting.formats import FORMATS
from routerset.release.exporting.page import groups, label, order, readme
from routerset.release.exporting.reading import cells
from routerset.release.exporting.routellm import ties
from routerset.release.exporting.settings import Settings, settled
from routerset.release.files import read_checksums
from routerset.schemas import outfolder
from routerset.schemas.checksums import seal
from routerset.schemas.plainfiles import entries
from routerset.schemas.plainfiles import read_json as read_plain
from routerset.schemas.store import json_text, temporary_name

RECORD, PAGE = "export.json", "README.md"
"""What is written beside the folders of groups."""


class NothingExported(ReleaseError):
    """Nothing of what was asked for can be told in a format; the message says why."""

    exit_code = UsageError.exit_code


@dataclass(frozen=True)
class Exported:
    """What was written. record: content of RECORD."""

    out: Path
    record: dict[str, object]

    def text(self) -> str:
        """A table of the groups that were written, and what was left out."""
        return "\n".join(groups(self.record))


def export(
    path: Path, name: str, out: Path, asked: Settings, note: Callable[[str], None] = lambda words: None
) -> Exported:
    """Write the release at `path` in the format of a name below `out`.

    Files appear whole, when all are written; what an earlier export wrote there goes. Raises UsageError for
    settings that cannot be met, NotOurs for a folder of somebody else's, NothingExported where all is left
    out, and what reading a release raises.
    """
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}; valid: {', '.join(FORMATS)}")
    form = FORMATS[name]
    release = load_release(path)
    settings = settled(release, form, asked)
    digest = seal(read_checksums(path))
    _check(out)
    outfolder.mark(out, outfolder.EXPORT)
    with _draft(out) as draft:
        told: list[dict[str, object]] = []
        left_out: list[dict[str, str]] = []
        listed: dict[str, dict[str, object]] = {}
        for benchmark in settings.benchmarks or ():
            note(f"{benchmark}: writing")
            for found in _written(release, form, settings, benchmark, draft, listed):
                if isinstance(found, Cell):
                    told.append(_counts(form, found))
                else:
                    left_out.append({"what": found[0], "why": found[1]})
        if not told:
            why = "; ".join(f"{row['what']}: {row['why']}" for row in left_out)
            raise NothingExported(f"{path}: nothing to export to {name}: {why}")
        record: dict[str, object] = {
            "format": name,
            "release": {"name": release.name, "version": release.version, "sha256": digest},
            "settings": {key: value for key, value in asdict(settings).items() if value is not None},
            "order": order(form, settings.costs is not None),
            "label": label(form, settings.costs is not None),
            "groups": told,
            "left_out": left_out,
            "files": listed,
        }
        (draft / PAGE).write_text(readme(record), "utf-8", newline="\n")
        (draft / RECORD).write_text(json_text(record), "utf-8", newline="\n")
        _check(out)
        _replace(out, draft)
    return Exported(out, record)


def _written(
    release: Release,
    form: Format,
    settings: Settings,
    benchmark: str,
    draft: Path,
    listed: dict[str, dict[str, object]],
) -> Iterator[Cell | tuple[str, str]]:
    """Cells whose files were written and listed, and what was left out, with the reason."""
    try:
        for found in cells(release, form, settings, benchmark):
            if not isinstance(found, Cell):
                yield found
                continue
            folder = f"{benchmark}/{found.name}"
            try:
                for name, content in form.files(found):
                    target = draft / folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    digest, size = hashlib.sha256(), 0
                    with target.open("xb") as stream:
                        for piece in content:
                            digest.update(piece)
                            size += stream.write(piece)
                    listed[f"{folder}/{name}"] = {"bytes": size, "sha256": digest.hexdigest()}
            except LeftOut as why:
                yield folder, str(why)
            else:
                yield found
    except LeftOut as why:
        yield benchmark, str(why)


def _counts(form: Format, cell: Cell) -> dict[str, object]:
    """What was written of a cell and what not: items = written + left out, and items x models of scores."""
    n_items = cell.items.num_rows
    left_out = sum(cell.left_out.values())
    m = len(cell.models)
    return {
        "benchmark": cell.benchmark,
        "group": cell.name,
        "models": list(cell.models),
        "encoder": cell.encoder,
        "cost_discounts": None
        if cell.discounts is None
        else [round(float(discount), 6) for discount in cell.discounts],
        "items": {
            "all": n_items + left_out,
            "written": n_items,
            "left_out": dict(cell.left_out),
            "repeated_texts_kept": cell.repeats,
            "by_side": {str(side): int((cell.sides == side).sum()) for side in sorted(set(cell.sides))},
        },
        "scores": {
            "all": m * (n_items + left_out),
            "written": cell.n_scores,
            "missing": m * n_items - cell.n_scores,
            "of_items_left_out": m * left_out,
        },
        **({"train_ties": ties(cell)} if form.pair else {}),
    }


def _check(out: Path) -> None:
    """Make sure that nothing of somebody else's stands in a folder. Raises NotOurs."""
    outfolder.check(out, outfolder.EXPORT)
    ours = {outfolder.MARKER, *_before(out)}
    for path, found in entries(out) if out.is_dir() else ():
        left = outfolder.is_temporary(path.partition("/")[0])
        if found is not None or not (path in ours or left):
            raise outfolder.NotOurs(
                f"{out / path}: found {found or 'a file'} that no export wrote; nothing was touched: move "
                "it, or choose another folder"
            )


def _before(out: Path) -> set[str]:
    """Files that an earlier export wrote to a folder."""
    try:
        record = read_plain(out / RECORD, follow=False)
    except (OSError, ValueError):
        return set()
    listed = record.get("files") if isinstance(record, dict) else None
    return {RECORD, PAGE, *(listed if isinstance(listed, dict) else ())}


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    """A folder inside `out` that goes, whatever happens; so do those that killed runs left."""
    for path in out.iterdir():
        if outfolder.is_temporary(path.name):
            shutil.rmtree(path, ignore_errors=True)
    draft = temporary_name(out / "export")
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(out: Path, draft: Path) -> None:
    """What is in the draft in place of what an earlier export wrote; the record goes first and comes last."""
    (out / RECORD).unlink(missing_ok=True)
    for path in out.iterdir():
        if path.name not in (outfolder.MARKER, draft.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(draft.iterdir(), key=lambda path: (path.name == RECORD, path.name)):
        path.rename(out / path.name)
