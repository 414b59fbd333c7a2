"""Random numbers: seeded generators, and functions that draw from one of them or from the default.

A seed means the same numbers on every device: integers, booleans and uniform numbers to the bit, normal numbers to
rounding. A GPU makes its own, see `core/philox.py` for what they are; orders (`permutation`) are made in main memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from ..core.backend import BACKENDS, device_backend
from ..core.dtypes import default_dtype
from ..core.effects import live_numbers, replayed
from ..core.errors import DTypeError, ShapeError, StateError
from ..core.philox import Draw, Stream
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
        self._stream = Stream(seed)

    @replayed(graph="refreshed", gradients=False)
    def uniform(
        self, shape: Shape = (), *, low: float = 0.0, high: float = 1.0, dtype: Any = None, device: str | None = None
    ) -> Any:
        """Numbers from the uniform distribution on [low, high).

        dtype : floating-point; default: the default dtype, float32.
        """
        bits, dtype = _precision(dtype)
        return _make(self._stream.draw("uniform" + bits, _checked(shape), high - low, low), dtype, device)

    @replayed(graph="refreshed", gradients=False)
    def normal(
        self, shape: Shape = (), *, mean: float = 0.0, std: float = 1.0, dtype: Any = None, device: str | None = None
    ) -> Any:
        """Numbers from the normal distribution with the given mean and standard deviation. `dtype` as for `uniform`."""
        bits, dtype = _precision(dtype)
        return _make(self._stream.draw("normal" + bits, _checked(shape), std, mean), dtype, device)

    @replayed(graph="refreshed", gradients=False)
    def integers(
        self, low: int, high: int | None = None, shape: Shape = (), *, dtype: Any = "int64", device: str | None = None
    ) -> Any:
        """Integers from `low` to `high - 1`, each equally likely; from 0 to `low - 1` without `high`.

        Raises ShapeError if there is none, DTypeError if a bound is no integer or beyond those of int64.
        """
        first, end = (0, low) if high is None else (low, high)
        if not hasattr(first, "__index__") or not hasattr(end, "__index__"):
            raise DTypeError(f"integers: low is {first!r} and high is {end!r}; integers are required.")
        first, end = first.__index__(), end.__index__()
        if end <= first:
            raise ShapeError(f"integers: low is {first} and high is {end}; high must be greater than low.")
        if first < -(2**63) or end > 2**63:
            raise DTypeError(f"integers: low is {first} and high is {end}; what is drawn must fit int64.")
        return _make(self._stream.draw("integers", _checked(shape), end - first, first), dtype, device)

    @replayed
    def permutation(self, n: int, *, device: str | None = None) -> Any:
        """The integers from 0 to n - 1 in random order."""
        return tensor(self._stream.permutation(*_checked(n)), device=device)

    @replayed(graph="refreshed", gradients=False)
    def bernoulli(self, p: float, shape: Shape = (), *, device: str | None = None) -> Any:
        """Booleans that are true with probability p.

        Raises ShapeError if p is not a probability.
        """
        if not 0 <= p <= 1:
            raise ShapeError(f"bernoulli: p is {p}; a probability from 0 to 1 is required.")
        return _make(self._stream.draw("bernoulli", _checked(shape), round(p * 2**32)), "bool", device)

    @replayed(graph="refreshed", gradients=False)
    def mask(self, p: float, shape: tuple[int, ...]) -> Draw:
        """What `bernoulli` draws, not made yet: for operations that make it where they need it."""
        return _live(self._stream.draw("bernoulli", shape, round(p * 2**32)))

    def spawn(self, n: int) -> list[Generator]:
        """`n` new generators, independent of each other and of this one, which moves on."""
        keys = self._stream.draw("integers", (n, 2), 2**64).make().view("uint64")
        made = [Generator(0) for _ in range(n)]
        for generator, key in zip(made, keys, strict=True):
            generator._stream = Stream(key=key)
        return made

    def state_dict(self) -> dict[str, Any]:
        """The position in the stream, as numbers and lists of numbers (JSON can hold it): a state of NumPy's Philox."""
        return self._stream.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was called, bit for bit. StateError if an entry is missing."""
        missing = [name for name in self.state_dict() if name not in state]
        if missing:
            raise StateError(f"Generator: the state lacks {', '.join(missing)}; it must come from state_dict().")
        counter = sum(int(word) << 64 * i for i, word in enumerate(state["counter"]))
        self._stream.load([int(word) for word in state["key"]], counter, int(state["buffer_pos"]))


def _checked(shape: Shape) -> tuple[int, ...]:
    lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
    if any(not hasattr(n, "__index__") or n < 0 for n in lengths):
        raise ShapeError(f"random: shape is {shape!r}; an integer or a tuple of them is required, none negative.")
    return tuple(lengths)


def _precision(dtype: Any) -> tuple[str, numpy.dtype]:
    """In how many bits numbers are drawn, 64 if float64 is asked for, else 32, and the dtype that is asked for."""
    wanted = _wanted(default_dtype() if dtype is None else dtype)
    if wanted.kind not in "fV":
        raise DTypeError(f"random: dtype is {wanted}; a floating-point dtype is required.")
    return "64" if wanted == numpy.float64 else "32", wanted


def _wanted(dtype: Any) -> numpy.dtype:
    return dtype if isinstance(dtype, numpy.dtype) else dtype_on(BACKENDS["numpy"], dtype)


def _make(draw: Draw, dtype: Any, device: str | None) -> Any:
    """The numbers as a Tensor; None while only the numbers of a captured step are refreshed."""
    backend = BACKENDS["numpy"] if device is None else device_backend(device)
    live = live_numbers.get()
    if live is not None:
        if not backend.draws:
            live.refuse("random numbers are made in main memory; draw them on the device, with device='cuda'")
        else:
            draw = _live(draw)
            if live.refreshing:
                return None
    made = backend.draw(draw, device, dtype)
    alike = type(made.dtype) is type(dtype) and made.dtype == dtype  # another library's dtypes refuse the comparison
    return tensor(made, dtype=None if alike else dtype, device=device)


def _live(draw: Draw) -> Draw:
    """A draw whose place in the stream is among the live numbers of the step that is captured, if one is."""
    live = live_numbers.get()
    return draw if live is None else draw._replace(live=live.take(draw.counters, draw[2:6]))


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
