"""What arguments may be: generators of random numbers, and counts."""

from __future__ import annotations

import operator
from typing import Any

from ..core.errors import ShapeError
from ..ops.random import Generator, default_generator

__all__ = ["count_of", "generator_of"]


def generator_of(rng: int | Generator | None) -> Generator:
    """The generator of a seed, the given generator, or the default one. DTypeError for what is none of them."""
    if rng is None:
        return default_generator()
    return rng if isinstance(rng, Generator) else Generator(rng)


def count_of(name: str, value: Any, least: int) -> int:
    """An integer from `least` up; ShapeError for anything else."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ShapeError(f"{name} is {value!r}; an integer from {least} up is required.")
    return number
