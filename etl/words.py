"""What options of the command line hold that are lists: names and sizes, separated by commas."""

from __future__ import annotations

from routerset.etl.config import ConfigError


def listed(text: str | None) -> tuple[str, ...] | None:
    """Names in the order in which they stand, each once; None where the option was not given."""
    return tuple(dict.fromkeys(word for word in text.split(",") if word)) if text else None


def sizes_in(text: str) -> tuple[int, ...]:
    """Numbers of candidates, each once. Raises ConfigError."""
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() and len(word) < 7 for word in words):
        raise ConfigError(f"--sizes {text:.80}: expected numbers, such as 3,5")
    return tuple(dict.fromkeys(map(int, words)))
