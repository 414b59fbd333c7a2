"""The strength of a penalty, where it changes during training."""

from __future__ import annotations

import copy
from typing import Any

from ..core.effects import active_capture
from ..core.errors import CaptureError

__all__ = ["Strength"]


class Strength:
    """A strength that a schedule changes: what an optimizer's learning rate is to it, this value is.

    value : the strength at first.

    >>> from tinygrad_lite.regularizers import L2, Strength
    >>> strength = Strength(1e-2)
    >>> penalty = L2(strength)
    >>> schedule = optim.ExponentialLR(strength, gamma=0.1)
    >>> schedule.step()
    >>> print(f"{float(strength):.3f}")
    0.001
    """

    def __init__(self, value: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": [], "lr": value}]
        self.factor = 1.0

    @property
    def value(self) -> float:
        """The strength now; may be set."""
        return self.factor * self.param_groups[0]["lr"]

    @value.setter
    def value(self, value: float) -> None:
        self.param_groups[0]["lr"] = value / self.factor

    def __float__(self) -> float:
        if active_capture.get() is not None:
            raise CaptureError(
                f"jit: the penalty's strength, {self!r}, would stay as it is now; give the penalty to the optimizer as "
                f"decay= or project=, or do not capture the step."
            )
        return float(self.value)

    def __mul__(self, factor: float) -> Strength:
        made = copy.copy(self)  # with the same groups, so that it changes too
        made.factor = self.factor * factor
        return made

    def __repr__(self) -> str:
        return f"Strength({self.value:g})"
