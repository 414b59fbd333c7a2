"""Text for models of characters."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.errors import DTypeError, IndexingError, ShapeError, describe
from .arguments import count_of
from .datasets import positions

__all__ = ["CharacterText", "TextWindows"]


class CharacterText:
    """A text as numbers, one for each character.

    text : its characters become `codes`, (n,) int64.
    vocabulary : the characters that have numbers, in their order; those of the text, sorted, if None. A part of a text
        that is held out takes that of the whole: `CharacterText(part, vocabulary=whole.vocabulary)`.

    Raises ShapeError for an empty text, IndexingError for characters that the vocabulary lacks.

    >>> text = data.CharacterText("to be or not to be")
    >>> text.vocabulary, text.encode("tone")
    (' benort', array([6, 4, 3, 2]))
    >>> inputs, targets = text.windows(5)[3]
    >>> text.decode(inputs), text.decode(targets)
    ('be or', 'e or ')
    """

    def __init__(self, text: str, *, vocabulary: str | None = None) -> None:
        points = _points("CharacterText", text)
        if not len(points):
            raise ShapeError("CharacterText: the text is empty; at least one character is required.")
        self._points = numpy.unique(points) if vocabulary is None else _points("CharacterText", vocabulary)
        if len(set(self._points.tolist())) < len(self._points):
            raise ShapeError(f"CharacterText: the vocabulary {vocabulary!r} has a character twice.")
        self.vocabulary = _text(self._points)
        self._order = numpy.argsort(self._points)
        self.codes = self._encode("CharacterText", points)

    def __len__(self) -> int:
        return len(self.codes)

    def encode(self, text: str) -> numpy.ndarray:
        """The numbers of a text's characters, (n,) int64. IndexingError for characters that the vocabulary lacks."""
        return self._encode("encode", _points("encode", text))

    def _encode(self, who: str, points: numpy.ndarray) -> numpy.ndarray:
        ascending = self._points[self._order]
        places = numpy.searchsorted(ascending, points).clip(max=max(len(ascending) - 1, 0))
        unknown = points[ascending[places] != points] if len(ascending) else points
        if len(unknown):
            raise IndexingError(
                f"{who}: {_text(numpy.unique(unknown)[:20])!r} not in the vocabulary, which is {self.vocabulary!r}."
            )
        return self._order[places]

    def decode(self, codes: Any) -> str:
        """The text of some numbers, (n,) integers or one. IndexingError for a number that no character has."""
        codes = numpy.atleast_1d(numpy.asarray(codes))
        if codes.size and codes.dtype.kind not in "iu":
            raise DTypeError(f"decode: codes are {describe(codes)}; integers are required, such as an argmax.")
        if codes.ndim != 1:
            raise ShapeError(f"decode: codes are {codes.shape}; one axis is required, so decode one text at a time.")
        wrong = codes[(codes < 0) | (codes >= len(self._points))]
        if len(wrong):
            raise IndexingError(f"decode: there is no character {wrong[0]}; there are {len(self._points)}, from 0.")
        return _text(self._points[codes.astype(numpy.int64)])

    def windows(self, length: int, step: int = 1) -> TextWindows:
        """The dataset of all stretches of `length` characters and those that follow each; see `TextWindows`."""
        return TextWindows(self.codes, length, step)

    def __repr__(self) -> str:
        return f"CharacterText({len(self)} characters, {len(self.vocabulary)} distinct)"


class TextWindows:
    """A dataset of `(inputs, targets)`: `length` codes in a row, and the same moved on by one. Both (length,) int64.

    codes : (n,) integers.
    step : how far apart windows begin; with `length` they do not overlap.

    Raises ShapeError if the text is not longer than a window.

    >>> data.TextWindows(np.arange(6), length=3, step=2)[:]
    (array([[0, 1, 2],
           [2, 3, 4]]), array([[1, 2, 3],
           [3, 4, 5]]))
    """

    def __init__(self, codes: Any, length: int, step: int = 1) -> None:
        self.length, self.step = count_of("TextWindows: length", length, 1), count_of("TextWindows: step", step, 1)
        codes = numpy.asarray(codes)
        if codes.ndim != 1 or len(codes) <= length:
            raise ShapeError(
                f"TextWindows: codes are {codes.shape} and length is {length}; one axis of at least length + 1 = "
                f"{length + 1} is required."
            )
        self._windows = numpy.lib.stride_tricks.sliding_window_view(codes, self.length + 1)[:: self.step]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
        windows = self._windows[positions("TextWindows", index, len(self))]
        return windows[..., :-1], windows[..., 1:]

    def __repr__(self) -> str:
        return f"TextWindows({len(self)} of {self.length} characters)"


def _points(who: str, text: Any) -> numpy.ndarray:
    """The Unicode code points of a text, (n,) uint32."""
    if not isinstance(text, str):
        raise DTypeError(f"{who}: the text is a {type(text).__name__}; a str is required.")
    return numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _text(points: numpy.ndarray) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
