"""Objects that are nothing but their attributes."""

from __future__ import annotations

import copy
from typing import Any, Self

__all__ = ["Value"]


class Value:
    """Equal to an object of the same class with equal attributes, and hashable; an attribute is set once.

    What a frozen dataclass offers, without the half millisecond that each of those takes at import.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            raise AttributeError(f"{type(self).__name__}: a value does not change; make another with but({name}=...).")
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).items()))

    def but(self, **changes: Any) -> Self:
        """A copy in which some attributes have other values."""
        made = copy.copy(self)
        vars(made).update(changes)
        return made
