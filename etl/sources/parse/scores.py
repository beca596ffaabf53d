"""What counts as a score in a cell or in a JSON value, however it is spelled."""

from __future__ import annotations

import math
import re

from routerset.etl.sources.parse.jsonlines import as_text
from routerset.etl.sources.quarantine import EXCERPT

NULLS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "none", "<NA>")
"""Text that stands for nothing."""
_MISSING = frozenset({*(text.lower() for text in NULLS), "+nan"})
_TRUTH = {"true": 1.0, "false": 0.0, "true_": 1.0, "false_": 0.0}  # `np.True_`
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_NUMPY = re.compile(
    r"(?:np|numpy)\.\w+\(([^()]*)\)|(?:array|tensor)\(([^()]*?)(?:,\s*(?:dtype|device)=[^()]*)?\)"
)
_MAX_TEXT = 100  # characters


def without_numpy(text: str) -> str:
    """Text in which NumPy or PyTorch shows values, such as `np.float64(1.0)`, with the bare values."""
    return _NUMPY.sub(lambda shown: shown[1] or shown[2] or "", text)


def number_of(value: object) -> float | None:
    """The number in a value: NaN where nothing stands there, None where it is no number.

    True and false count as 1 and 0, a list of one value as that value, and text as what it spells: also as
    Python shows NumPy's values, which the harness 0.4.2 to 0.4.8 writes.
    """
    value = _only(value)
    if value is None:
        return math.nan
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return _spelled(value) if isinstance(value, str) else None


def score_of(value: object) -> tuple[float, str | None]:
    """Number in a JSON value, NaN for null, and NaN with the value's text where there is no number."""
    value = _only(value)
    number = number_of(value)
    if number is None or (isinstance(value, str) and math.isinf(number)):
        return math.nan, (as_text(value) or "a deep nest")[:EXCERPT]
    return number, None


def _only(value: object) -> object:
    """The value in a list of one, however deep."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _spelled(text: str) -> float | None:
    if len(text) > _MAX_TEXT:
        return None
    text = without_numpy(text).strip()
    while text.startswith("[") and text.endswith("]"):
        text = text[1:-1].strip()
    text = text.lower().removeprefix("numpy.").removeprefix("np.")
    if text in _MISSING:
        return math.nan
    if text in _TRUTH:
        return _TRUTH[text]
    return float(text) if _NUMBER.fullmatch(text) else None
