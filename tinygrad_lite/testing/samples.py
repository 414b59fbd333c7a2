"""Inputs for operations, and what their values should be: what the laws (`tinygrad_lite.testing.laws`) are checked on.

Operations declared with `shapes="elementwise"` get an automatic sample from their declaration (any broadcastable
arrays inside the domain, away from the kinks); for them an entry is only needed where the reference has another name
(`reference`), or where the automatic sample will not do: an explicit entry takes its place.

    reference("sigmoid", scipy.special.expit)

    @sample("sum", reference=lambda x, axis=None, keepdims=False: np.sum(x, axis=axis, keepdims=keepdims))
    def _(draw):
        x = draw(arrays(shapes(max_dims=3)))
        return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}

A sample is `(arrays, statics)`; the operation and the reference are called as `f(*arrays, **statics)`. An operation on
a sequence of arrays has one list among its arrays: `([a, b],), {"axis": 0}`. Static arguments that must be new for each
call, such as random generators, are wrapped: `{"rng": Fresh(lambda: Generator(0))}`. Drawing needs the package
hypothesis; `draw` is the function that its `st.composite` gives.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.registry import OPS
from ..core.tree import map_leaves

__all__ = [
    "BY_NAME", "SAMPLES", "UNCLAIMED", "Fresh", "Sample", "automatic", "reference", "sample", "samples_of", "unclaimed",
]  # fmt: skip

BY_NAME = object()
"""The default reference: the function of the operation's name in NumPy, or in scipy.special."""


@dataclass(frozen=True)
class Fresh:
    """A static argument that is made anew for each call."""

    make: Callable[[], Any]


@dataclass(frozen=True)
class Sample:
    """One way to draw arguments for an operation.

    op : the operation's name.
    draw : from Hypothesis' draw function to `(arrays, statics)`.
    reference : NumPy code for the value; None if the value is tested elsewhere (random numbers).
    order : the highest derivative that the laws check; 0 if there is none.
    tolerance : how many times the usual tolerance the value may be off.
    constant : names of floating-point array arguments that the operation is not differentiable in.
    """

    op: str
    draw: Callable[[Callable], tuple[tuple, dict[str, Any]]]
    reference: Any = BY_NAME
    order: int = 2
    tolerance: float = 1.0
    constant: tuple[str, ...] = ()

    @property
    def strategy(self) -> Any:
        """The Hypothesis strategy for `(arrays, statics)`."""
        from hypothesis import strategies as st

        def drawn(draw):
            draw(st.just(None))  # Hypothesis objects to a sample that draws nothing, such as one fixed edge case
            arguments, statics = self.draw(draw)
            # Arithmetic on 0-d arrays makes scalars, which are not what is to be tested.
            return map_leaves(lambda x: np.asarray(x) if isinstance(x, np.generic) else x, arguments), statics

        return st.composite(drawn)()

    def examples(self, count: int) -> list[tuple[tuple, dict[str, Any]]]:
        """At most `count` examples; the same in every run."""
        from hypothesis import HealthCheck, Phase, given, settings

        found: list[tuple[tuple, dict[str, Any]]] = []

        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(self.strategy)
        def collect(drawn: tuple[tuple, dict[str, Any]]) -> None:
            found.append(drawn)

        collect()
        return found

    def expected(self) -> Callable | None:
        """The reference as a function, or None. KeyError if there should be one and none has the operation's name."""
        if self.reference is not BY_NAME:
            return self.reference
        if self.op in REFERENCES:
            return REFERENCES[self.op]
        if hasattr(np, self.op):
            return getattr(np, self.op)
        special = importlib.import_module("scipy.special")
        if hasattr(special, self.op):
            return getattr(special, self.op)
        raise KeyError(f"{self.op}: no function of this name in NumPy or SciPy; give the sample a reference")


SAMPLES: dict[str, list[Sample]] = {}
"""The explicit samples, by the operation's name."""

REFERENCES: dict[str, Callable] = {}


def sample(name: str, **options: Any) -> Callable:
    """Decorator: the function draws arguments for the operation `name`. See `Sample` for the options."""

    def register(draw: Callable) -> Callable:
        SAMPLES.setdefault(name, []).append(Sample(name, draw, **options))
        return draw

    return register


def reference(name: str, function: Callable) -> None:
    """Say which function gives the values of the operation `name`, where no function of NumPy or SciPy has its name."""
    REFERENCES[name] = function


UNCLAIMED: dict[str, dict[str, str]] = {}
"""Dtypes of which nothing is claimed, with the reason, by the operation's name."""


def unclaimed(names: str, dtypes: str, why: str) -> None:
    """Say that operations take arrays of these dtypes, and why the laws ask nothing of what comes out.

    names, dtypes : separated by spaces.
    """
    for name in names.split():
        UNCLAIMED.setdefault(name, {}).update(dict.fromkeys(dtypes.split(), why))


def automatic(op: Op) -> Sample:
    """The sample that follows from the declaration of an elementwise operation."""

    def drawn(draw: Callable) -> tuple[tuple, dict[str, Any]]:
        from .strategies import elementwise_arguments

        return draw(elementwise_arguments(op)), {}

    return Sample(op.name, drawn)


def samples_of(name: str) -> list[Sample]:
    """The samples of an operation: its explicit entries, else the automatic one if it is elementwise, else none."""
    if name in SAMPLES:
        return SAMPLES[name]
    return [automatic(OPS[name])] if OPS[name].shapes == "elementwise" else []
