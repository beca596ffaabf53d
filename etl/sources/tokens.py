"""The one tokenizer that counts texts where a dump tells no tokens: a `tokenizer.json`, known by its content.

It counts the tokens of a text as it stands, without those that a model's template adds (`[CLS]`, `<s>`).
Texts that many models share, such as prompts, are counted once per process.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from routerset.schemas.exits import TRY_LATER, UNREADABLE
from routerset.schemas.ids import well_formed
from routerset.schemas.plainfiles import read_bytes

if TYPE_CHECKING:
    import tokenizers

FILE = "tokenizer.json"
MAX_BYTES = 1 << 27  # of a tokenizer.json; the largest known has 35 MB
MAX_CHARS = 1 << 22  # of one text
BATCH_CHARS = 1 << 22  # of texts that are tokens in memory at a time
REMEMBERED = 1 << 16  # texts whose counts are kept; a leaderboard has 50,000 prompts
_HUB = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})", re.ASCII)
_LETTERS = re.compile(r"[^\w.-]+", re.ASCII)


class TokenizerUnusable(ValueError):
    """The file that a config names is no tokenizer, or not the one that it was."""

    exit_code = UNREADABLE


class TokenizerUnavailable(RuntimeError):
    """The tokenizer is not here and cannot be fetched now."""

    exit_code = TRY_LATER


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer. name: as tables and manifests call it, without any path. path: of its file."""

    name: str
    path: str
    sha256: str

    def told(self) -> dict[str, str]:
        """What a manifest says of it."""
        return {"name": self.name, "sha256": self.sha256}


def is_hub_id(text: str) -> bool:
    """Whether a text names a tokenizer on the Hugging Face Hub: `ORG/NAME@REVISION`, all of its 40 digits."""
    return _HUB.fullmatch(text) is not None


def find_tokenizer(place: str) -> Tokenizer:
    """The tokenizer at a path of a `tokenizer.json` or of its folder, or of a Hub id, fetched if need be.

    Raises TokenizerUnusable where it is none, TokenizerUnavailable where it cannot be fetched now, and
    ModuleNotFoundError where the library that counts is not installed.
    """

    hub = _HUB.fullmatch(place)
    path = Path(_fetched(hub["name"], hub["revision"]) if hub else place)
    path = path / FILE if path.is_dir() else path
    digest = sha256(_content(path)).hexdigest()
    label = path.absolute().parent.name if path.name == FILE else path.name.removesuffix(".json")
    name = place if hub else f"{_LETTERS.sub('_', label) or 'tokenizer'}@{digest[:12]}"
    found = Tokenizer(name, str(path), digest)
    _loaded(found)
    return found


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str | None]) -> np.ndarray:
    """Tokens of every text: float64, NaN where there is none, or one that is longer than any answer."""
    known = _remembered(tokenizer)
    keys = [None if text is None or len(text) > MAX_CHARS else _key(text) for text in texts]
    new = {
        key: text
        for key, text in zip(keys, texts, strict=True)
        if key is not None and text is not None and key not in known
    }
    counts = dict(zip(new, _count(tokenizer, list(new.values())), strict=True))
    found = [np.nan if key is None else counts[key] if key in counts else known[key] for key in keys]
    if len(known) + len(counts) > REMEMBERED:
        known.clear()
    if len(counts) <= REMEMBERED:
        known |= counts
    return np.array(found, np.float64)


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _count(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """Tokens of texts, so many at a time that their tokens fit the memory."""
    counts: list[int] = []
    some: list[str] = []
    size = 0
    for number, text in enumerate(texts, 1):
        some.append(well_formed(text))
        size += len(text)
        if size > BATCH_CHARS or number == len(texts):
            encoded = _loaded(tokenizer).encode_batch_fast(some, add_special_tokens=False)
            counts += map(len, encoded)
            some, size = [], 0
    return counts


@functools.lru_cache(1)
def _remembered(tokenizer: Tokenizer) -> dict[bytes, int]:
    """Counts of the texts that were met last, by their hash."""
    return {}


@functools.lru_cache(1)
def _loaded(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    import tokenizers

    content = _content(Path(tokenizer.path))
    if sha256(content).hexdigest() != tokenizer.sha256:
        raise TokenizerUnusable(f"{tokenizer.path}: changed while the build ran; build again")
    try:
        found = tokenizers.Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises no class of its own
        raise TokenizerUnusable(
            f"{tokenizer.path}: expected a {FILE} of the library tokenizers: {error}"
        ) from error
    found.no_truncation()
    found.no_padding()
    return found


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise TokenizerUnusable(
            f"[costs] tokenizer: {path}: {error}; expected a {FILE}, a folder that holds one, or "
            "ORG/NAME@REVISION of the Hub with all 40 digits of its commit"
        ) from error


def _fetched(name: str, revision: str) -> str:
    """Local copy of the `tokenizer.json` of a repository on the Hub."""
    from huggingface_hub import hf_hub_download

    try:
        return hf_hub_download(name, FILE, revision=revision)
    except Exception as error:  # clients and their transports raise errors without a common base
        raise TokenizerUnavailable(
            f"[costs] tokenizer: no {FILE} of {name} at revision {revision} in the local cache, and it "
            f"cannot be downloaded ({type(error).__name__}: {error}). Try again with a network, or name a "
            "local copy"
        ) from error
