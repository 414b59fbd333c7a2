"""Padding layers: elements added around sequences, images and volumes."""

from __future__ import annotations

from typing import ClassVar

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import pad
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Padding = int | tuple[int, ...]


class _Pad(Module):
    """Elements before and after each of the last `axes` axes.

    padding : the number for all sides; or, as in PyTorch, pairs from the last axis backwards: (left, right, top,
        bottom, front, back). Negative numbers cut off.
    """

    axes: ClassVar[int]
    mode: ClassVar[str]
    value: float = 0.0

    def __init__(self, padding: Padding) -> None:
        count = 2 * self.axes
        given = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(given) != count:
            raise ShapeError(
                f"{type(self).__name__}: padding has {len(given)} numbers; it must be one, or {count}: two for each "
                f"axis, from the last axis backwards."
            )
        self.padding = given

    def forward(self, x: Array) -> Array:
        front = len(x.shape) - self.axes
        if front < 0 or (front not in (1, 2) and self.mode != "constant"):
            raise ShapeError(
                f"{type(self).__name__}: input is {tuple(x.shape)}; it must have {self.axes + 2} axes, (n, channels, "
                f"...), or {self.axes + 1} without n."
            )
        pairs = [self.padding[2 * i : 2 * i + 2] for i in reversed(range(self.axes))]
        widths = ((0, 0),) * front + tuple((max(a, 0), max(b, 0)) for a, b in pairs)
        if self.mode == "circular":  # goes on with what is left, as in PyTorch; others mirror what is cut off, too
            return pad(self._cut(x, pairs), widths, mode=self.mode)
        return self._cut(pad(x, widths, value=self.value, mode=self.mode), pairs)

    def _cut(self, x: Array, pairs: list[tuple[int, ...]]) -> Array:
        if min(self.padding) >= 0:
            return x
        lengths = x.shape[len(x.shape) - self.axes :]
        return x[(..., *(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(lengths, pairs, strict=True)))]


class ConstantPad2d(_Pad):
    """A constant added around images `(n, channels, h, w)`; see `pad`.

    padding : the number of elements for all sides, or (left, right, top, bottom); negative ones cut off.
    value : the constant.

    Raises ShapeError for another number of numbers.

    >>> nn.ConstantPad2d((1, 0, 0, 1), 7.0)(np.ones((1, 1, 1, 2)))
    array([[[[7., 1., 1.],
             [7., 7., 7.]]]])
    """

    axes = 2
    mode = "constant"

    def __init__(self, padding: Padding, value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad1d(ConstantPad2d):
    """A constant added around sequences `(n, channels, l)`. Arguments as for `ConstantPad2d`, padding (left, right)."""

    axes = 1


class ConstantPad3d(ConstantPad2d):
    """A constant added around volumes `(n, channels, d, h, w)`. As `ConstantPad2d`; front and back last."""

    axes = 3


class ZeroPad2d(_Pad):
    """Zeros added around images `(n, channels, h, w)`. `padding` as for `ConstantPad2d`.

    >>> nn.ZeroPad2d(1)(np.ones((1, 3, 4, 5))).shape
    (1, 3, 6, 7)
    """

    axes = 2
    mode = "constant"


class ZeroPad1d(ZeroPad2d):
    """Zeros added around sequences `(n, channels, l)`; padding is one number, or (left, right)."""

    axes = 1


class ZeroPad3d(ZeroPad2d):
    """Zeros added around volumes `(n, channels, d, h, w)`; padding (left, right, top, bottom, front, back)."""

    axes = 3


class ReflectionPad2d(_Pad):
    """Images mirrored at their outermost elements. `padding` as for `ConstantPad2d`.

    >>> nn.ReflectionPad2d((2, 0, 0, 0))(np.array([[[[1.0, 2.0, 3.0]]]]))
    array([[[[3., 2., 1., 2., 3.]]]])
    """

    axes = 2
    mode = "reflect"


class ReflectionPad1d(ReflectionPad2d):
    """Sequences mirrored at their outermost elements; padding is one number, or (left, right)."""

    axes = 1


class ReflectionPad3d(ReflectionPad2d):
    """Volumes mirrored at their outermost elements; padding (left, right, top, bottom, front, back)."""

    axes = 3


class ReplicationPad2d(_Pad):
    """Images whose outermost elements are repeated. `padding` as for `ConstantPad2d`.

    >>> nn.ReplicationPad2d((2, 0, 0, 0))(np.array([[[[1.0, 2.0, 3.0]]]]))
    array([[[[1., 1., 1., 2., 3.]]]])
    """

    axes = 2
    mode = "replicate"


class ReplicationPad1d(ReplicationPad2d):
    """Sequences whose outermost elements are repeated; padding is one number, or (left, right)."""

    axes = 1


class ReplicationPad3d(ReplicationPad2d):
    """Volumes whose outermost elements are repeated; padding (left, right, top, bottom, front, back)."""

    axes = 3


class CircularPad2d(_Pad):
    """Images that go on at the other end. `padding` as for `ConstantPad2d`.

    >>> nn.CircularPad2d((2, 0, 0, 0))(np.array([[[[1.0, 2.0, 3.0]]]]))
    array([[[[2., 3., 1., 2., 3.]]]])
    """

    axes = 2
    mode = "circular"


class CircularPad1d(CircularPad2d):
    """Sequences that go on at the other end; padding is one number, or (left, right)."""

    axes = 1


class CircularPad3d(CircularPad2d):
    """Volumes that go on at the other end; padding (left, right, top, bottom, front, back)."""

    axes = 3
