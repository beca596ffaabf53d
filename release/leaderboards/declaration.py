"""What a submission says of itself: `submission.toml`, read from a stranger."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from routerset.schemas.escape import plain
from routerset.schemas.plainfiles import read_bytes

DECLARATION = "submission.toml"
MAX_BYTES = 1 << 15
"""Bytes of a declaration, at most."""
EVERY = ("all", "every", "*")
"""What stands for all splits of a set, test included."""
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Cost = Literal["none", "usd", "tokens", "latency_s", "params_b", "active_params_b"]


class Refused(ValueError):
    """A submission that is not scored, and why."""


class Learnt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set that the router learnt from. set: its name, one of the release's benchmarks or any other."""

    set: _Name
    splits: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1, max_length=20)]


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the router learnt from. test_items: whether any test item of this benchmark was among it."""

    test_items: bool
    sets: Annotated[tuple[Learnt, ...], msgspec.Meta(max_length=200)]


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the predictions were fixed. sha256: of the file. at: where the hash was published, a URL or a
    commit.
    """

    sha256: _Hash
    date: date
    at: _Text | None = None


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of a declaration. cost: the costs that the router weighs against scores."""

    router: _Name
    version: _Name
    url: _Text
    cost: Cost
    training: Training
    commitment: Commitment
    authors: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=50)] = ()
    contact: _Text | None = None

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.router} {self.version}"


def read_declaration(folder: Path) -> Declared:
    """The declaration in a folder. Raises Refused, naming the key, for anything that is not one."""
    try:
        text = read_bytes(folder / DECLARATION, MAX_BYTES, follow=False).decode()
        declared = msgspec.convert(tomllib.loads(text), Declared)
    except FileNotFoundError:
        raise Refused(f"{DECLARATION}: not found; docs/leaderboard.md shows one") from None
    except RecursionError:
        raise Refused(f"{DECLARATION}: nested too deep") from None
    except OSError as error:
        raise Refused(f"{DECLARATION}: {error.strerror}") from None
    except ValueError as error:  # UnicodeDecodeError, TOMLDecodeError and ValidationError are such
        told = str(error).removeprefix(f"{folder / DECLARATION}: ").replace(" - at `$.", ", at `")
        raise Refused(f"{DECLARATION}: {told}") from None
    for text in _texts(msgspec.to_builtins(declared)):
        if plain(text) != text or text != text.strip():
            raise Refused(
                f"{DECLARATION}: found '{plain(text):.80}', expected text on one line, without control "
                "characters and without spaces at its ends"
            )
    if not is_url(declared.url):
        raise Refused(f"{DECLARATION}: url: found {declared.url!r:.80}, expected https://...")
    return declared


def is_url(text: str) -> bool:
    """Whether a text is a plain web address, which a page may link to."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    strange = not text.isascii() or any(c in " \"'<>\\`{}|^" for c in text)
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not strange
    )


def learnt_of_test(declared: Declared, names: Collection[str]) -> str | None:
    """Why a router is out that says that it learnt from test items; None where it does not say so.

    names: of the release and of its benchmarks, whose test splits nobody may learn from.
    """
    if declared.training.test_items:
        return "declares that it learnt from test items: training.test_items is true"
    known = {name.casefold() for name in names}
    for learnt in declared.training.sets:
        for split in learnt.splits:
            if learnt.set.casefold() in known and split.casefold() in ("test", *EVERY):
                return f"declares that it learnt from test items: split {split!r} of {learnt.set!r}"
    return None


def _texts(value: Any) -> list[str]:
    """All texts in a document."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for each in inside for text in _texts(each)]
