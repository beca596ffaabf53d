"""Identities: of items and question families by content, of models by name, and the order of keys."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

_DIGITS = re.compile(r"(\d+)")
_MODEL = re.compile(r"[^\s/\\]+(?:/[^\s/\\]+)?")
_DRIVE = re.compile(r"[A-Za-z]:?")
_LOCAL = re.compile(r"/|\.{1,2}/|~[^/]*/|[A-Za-z]:/|[A-Za-z]/[^/]+/")  # of a path in a file system
_CACHED = re.compile(r"models--([^/]+?)--([^/]+)")
MAX_MODEL = 256  # characters
MAX_SPELLED = 1 << 14  # characters of a name or path in a dump
_SEPARATOR = "\x1f"


def digest(*parts: str) -> str:
    """128-bit hash of text parts as 32 hex digits; lone surrogates are hashed as they are."""
    return blake2b(_SEPARATOR.join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def well_formed(text: str) -> str:
    """Text that UTF-8 can carry: surrogate pairs become their character, lone surrogates U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def normalise_text(text: str) -> str:
    """Text with Unicode compatibility forms, case and white space folded."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def content_digest(
    question: str | None, choices: Sequence[str | None] | None, prompt: str | None
) -> str | None:
    """Hash of an item's content: question and choices in any order, else the prompt; None without either."""
    if question is not None:
        return digest(normalise_text(question), *sorted(normalise_text(c or "") for c in choices or ()))
    return None if prompt is None else digest(normalise_text(prompt))


def question_id(question: str | None, prompt: str | None, fallback: str) -> str:
    """Hash of the question alone, so that twins in any subset share it; see `families` for what else do.

    prompt: in place of a question that is not known. fallback: what identifies an item that has no text.
    """
    text = question if question is not None else prompt
    return "fam-" + (digest("key", fallback) if text is None else digest("text", normalise_text(text)))[:16]


def item_id(benchmark: str, subset: str, content: str, ordinal: int) -> str:
    """Readable, stable id of an item: `benchmark/subset/hash`, with an ordinal for exact repeats."""
    stem = benchmark if subset == benchmark else f"{benchmark}/{subset}"
    return f"{stem}/{content[:16]}" + (f"-{ordinal + 1}" if ordinal else "")


def natural_key(key: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that orders numbers inside names as numbers: 2 < 10, `a2` < `a10`; total on all strings."""
    return tuple(
        (0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part)
        for part in _DIGITS.split(key)
        if part
    )


def model_id(name: str) -> str | None:
    """Canonical `org/name` of a model as a dump spells it (`org__name` or `org/name`), or None if unusable.

    A name without an organisation stays bare. Of a path or a URL, also where a folder's name spells it with
    `__` for what separates its parts, the last two parts count; of one in the Hub's cache, the repository.
    No part is `.` or `..`; dots inside one lead nowhere.
    """
    if len(name) > MAX_SPELLED:
        return None
    name = name.strip().replace("\\", "/")
    if "/" not in name and "__" in name.strip("_"):
        path = name.replace("__", "/")
        name = path if _LOCAL.match(path) else name.replace("__", "/", 1)
    parts = [part for part in name.split("/") if part not in ("", ".", "..", "~")]
    cached = [match for part in parts if (match := _CACHED.fullmatch(part))]
    if cached:
        parts = [cached[-1][1], cached[-1][2]]
    elif len(parts) > 2 or _LOCAL.match(name):
        drive = len(parts) > 1 and _DRIVE.fullmatch(parts[0])
        parts = ["-".join(part.split()) for part in parts[1 if drive else 0 :][-2:]]
    name = "/".join(parts)
    good = _MODEL.fullmatch(name) and name.isprintable() and len(name) <= MAX_MODEL
    return name if good and not {".", ".."} & {*name.split("/")} else None


def fold_model(ident: str) -> str:
    """A model id without regard to case: as DuckDB lowers it, and what Python folds beyond that."""
    return ident.replace("\u0130", "i").casefold()


def kept_spellings(idents: Iterable[str], preferred: Collection[str] = ()) -> dict[str, str]:
    """For every id that differs from another one in case alone, the one that both are known by.

    Of the spellings of a model, that is a preferred one where there is any, then the bytewise smallest. Ids
    that are kept as they are, are not among the keys.
    """
    spelled: dict[str, list[str]] = {}
    for ident in idents:
        spelled.setdefault(fold_model(ident), []).append(ident)
    kept = [min(alike, key=lambda i: (i not in preferred, i.encode())) for alike in spelled.values()]
    return {
        ident: one
        for one, alike in zip(kept, spelled.values(), strict=True)
        for ident in alike
        if ident != one
    }


def file_stem_is_safe(name: str) -> bool:
    """Whether a benchmark, encoder or scheme name may become part of a path."""
    return re.fullmatch(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9_.-]{0,63}", name) is not None
