"""`vmap`: from a function of one example to one of many, computed at once."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..batching import batched_class, enter, leave
from ..core.axes import axes_of, shape_of
from ..core.backend import backend_of
from ..core.errors import BatchError, LoopWarning, ShapeError
from ..core.graph import Handle, next_birth, unwrap, wrap
from ..core.tree import leaves, map_leaves, unflatten
from ..ops.indexing import getitem
from ..ops.joining import stack

__all__ = ["vmap"]

Axes = int | None | Sequence[int | None]
"""The axis of the examples, None for what has none; a sequence for each argument or result its own."""


def vmap(f: Callable, in_axes: Axes = 0, out_axes: Axes = 0) -> Callable:
    """The function that applies `f` to each example of a batch, and computes all examples at once.

    f : a function of arrays, or nested lists, tuples and dicts of them. Inside it they are Tensors without the axis of
        the examples. It may use other arrays, which all examples share, and derivatives, and `vmap` again.
    in_axes : along which axis of the arguments the examples lie: one for all, or one for each argument, None for
        arguments that all examples share. Keyword arguments are shared.
    out_axes : along which axis of the results they are to lie: one for all, or one for each of a tuple of results.

    Where `f` looks at values (`if x > 0`, `float(x)`), or calls what cannot be computed at once, the examples are
    computed one by one, and a LoopWarning says why. Random numbers that are drawn inside are the same for all examples.

    Raises ShapeError if the arguments have different numbers of examples, or lack the axis.

    >>> x, y = np.arange(6.0).reshape(3, 2), np.ones(2)
    >>> vmap(lambda x, y: (x * y).sum(), in_axes=(0, None))(x, y)
    array([1., 5., 9.])
    >>> vmap(grad(lambda x: x ** 3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """

    @functools.wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        batch = _Batch(args, _for_each(in_axes, len(args), "in_axes", "arguments"))
        try:
            out = f(*batch.arguments(batch.enter), **kwargs)
        except BatchError as error:
            warnings.warn(f"vmap: one example after another, since {error}", LoopWarning, stacklevel=2)
            return batch.looped(f, kwargs, out_axes)
        return _over_results(batch.leave, out, out_axes)

    return batched


def _for_each(axes: Axes, count: int, name: str, what: str) -> Sequence[int | None]:
    """`axes` for each of `count` arguments or results."""
    if axes is None or isinstance(axes, int):
        return [axes] * count
    if len(axes) != count:
        raise ShapeError(f"vmap: {name} is {axes!r} for {count} {what}; give one integer or None for each.")
    return axes


def _over_results(function: Callable, out: Any, out_axes: Axes) -> Any:
    """`function(x, axis)` of each array x in `out`, in the same structure."""
    if not isinstance(out, (tuple, list)) or isinstance(out_axes, int):
        return map_leaves(lambda x: function(x, out_axes), out)
    axes = _for_each(out_axes, len(out), "out_axes", "results")
    parts = [map_leaves(lambda x, axis=axis: function(x, axis), part) for part, axis in zip(out, axes, strict=True)]
    return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)


class _Batch:
    """The arguments of a call, the axes along which their examples lie, and how many there are."""

    def __init__(self, args: tuple, axes: Sequence[int | None]) -> None:
        self.level = next_birth()
        self.pairs = list(zip(args, axes, strict=True))
        mapped = [(x, axis) for arg, axis in self.pairs if axis is not None for x in leaves(arg)]
        if not mapped:
            raise ShapeError("vmap: no argument has an axis of examples; in_axes must name one.")
        for x, axis in mapped:
            if not -len(shape_of(x)) <= axis < len(shape_of(x)):
                raise ShapeError(f"vmap: an argument has shape {shape_of(x)}; it has no axis {axis} of examples.")
        sizes = sorted({shape_of(x)[axis] for x, axis in mapped})
        if len(sizes) > 1:
            raise ShapeError(
                f"vmap: the arguments have {' and '.join(map(str, sizes))} examples; they must have equally many."
            )
        (self.size,) = sizes
        self.tensors = any(isinstance(x, Handle) for arg, _ in self.pairs for x in leaves(arg))
        self.cls = batched_class(backend_of(unwrap(mapped[0][0])))

    def enter(self, x: Any, axis: int) -> Handle:
        """All examples at once."""
        return enter(self.cls, _tensor(x), _positive(axis, shape_of(x)), self.level)

    def leave(self, out: Any, axis: int | None) -> Any:
        """A result of the function with all examples along an axis."""
        tensor = _tensor(out)
        axis = _out_axis(axis, tensor)
        return self._like_arguments(leave(self.cls, tensor, axis, self.level, self.size))

    def arguments(self, chosen: Callable) -> list[Any]:
        """The arguments, with `chosen(x, axis)` in place of each array that has examples."""
        return [
            arg if axis is None else map_leaves(lambda x, axis=axis: chosen(x, axis), arg) for arg, axis in self.pairs
        ]

    def looped(self, f: Callable, kwargs: dict[str, Any], out_axes: Axes) -> Any:
        """The results of `f`, computed one example after another."""
        if not self.size:
            raise BatchError("vmap: a batch without examples cannot be computed one by one.")
        outs = [f(*self.arguments(functools.partial(_example, i)), **kwargs) for i in range(self.size)]
        rows = [leaves(out) for out in outs]

        def joined(k: int, axis: int | None) -> Any:
            tensors = [_tensor(row[k]) for row in rows]
            return self._like_arguments(stack(tensors, axis=_out_axis(axis, tensors[0])))

        return _over_results(joined, unflatten(outs[0], iter(range(len(rows[0])))), out_axes)

    def _like_arguments(self, result: Handle) -> Any:
        return result if self.tensors or result.node is not None else result.data


def _example(i: int, x: Any, axis: int) -> Handle:
    return getitem(_tensor(x), index=(slice(None),) * _positive(axis, shape_of(x)) + (i,))


def _tensor(x: Any) -> Handle:
    return x if isinstance(x, Handle) else wrap(backend_of(x).asarray(x), None)


def _positive(axis: int, shape: tuple[int, ...]) -> int:
    return axes_of(axis, len(shape), "vmap")[0]


def _out_axis(axis: int | None, example: Handle) -> int:
    if axis is None:
        raise ShapeError("vmap: out_axes has None; every result has an axis of examples, so it must be an integer.")
    return _positive(axis, (1, *shape_of(example)))
