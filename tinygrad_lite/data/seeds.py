"""What `rng=` may be: a seed, a Generator, or nothing."""

from __future__ import annotations

from ..ops.random import Generator, default_generator

__all__ = ["generator_of"]


def generator_of(rng: int | Generator | None) -> Generator:
    """The generator of a seed, the given generator, or the default one. DTypeError for what is none of them."""
    if rng is None:
        return default_generator()
    return rng if isinstance(rng, Generator) else Generator(rng)
