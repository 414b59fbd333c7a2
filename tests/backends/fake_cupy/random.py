"""`cupy.random` of the stand-in: functions that draw from a state that is kept for each device, as CuPy's do."""

from __future__ import annotations

import types
from typing import Any

import numpy

from .arrays import from_numpy
from .capture import refuse_while_capturing
from .runtime import state

__all__ = ["RandomState", "module"]

_random_states: dict[int, RandomState] = {}


class RandomState:
    """Draws with cuRAND, whose calls CuPy refuses while a stream is capturing."""

    def __init__(self, seed: int | None = None) -> None:
        self._generator = numpy.random.default_rng(seed)

    def seed(self, seed: int | None = None) -> None:
        self._generator = numpy.random.default_rng(seed)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        refuse_while_capturing("calls of cuRAND")
        return from_numpy(self._generator.normal(loc, scale, size))


def get_random_state() -> RandomState:
    if state.device not in _random_states:
        _random_states[state.device] = RandomState()
    return _random_states[state.device]


def seed(seed: int | None = None) -> None:
    get_random_state().seed(seed)


def normal(loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
    return get_random_state().normal(loc, scale, size)


def module() -> types.SimpleNamespace:
    """What `cupy.random` has."""
    own = types.SimpleNamespace(_random_states=_random_states)
    return types.SimpleNamespace(
        RandomState=RandomState, _generator=own, get_random_state=get_random_state, normal=normal, seed=seed
    )
