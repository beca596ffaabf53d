"""The Hub's client: how it is made, tamed, and asked again when the service does not answer."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routerset.release.publish.errors import ServiceUnavailable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DATASET = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@v?([\w.-]+))?/?")
"""Where a dataset repository lies, and at which version."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Patience:
    """tries: in a row, without getting on. first, longest: seconds to wait, doubled every time."""

    tries: int = 6
    first: float = 2.0
    longest: float = 60.0

    def wait(self, failures: int, problem: ServiceUnavailable, progress: Callable[[str], None]) -> None:
        """Wait after so many failures in a row, the last one `problem`; raises it after the last try."""
        if failures >= self.tries:
            raise problem
        own = min(self.first * 2.0 ** (failures - 1), self.longest)
        seconds = max(own, min(problem.after, 5 * self.longest))
        progress(f"{problem}; waiting {seconds:g} s")
        time.sleep(seconds)


PATIENT = Patience()


@contextmanager
def quiet(bars: bool = True) -> Iterator[None]:
    """No warnings of the Hub's client, which repeat signed addresses. bars: on a terminal, if wanted."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    verbosity, shown = get_verbosity(), not are_progress_bars_disabled()
    set_verbosity(logging.ERROR)
    if shown and not (bars and sys.stderr.isatty()):
        disable_progress_bars()
    try:
        yield
    finally:
        set_verbosity(verbosity)
        if shown:
            enable_progress_bars()


@contextmanager
def tamed() -> Iterator[None]:
    """The Hub's client quiet, and without waits that do not end."""
    from routerset.release.publish.session import patient

    with quiet(), patient():
        yield


def hub_api(token: str | None) -> HfApi:
    """The Hub's client with this token or none."""
    from huggingface_hub import HfApi

    # False, since None means a token that some login left on this machine
    return HfApi(token=token or False, library_name="routerset")


def read_refs(api: HfApi, name: str) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    """Branches and tags of a dataset repository, each with its commit; None where there is no repository.

    Raises ServiceUnavailable where what is told of them cannot be.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        refs = api.list_repo_refs(name, repo_type="dataset")
    except RepositoryNotFoundError:
        return None
    for ref in (*refs.branches, *refs.tags):
        if not isinstance(ref.name, str) or not _COMMIT.fullmatch(str(ref.target_commit)):
            raise ServiceUnavailable(
                f"hf://datasets/{name}: no Hub answer: found {ref}, expected a name and a commit"
            )
    branches, tags = ({ref.name: ref.target_commit for ref in each} for each in (refs.branches, refs.tags))
    return branches, tags
