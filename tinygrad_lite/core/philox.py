"""Random numbers that are a function of a key and of a position: Philox4x64 with 10 rounds.

A stream is the words of 64 bits that `numpy.random.Philox` gives for its key: block b of four words is what Philox
makes of the counter b + 1 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; NumPy's order).
What is made of the words is fixed here, for main memory and for every device, and how many words a draw takes depends
on its kind and length alone. So a device makes element i of a draw from the key and the position where the draw begins,
and the stream in main memory only counts. With w for a word, and h for half of one, the low half first:

- uniform32, uniform64: (h >> 8) 2^-24 scale + shift and (w >> 11) 2^-53 scale + shift, with two roundings.
- normal32: from h and the next, h', which is signed, r cos(a) + shift and r sin(a) + shift, where
  r = scale sqrt(-2 log(2^-32 h + 2^-33)) and a = pi 2^-31 h'. normal64: the same from w and the next, with 64 for 32.
- integers: floor(2^-64 w scale) + shift.
- bernoulli: h < scale.

Uniform numbers and integers begin at the next word; the others at the next block, and take whole ones. Each of n
integers has a probability that differs from 1 / n by less than 2^-64. Normal numbers end at sqrt(2 log 2^33), which is
6.8 standard deviations, and in float64 at 9.5; probabilities are met to 2^-33.

The time of NumPy's own generator, for a million numbers on one core: uniform32 0.8, uniform64 0.9, normal32 0.7,
bernoulli 0.7, integers and normal64 2.1; a single number takes 15 to 25 us instead of 8.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

__all__ = ["KINDS", "Draw", "Stream"]


class Kind(NamedTuple):
    """dtype : of the numbers. per_word : how many a word gives. blocks : whether they take whole blocks of words.

    fill : `fill(raw, out, scale, shift)` makes numbers of words, which it may overwrite; of the last word, fewer.
    """

    dtype: numpy.dtype
    per_word: int
    blocks: bool
    fill: Callable[[numpy.ndarray, numpy.ndarray, Any, Any], None]

    def words(self, count: int) -> int:
        """The words that so many numbers take."""
        words = -(-count // self.per_word)
        return -(-words // 4) * 4 if self.blocks else words


class Draw(NamedTuple):
    """A stretch of a stream and what is made of it.

    stream, start : whose words, and the first one's position. shape : of the result.
    kind : a name in KINDS. scale, shift : see this file's first lines.
    live : where `counters` are on the device, if they are live numbers of a captured step.
    """

    stream: Stream
    start: int
    shape: tuple[int, ...]
    kind: str
    scale: Any = 1
    shift: Any = 0
    live: Any = None

    @property
    def counters(self) -> tuple[int, ...]:
        """The key's two words, the counter's four of the block in which the draw begins, and the word there."""
        block = self.start // 4 + 1
        return *self.stream.key, *(block >> 64 * i & _MASK for i in range(4)), self.start % 4

    def make(self) -> numpy.ndarray:
        """The numbers, in main memory. Two threads take longer: NumPy's calls on what fits the cache are short."""
        kind = KINDS[self.kind]
        out = numpy.empty(self.shape, kind.dtype)
        flat, words = out.reshape(-1), kind.words(out.size)
        if words <= CHUNK:
            kind.fill(self.stream.raw(self.start, words), flat, self.scale, self.shift)
            return out
        for first in range(0, words, CHUNK):
            raw = self.stream.raw(self.start + first, min(CHUNK, words - first))
            part = flat[first * kind.per_word : (first + CHUNK) * kind.per_word]
            kind.fill(raw, part, self.scale, self.shift)
        return out


CHUNK = 1 << 12
"""The words that are worked on at a time, which stay in the cache."""


class Stream:
    """Key and position: where the next draw begins, counted in words."""

    def __init__(self, seed: int | None = None, key: Any = None) -> None:
        self._numpy = (
            numpy.random.Philox(seed) if key is None else numpy.random.Philox(key=numpy.asarray(key, "uint64"))
        )
        self.position = self._at = 0  # `_at`: where NumPy's generator is
        self._key: tuple[int, int] | None = None
        self._lock = threading.RLock()

    @property
    def key(self) -> tuple[int, int]:
        """The key's two words."""
        if self._key is None:
            low, high = self._numpy.state["state"]["key"].tolist()
            self._key = low, high
        return self._key

    def draw(self, kind: str, shape: tuple[int, ...], scale: Any = 1, shift: Any = 0) -> Draw:
        """The next draw; the stream moves behind it."""
        made = KINDS[kind]
        words = made.words(math.prod(shape))
        with self._lock:
            start = -(-self.position // 4) * 4 if made.blocks else self.position
            self.position = start + words
        return Draw(self, start, shape, kind, scale, shift)

    def raw(self, start: int, count: int) -> numpy.ndarray:
        """`count` words from position `start` on, as uint64."""
        with self._lock:
            self._seek(start)
            self._at += count
            return self._numpy.random_raw(count).astype(_U8, copy=False)

    def permutation(self, n: int) -> numpy.ndarray:
        """0 to n - 1 in random order, by NumPy, which takes as many words as it happens to need."""
        with self._lock:
            self._seek(self.position)
            made = numpy.random.Generator(self._numpy).permutation(n)
            self.load(*_place(self._numpy.state))
            return made

    def load(self, key: Any, counter: int, buffer_pos: int) -> None:
        """Go to where a generator of NumPy's is; half a word that it may keep back is left out."""
        with self._lock:
            self.position = 4 * (counter - 1) + buffer_pos
            self._place(key, self.position)

    def state(self) -> dict[str, Any]:
        """The state of `numpy.random.Philox` at this position, as integers and lists of them."""
        with self._lock:
            block, used = divmod(self.position, 4)
            buffer = self.raw(4 * block, 4).tolist() if used else [0] * 4
            counter = block + 1 if used else block
            return {
                "counter": [counter >> 64 * i & _MASK for i in range(4)],
                "key": list(self.key),
                "buffer": buffer,
                "buffer_pos": used or 4,
                "has_uint32": 0,
                "uinteger": 0,
            }

    def _seek(self, start: int) -> None:
        """Bring NumPy's generator to a position."""
        ahead = start - self._at
        if 0 < ahead < 4:
            self._numpy.random_raw(ahead, False)
        elif ahead:
            self._place(self.key, start)
        self._at = start

    def _place(self, key: Any, position: int) -> None:
        block, used = divmod(position, 4)
        words = numpy.asarray([block >> 64 * i & _MASK for i in range(4)], dtype="uint64")
        self._numpy.state = {
            "bit_generator": "Philox",
            "state": {"counter": words, "key": numpy.asarray(key, dtype="uint64")},
            "buffer": numpy.zeros(4, "uint64"),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._numpy.random_raw(used, False)
        self._key, self._at = (int(key[0]), int(key[1])), position

    def __reduce__(self) -> tuple:
        return _restored, (self.key, self.position)


_MASK = (1 << 64) - 1


def _restored(key: tuple[int, int], position: int) -> Stream:
    made = Stream(key=key)
    made.position = position
    return made


def _place(state: Any) -> tuple[list[int], int, int]:
    """Key, counter and place in the buffer of a state of NumPy's."""
    words = state["state"]["counter"].tolist()
    return state["state"]["key"].tolist(), sum(word << 64 * i for i, word in enumerate(words)), state["buffer_pos"]


# Constants are 0-d arrays: with Python's numbers a call of NumPy's takes twice as long.
_U4, _U8 = numpy.dtype("<u4"), numpy.dtype("<u8")
_I4, _I8 = numpy.dtype("<i4"), numpy.dtype("<i8")
_UNUSED = {4: numpy.array(8, _U4), 8: numpy.array(11, _U8)}
_HALF, _LOW = numpy.array(32, _U8), numpy.array(0xFFFFFFFF, _U8)


def _uniform(raw: numpy.ndarray, out: numpy.ndarray, scale: float, shift: float) -> None:
    size = out.dtype.itemsize
    bits = raw.view(_U4 if size == 4 else _U8)[: out.size]
    numpy.right_shift(bits, _UNUSED[size], bits)
    # A power of two more or less in the factor changes no rounding.
    factor = out.dtype.type(scale) * (2.0**-24 if size == 4 else 2.0**-53)
    numpy.multiply(bits, factor, out=out, dtype=out.dtype, casting="unsafe")
    if shift != 0:
        out += shift


def _normal(raw: numpy.ndarray, out: numpy.ndarray, scale: float, shift: float) -> None:
    of_size_4 = out.dtype.itemsize == 4
    width, unsigned, signed = (32, _U4, _I4) if of_size_4 else (64, _U8, _I8)
    as_numbers: dict[str, Any] = {"dtype": out.dtype, "casting": "unsafe"}
    radius = numpy.multiply(raw.view(unsigned)[::2], 2.0**-width, **as_numbers)
    radius += 2.0 ** (-width - 1)
    numpy.log(radius, out=radius)
    radius *= -2.0
    numpy.sqrt(radius, out=radius)
    if scale != 1:
        radius *= scale
    angle = numpy.multiply(raw.view(signed)[1::2], math.pi * 2.0 ** (1 - width), **as_numbers)
    whole = out if out.size == 2 * radius.size else numpy.empty(2 * radius.size, out.dtype)
    part = numpy.cos(angle)
    numpy.multiply(part, radius, out=whole[::2])
    numpy.sin(angle, out=part)
    numpy.multiply(part, radius, out=whole[1::2])
    if whole is not out:
        out[:] = whole[: out.size]
    if shift != 0:
        out += shift


def _integers(raw: numpy.ndarray, out: numpy.ndarray, scale: int, shift: int) -> None:
    numbers = raw if scale == 1 << 64 else _high_word(raw, scale)
    numpy.add(numbers, numpy.uint64(shift & _MASK), out=out.view(_U8))


def _high_word(words: numpy.ndarray, factor: int) -> numpy.ndarray:
    """The upper halves of the products of words and a factor below 2^64, from the products of half words."""
    upper = numpy.right_shift(words, _HALF)
    numpy.bitwise_and(words, _LOW, words)
    high, low = numpy.uint64(factor >> 32), numpy.uint64(factor & 0xFFFFFFFF)
    crossed = None if high == 0 else words * high
    words *= low
    numpy.right_shift(words, _HALF, words)
    if crossed is None:
        upper *= low
        upper += words
        return numpy.right_shift(upper, _HALF, upper)
    words += upper * low
    crossed += words & _LOW
    upper *= high
    upper += numpy.right_shift(words, _HALF, words)
    upper += numpy.right_shift(crossed, _HALF, crossed)
    return upper


def _bernoulli(raw: numpy.ndarray, out: numpy.ndarray, scale: int, shift: int) -> None:
    if scale >> 32:
        out.fill(True)
    else:
        numpy.less(raw.view(_U4)[: out.size], numpy.uint32(scale), out=out)


KINDS = {
    "uniform32": Kind(numpy.dtype("float32"), 2, False, _uniform),
    "uniform64": Kind(numpy.dtype("float64"), 1, False, _uniform),
    "normal32": Kind(numpy.dtype("float32"), 2, True, _normal),
    "normal64": Kind(numpy.dtype("float64"), 1, True, _normal),
    "integers": Kind(numpy.dtype("int64"), 1, False, _integers),
    "bernoulli": Kind(numpy.dtype("bool"), 2, True, _bernoulli),
}
"""What can be drawn, by name."""
