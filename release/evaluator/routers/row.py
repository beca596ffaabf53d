"""What is known of a router, in one row: who makes it, what it needs, how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..task import Router

RouterFactory = Callable[[], Router]


def nothing() -> str | None:
    """What a router lacks that runs anywhere."""
    return None


@dataclass(frozen=True)
class RouterRow:
    """name: in commands and data. make: makes a fresh router. title: for people.

    trained: by gradient descent, so that it runs only where it is asked for. compared: an existing router, of
    which reports name the best; the others are yardsticks. lacks: why it cannot run here, None where it can.
    colour: on light paper and on a dark screen. marker: Matplotlib's name, for colour is never the only
    difference; hollow: only its outline. in_figure: Figure 3 shows it.
    The rest is what its class declares (see `task.Router`), read here and nowhere else.
    """

    name: str
    make: RouterFactory
    title: str
    trained: bool = False
    compared: bool = True
    lacks: Callable[[], str | None] = nothing
    colour: tuple[str, str] = ("#5f6b7a", "#9aa7b8")
    marker: str = "v"
    hollow: bool = False
    in_figure: bool = True
    uses_vectors: bool = field(init=False)
    sees_test_scores: bool = field(init=False)
    has_probabilities: bool = field(init=False)
    entropy_floor: float = field(init=False)

    def __post_init__(self) -> None:
        router = self.make()
        for name, default in _DECLARED.items():
            object.__setattr__(self, name, getattr(router, name, default))


_DECLARED = {"uses_vectors": True, "sees_test_scores": False, "has_probabilities": True, "entropy_floor": 0.0}
"""What a class that does not say otherwise declares."""
