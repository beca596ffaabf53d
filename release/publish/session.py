"""The Hub's client on the wire: no wait without an end, and what is no answer is told at once.

By itself, the client waits for ever, follows any `Retry-After`, and asks five times more without a word.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils import _http

from routerset.release.publish.errors import TRY_AGAIN

_SET = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "")
ANSWER_WITHIN = float(_SET) if _SET.isascii() and _SET.isdigit() and int(_SET) else 60.0
"""Seconds without a byte, at most."""
_CONNECT_WITHIN = 10.0
_SLOWEST = 1000.0
"""Bytes a second: every so many allow an answer one more second."""
_MOST = 1 << 26
"""Bytes of an answer that is read into memory."""
_PAGES = 1000
"""Pages of a list."""


class NoAnswer(ConnectionError):
    """The connection broke, or what came is not what a Hub says."""


@contextmanager
def patient() -> Iterator[None]:
    """In the block, every client of the Hub in this process is bounded, and raises what it would repeat."""
    before = _http._GLOBAL_CLIENT_FACTORY
    set_client_factory(lambda: _bounded(before()))
    try:
        yield
    finally:
        set_client_factory(before)


def _bounded(client: httpx2.Client) -> httpx2.Client:
    send: Callable[..., httpx2.Response] = client.send

    def bounded_send(request: httpx2.Request, **options: object) -> httpx2.Response:
        given = request.extensions.get("timeout", {})
        bounds = {"connect": _CONNECT_WITHIN, "read": ANSWER_WITHIN, "write": ANSWER_WITHIN, "pool": None}
        limits = {key: min(given.get(key) or math.inf, most or ANSWER_WITHIN) for key, most in bounds.items()}
        request.extensions = {**request.extensions, "timeout": limits}
        with _told(request):
            return send(request, **options)

    pages = 0

    def turn(response: httpx2.Response) -> None:
        nonlocal pages
        pages = pages + 1 if "next" in response.links else 0
        if pages > _PAGES:
            raise NoAnswer(f"{response.request.url.path[:200]}: found a list of more than {_PAGES:,} pages")

    client.send = bounded_send  # type: ignore[method-assign]
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], _look, turn]}
    return client


@contextmanager
def _told(request: httpx2.Request) -> Iterator[None]:
    """What breaks a connection becomes an error that the client does not hide."""
    try:
        yield
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        said = str(error) or type(error).__name__
        raise NoAnswer(f"{request.method} {request.url.path[:200]}: {said[:500]}") from None


def _look(response: httpx2.Response) -> None:
    """Raise for an answer to try again later, and for a page; bound how long and how large it gets."""
    path, status = response.request.url.path, response.status_code
    spoken = "/api/" in path or path.endswith("/objects/batch")
    content = response.stream
    if isinstance(content, httpx2.SyncByteStream):
        most = _MOST if spoken or status >= 300 else math.inf
        response.stream = _Body(content, response.request, most)
    if status >= 500 or status in TRY_AGAIN:
        response.read()
        _http.hf_raise_for_status(response)
    kind, method = response.headers.get("Content-Type", ""), response.request.method
    stored = method == "PUT" and not spoken  # a store of files says nothing, or XML
    strange = ("text/html", "application/json") if stored else ("text/html",) if spoken else ()
    if status < 300 and kind.startswith(strange):
        raise NoAnswer(f"{method} {path[:200]}: found {kind[:80]}, expected the Hub's answer")


class _Body(httpx2.SyncByteStream):
    """The bytes of an answer, with an end."""

    def __init__(self, content: httpx2.SyncByteStream, request: httpx2.Request, most: float) -> None:
        self._content, self._request, self._most = content, request, most

    def __iter__(self) -> Iterator[bytes]:
        waited, received, parts = 0.0, 0, iter(self._content)
        while True:
            begun = time.monotonic()
            with _told(self._request):
                part = next(parts, None)
                if part is None:
                    return
                waited += time.monotonic() - begun
                received += len(part)
                if received > self._most:
                    raise httpx2.ReadError(f"found more than {self._most:,} bytes")
                if waited > ANSWER_WITHIN + received / _SLOWEST:
                    raise httpx2.ReadTimeout(f"found {received:,} bytes in {waited:.0f} s")
            yield part

    def close(self) -> None:
        self._content.close()
