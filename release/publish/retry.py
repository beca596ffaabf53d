"""How long a remote service that does not answer is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from routerset.release.publish.errors import ServiceUnavailable


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
