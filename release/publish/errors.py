"""What can go wrong while publishing, and what it means to the one who publishes."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from routerset.release.errors import ReleaseError
from routerset.schemas.exits import DATA_FAILED, TRY_LATER, UNREADABLE, USAGE

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

TRY_AGAIN = frozenset({408, 409, 412, 425, 429})
"""409 and 412: somebody else changed the repository, or an answer was lost; reading it again tells."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PublishError(ReleaseError):
    """What arrived is not what was sent, or cannot be used; readers still see the version before."""

    exit_code = DATA_FAILED


class PublishRefused(PublishError):
    """Publishing would change what is published, or is not allowed; nothing was changed."""

    exit_code = USAGE


class DiskFull(PublishError):
    """No space left."""

    exit_code = UNREADABLE


class ServiceUnavailable(PublishError):
    """A remote service does not answer; the same command goes on later. after: seconds it asks to wait."""

    exit_code = TRY_LATER

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


def without_token(text: str, token: str | None) -> str:
    """A message that does not repeat the token."""
    return text.replace(token, "<HF_TOKEN>") if token else text


@contextmanager
def explained(where: str, token: str | None) -> Iterator[None]:
    """What the Hub's clients raise in the block becomes a PublishError."""
    try:
        yield
    except ReleaseError:
        raise
    except Exception as error:
        failure = explain(error, where, token)
        if failure is None:
            raise
        # not from the error, whose text may repeat the token
        raise failure from None


def explain(error: Exception, where: str, token: str | None) -> PublishError | None:
    """What an error of the Hub's clients at `where` means to the one who publishes; None for our bugs."""
    from httpx2 import TransportError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    for cause in _causes(error):
        if isinstance(cause, PublishError):
            return cause
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            return explain_disk(cause, "temporary folder")
        if isinstance(cause, OfflineModeIsEnabled):
            return ServiceUnavailable(f"{where}: HF_HUB_OFFLINE is set; unset it")
        if isinstance(cause, HFValidationError):
            return PublishRefused(f"{where}: {cause}")
        if isinstance(cause, HfHubHTTPError):
            return _answered(cause, where, token, sending=isinstance(error, RuntimeError))
        if isinstance(cause, TransportError | ConnectionError | TimeoutError):
            return ServiceUnavailable(without_token(f"{where}: no connection ({cause})", token))
    if type(error) is RuntimeError:  # all that hf_xet raises when a transfer fails
        return ServiceUnavailable(without_token(f"{where}: the transfer failed ({error})", token))
    if _from_client(error):
        said = f"{type(error).__name__}: {error}"[:500]
        return ServiceUnavailable(without_token(f"{where}: no Hub answer that can be read ({said})", token))
    return None


def _from_client(error: Exception) -> bool:
    """Whether the Hub's client stumbled, which it does over answers of another shape, and not the machine."""
    if isinstance(error, ImportError | MemoryError) or getattr(error, "errno", None):
        return False
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith("huggingface_hub."):
            return True
        trace = trace.tb_next
    return False


def explain_disk(error: OSError, where: str) -> PublishError:
    """What it means that a file below `where` cannot be written."""
    path = error.filename2 or error.filename or where
    if error.errno in _NO_SPACE:
        return DiskFull(
            f"{path}: {error.strerror}; free some space, or set TMPDIR, and run the same command again"
        )
    return PublishRefused(f"{path}: {error.strerror}; publish to a folder that can be written")


def _answered(error: HfHubHTTPError, where: str, token: str | None, sending: bool) -> PublishError:
    """What an answer of the Hub means. sending: it answered to the content of a file."""
    status = error.response.status_code
    said = without_token(error.server_message or f"status {status}", token)[:500]
    missing = error.response.headers.get("X-Error-Code") in ("EntryNotFound", "RevisionNotFound")
    if status >= 500 or status in TRY_AGAIN or missing or (sending and status == 400):
        after = _seconds(error.response.headers.get("Retry-After", ""))
        return ServiceUnavailable(f"{where}: the Hub answered {status} ({said})", after)
    if status == 401:
        return PublishRefused(
            f"{where}: the Hub does not accept the token in HF_TOKEN ({said}); make a new one at "
            "https://huggingface.co/settings/tokens"
        )
    if status in (403, 404):
        return PublishRefused(
            f"{where}: the token in HF_TOKEN may not do this ({said}); use one with write access to the "
            "repository"
        )
    return PublishError(f"{where}: the Hub answered {status} ({said}); expected it to take the release")


def _seconds(asked: str) -> float:
    """What `Retry-After` asks for, as a number or as a date; 0 where it is neither."""
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those it was raised from, the first one first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return reversed(chain)
