"""Random numbers: seeded generators, and functions that draw from one of them or from the default.

All numbers are made in main memory and then moved, so that a seed means the same numbers on every device.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from ..core.backend import BACKENDS
from ..core.dtypes import default_dtype
from ..core.effects import replayed
from ..core.errors import DTypeError, ShapeError, StateError
from .conversion import dtype_on
from .creation import tensor

__all__ = ["Generator", "default_generator", "manual_seed"]

Shape = int | tuple[int, ...]


class Generator:
    """A stream of random numbers, on Philox (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

    seed : an integer from 0; the same seed gives the same numbers on every device. Without one, the operating system's.

    >>> Generator(0).uniform((2,)).tolist() == Generator(0).uniform((2,)).tolist()
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        """Start the stream of `seed` from its beginning."""
        if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0):
            raise DTypeError(f"Generator: seed is {seed!r}; a non-negative integer or None is required.")
        self._numpy = numpy.random.Generator(numpy.random.Philox(seed))

    @replayed
    def uniform(
        self, shape: Shape = (), *, low: float = 0.0, high: float = 1.0, dtype: Any = None, device: str | None = None
    ) -> Any:
        """Numbers from the uniform distribution on [low, high).

        dtype : floating-point; default: the default dtype, float32.
        """
        made = self._numpy.random(_checked(shape), dtype=_made_as(dtype))
        return _finish(made * (high - low) + low, dtype, device)

    @replayed
    def normal(
        self, shape: Shape = (), *, mean: float = 0.0, std: float = 1.0, dtype: Any = None, device: str | None = None
    ) -> Any:
        """Numbers from the normal distribution with the given mean and standard deviation. `dtype` as for `uniform`."""
        made = self._numpy.standard_normal(_checked(shape), dtype=_made_as(dtype))
        return _finish(made * std + mean, dtype, device)

    @replayed
    def integers(
        self, low: int, high: int | None = None, shape: Shape = (), *, dtype: Any = "int64", device: str | None = None
    ) -> Any:
        """Integers from `low` to `high - 1`, each equally likely; from 0 to `low - 1` without `high`.

        Raises ShapeError if there is none.
        """
        first, end = (0, low) if high is None else (low, high)
        if end <= first:
            raise ShapeError(f"integers: low is {first} and high is {end}; high must be greater than low.")
        return _finish(self._numpy.integers(first, end, _checked(shape)), dtype, device)

    @replayed
    def permutation(self, n: int, *, device: str | None = None) -> Any:
        """The integers from 0 to n - 1 in random order."""
        return _finish(self._numpy.permutation(_checked(n)), None, device)

    @replayed
    def bernoulli(self, p: float, shape: Shape = (), *, device: str | None = None) -> Any:
        """Booleans that are true with probability p.

        Raises ShapeError if p is not a probability.
        """
        if not 0 <= p <= 1:
            raise ShapeError(f"bernoulli: p is {p}; a probability from 0 to 1 is required.")
        return _finish(self._numpy.random(_checked(shape), dtype="float32") < p, None, device)

    def spawn(self, n: int) -> list[Generator]:
        """`n` new generators, independent of each other and of this one, which moves on."""
        keys = self._numpy.integers(0, 2**64, (n, 2), dtype="uint64")
        made = [Generator(0) for _ in range(n)]
        for generator, key in zip(made, keys, strict=True):
            generator._numpy = numpy.random.Generator(numpy.random.Philox(key=key))
        return made

    def state_dict(self) -> dict[str, Any]:
        """The position in the stream, as numbers and lists of numbers (JSON can hold it)."""
        state = self._numpy.bit_generator.state
        return {
            "counter": state["state"]["counter"].tolist(),
            "key": state["state"]["key"].tolist(),
            "buffer": state["buffer"].tolist(),
            "buffer_pos": state["buffer_pos"],
            "has_uint32": state["has_uint32"],
            "uinteger": state["uinteger"],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was called, bit for bit. StateError if an entry is missing."""
        missing = [name for name in self.state_dict() if name not in state]
        if missing:
            raise StateError(f"Generator: the state lacks {', '.join(missing)}; it must come from state_dict().")
        words = {name: numpy.asarray(state[name], dtype="uint64") for name in ("counter", "key", "buffer")}
        self._numpy.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": words["counter"], "key": words["key"]},
            "buffer": words["buffer"],
            "buffer_pos": int(state["buffer_pos"]),
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }


def _checked(shape: Shape) -> Shape:
    lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
    if any(not hasattr(n, "__index__") or n < 0 for n in lengths):
        raise ShapeError(f"random: shape is {shape!r}; an integer or a tuple of them is required, none negative.")
    return shape


def _made_as(dtype: Any) -> Any:
    """The dtype in which numbers are drawn: float64 if that is asked for, else float32."""
    wanted = dtype_on(BACKENDS["numpy"], default_dtype() if dtype is None else dtype)
    if wanted.kind not in "fV":
        raise DTypeError(f"random: dtype is {wanted}; a floating-point dtype is required.")
    return "float64" if wanted == numpy.float64 else "float32"


def _finish(made: Any, dtype: Any, device: str | None) -> Any:
    if made.dtype.kind == "f" and dtype is None:
        dtype = default_dtype()
    return tensor(made, dtype=dtype, device=device)


@cache  # made when it is first needed: numpy.random is a tenth of what importing NumPy costs
def default_generator() -> Generator:
    """The generator that draws where no `rng` is given."""
    return Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream of `seed` from its beginning, and return that generator.

    >>> manual_seed(0) is default_generator()
    True
    """
    generator = default_generator()
    generator.seed(seed)
    return generator


def _chosen(rng: Generator | None) -> Generator:
    return default_generator() if rng is None else rng


def uniform(shape: Shape = (), *, rng: Generator | None = None, **options: Any) -> Any:
    """Uniform numbers from `rng` or the default generator; see `Generator.uniform`."""
    return _chosen(rng).uniform(shape, **options)


def normal(shape: Shape = (), *, rng: Generator | None = None, **options: Any) -> Any:
    """Normal numbers from `rng` or the default generator; see `Generator.normal`."""
    return _chosen(rng).normal(shape, **options)


def integers(
    low: int, high: int | None = None, shape: Shape = (), *, rng: Generator | None = None, **options: Any
) -> Any:
    """Random integers from `rng` or the default generator; see `Generator.integers`."""
    return _chosen(rng).integers(low, high, shape, **options)


def permutation(n: int, *, rng: Generator | None = None, **options: Any) -> Any:
    """A random order of 0 to n - 1 from `rng` or the default generator; see `Generator.permutation`."""
    return _chosen(rng).permutation(n, **options)


def bernoulli(p: float, shape: Shape = (), *, rng: Generator | None = None, **options: Any) -> Any:
    """Random booleans from `rng` or the default generator; see `Generator.bernoulli`."""
    return _chosen(rng).bernoulli(p, shape, **options)
