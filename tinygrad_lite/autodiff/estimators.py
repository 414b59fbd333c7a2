"""Functions whose derivative is not the one of what they compute: none at all, or that of another function.

A derivative of your own for a computation of your own, in whatever library, is a `primitive`: its body gets arrays, and
its rules are the derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import Handle, as_array, no_grad, unwrap, wrap
from ..core.sweep import stand_in
from ..core.tree import map_leaves

__all__ = ["stop_gradient", "straight_through"]


def stop_gradient(tree: Any) -> Any:
    """The same values as constants: no gradient passes. A tensor's `detach`, for nested structures too.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    return map_leaves(lambda x: wrap(x.data, None) if isinstance(x, Handle) else x, tree)


def straight_through(f: Callable, surrogate: Callable | None = None) -> Callable:
    """The function with the values of `f` and the derivatives, of every order, of `surrogate`.

    f : any function, with constant Tensors for Tensors; it need not be differentiable, nor use this package.
    surrogate : a differentiable function with a result of the same shape, called with the same arguments. By default
        the first argument itself, so that gradients pass straight through `f`.

    Raises ShapeError, when called, if the results of the two have different shapes.

    Source: Y. Bengio, N. Leonard, A. Courville, Estimating or propagating gradients through stochastic neurons, 2013.

    >>> quantize = straight_through(lambda x: round(x * 4) / 4)
    >>> quantize(np.array([0.3, 0.8])), grad(lambda x: (quantize(x) ** 2).sum())(np.array([0.3, 0.8]))
    (array([0.25, 0.75]), array([0.5, 1.5]))
    >>> spike = straight_through(lambda x: x > 0, surrogate=sigmoid)
    >>> value_and_grad(spike)(0.0)
    (0.0, 0.25)
    """

    @functools.wraps(f)
    def estimated(*args: Any, **kwargs: Any) -> Any:
        out = args[0] if surrogate is None else surrogate(*args, **kwargs)
        with no_grad():
            value = unwrap(f(*stop_gradient(args), **stop_gradient(kwargs)))
        like = as_array(unwrap(out))
        backend = backend_of(like)
        value = backend.xp.astype(backend.asarray(value), like.dtype, copy=False)
        if tuple(value.shape) != tuple(like.shape):
            what = "the argument" if surrogate is None else "the surrogate's result"
            raise ShapeError(
                f"straight_through: the value has shape {tuple(value.shape)} and {what} {tuple(like.shape)}; they must "
                f"be equal, since one has the derivatives of the other."
            )
        if not isinstance(out, Handle):
            return value
        return wrap(value, None) if out.node is None else stand_in(value, out.node)

    return estimated
