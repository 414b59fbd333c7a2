"""Transforms: from a function to its derivatives. They nest to any order, and follow their inputs.

Arguments may be arrays, Tensors, Python numbers (float64, and a float comes back), or nested lists, tuples and dicts
of them. Arrays come back as arrays, unless the function used a Tensor that requires a gradient: then the result is a
Tensor connected to it.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..batching import batched_class, enter, leave
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import BatchError, DTypeError, GradientError, LoopWarning, ShapeError
from ..core.graph import Handle, Leaf, Node, as_array, enable_grad, grad_enabled, next_birth, node_of, unwrap, wrap
from ..core.sweep import reach, stand_in, sweep
from ..core.tree import leaves, map_leaves, unflatten
from ..ops.creation import zeros
from ..ops.elementwise import add
from ..ops.joining import concat, stack
from ..ops.movement import reshape
from ..ops.reductions import sum
from .gradients import cotangent

__all__ = ["gauss_newton_product", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


class _Call:
    """One call of a function on inputs that stand for the caller's, recorded from there on."""

    def __init__(self, name: str, function: Callable, primals: Sequence[Any]) -> None:
        self.name = name
        self.primals = primals
        self.given = leaves(primals)
        self.start = next_birth()
        with enable_grad():
            self.inputs = [self._input(value) for value in self.given]
            self.out = function(*unflatten(tuple(primals), iter(self.inputs)))
        self.nodes: list[Any] = [value.node for value in self.inputs]
        for node in self.nodes:
            if isinstance(node, Leaf):
                node.internal = True

    def _input(self, value: Any) -> Handle:
        if isinstance(value, (bool, int, float)):
            value = numpy.asarray(value, dtype="float64")
        array = as_array(unwrap(value))
        if not is_floating(array.dtype):
            raise DTypeError(
                f"{self.name}: an argument has dtype {array.dtype}; derivatives need floating point. "
                f"Convert it, for example with x.astype('float64')."
            )
        outer = value.node if isinstance(value, Handle) else None
        return wrap(array, Leaf(array)) if outer is None else stand_in(array, outer)

    def connected(self, *outputs: Any) -> bool:
        """Whether the outputs also depend on something outside that requires a gradient, and the caller records."""
        if not grad_enabled():
            return False
        if any(node.parents for node in self.nodes):
            return True
        roots = [out.node for out in outputs if isinstance(out, Handle) and out.node is not None]
        inside = reach(roots, self.start)
        outside = {parent for node in inside for parent in node.parents if parent is not None} - inside.keys()
        return any(isinstance(node, Leaf) and not node.internal for node in reach(outside))

    def gradients(self, out: Any, g: Any, *, create_graph: bool, retain_graph: bool = False) -> list[Any]:
        """The cotangent of each input, None where the output does not depend on it."""
        if not isinstance(out, Handle) or out.node is None:
            return [None] * len(self.nodes)
        return sweep([(out.node, g)], self.nodes, create_graph=create_graph, retain_graph=retain_graph or create_graph)

    def like_inputs(self, gradients: Sequence[Any]) -> Any:
        """The gradients in the structure and kind of the given arguments."""
        return unflatten(tuple(self.primals), map(_like, gradients, self.given, self.inputs))

    def like_output(self, out: Any, connected: bool) -> Any:
        """An output as the caller expects it: a Tensor if one was given or it is connected, else an array or number."""
        if not isinstance(out, Handle):
            return out
        if connected:
            return out
        if any(isinstance(value, Handle) for value in self.given):
            return wrap(out.data, None)
        return _as_given(out.data, all(isinstance(value, (int, float)) for value in self.given))

    def scalar(self) -> Handle:
        shape = getattr(self.out, "shape", None)
        if shape is None or tuple(shape) != ():
            what = f"shape {tuple(shape)}" if shape is not None else f"a {type(self.out).__name__}"
            raise GradientError(
                f"{self.name}: the function returned {what}; a gradient needs a scalar. Reduce the result, for example "
                f"with .sum(), or use jacobian or vjp."
            )
        return self.out


def _recorded(values: Sequence[Any]) -> bool:
    """Whether derivatives with respect to one of the values will be asked for."""
    return grad_enabled() and any(node_of(value) is not None for value in values)


def _as_given(array: Any, number: bool) -> Any:
    return float(backend_of(array).to_numpy(array)) if number and array.shape == () else array


def _like(gradient: Any, given: Any, stand: Handle) -> Any:
    if gradient is None:
        gradient = backend_of(stand.data).xp.zeros_like(stand.data)
    if isinstance(gradient, Handle) and gradient.node is not None:
        return gradient
    array = as_array(unwrap(gradient))
    return wrap(array, None) if isinstance(given, Handle) else _as_given(array, isinstance(given, (int, float)))


def _restricted(
    name: str, f: Callable, args: tuple, kwargs: dict[str, Any], chosen: tuple[int, ...]
) -> tuple[Callable, list[Any]]:
    """`f` as a function of the positional arguments in `chosen` alone, and these; ShapeError if one is not there."""
    if any(not -len(args) <= i < len(args) for i in chosen):
        which = chosen[0] if len(chosen) == 1 else chosen
        raise ShapeError(f"{name}: argnums {which} with {len(args)} positional arguments; each must name one of them.")

    def restricted(*primals: Any) -> Any:
        full = list(args)
        for i, primal in zip(chosen, primals, strict=True):
            full[i] = primal
        return f(*full, **kwargs)

    return restricted, [args[i] for i in chosen]


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False) -> Callable:
    """The function that returns `f`'s value and its gradient.

    f : a function with a scalar result; with `has_aux`, a pair of that and anything else.
    argnums : which positional arguments to differentiate; a tuple gives a tuple of gradients.
    Returns `(value, gradient)`, with `has_aux` `((value, aux), gradient)`.

    Raises GradientError if the result is not a scalar, DTypeError for integer arrays.

    >>> value_and_grad(lambda x: x ** 3)(2.0)
    (8.0, 12.0)
    """
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Call("grad", *_restricted("grad", f, args, kwargs, chosen))
        aux = None
        if has_aux:
            call.out, aux = call.out
        out = call.scalar()
        connected = call.connected(out)
        one = cotangent("grad", out, None, connected) if isinstance(out, Handle) else None
        gradients = call.like_inputs(call.gradients(out, one, create_graph=connected))
        value = call.like_output(out, connected)
        return ((value, aux) if has_aux else value), (gradients[0] if isinstance(argnums, int) else gradients)

    return differentiated


def grad(f: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False) -> Callable:
    """The gradient of a function with a scalar result. Arguments as in `value_and_grad`; `has_aux` adds the aux.

    >>> grad(lambda x: x ** 3)(2.0)
    12.0
    >>> grad(grad(grad(lambda x: x ** 3)))(2.0)
    6.0
    """
    with_value = value_and_grad(f, argnums, has_aux=has_aux)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = with_value(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def vjp(f: Callable, *primals: Any) -> tuple[Any, Callable]:
    """The value of `f` and the function from a cotangent to the vector-Jacobian products, one per primal.

    Returns `(out, pull)`; `pull(g)`, with `g` of out's shape, may be called any number of times.

    >>> out, pull = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> out, pull(1.0)
    (6.0, (3.0, 2.0))
    """
    call = _Call("vjp", f, primals)
    connected = call.connected(*leaves(call.out))

    def pull(g: Any) -> tuple:
        total: list[Any] = [None] * len(call.nodes)
        record = connected or _recorded(leaves(g))
        for out, part in zip(leaves(call.out), leaves(g), strict=True):
            if isinstance(out, Handle):
                found = call.gradients(out, cotangent("vjp", out, part, record), create_graph=record, retain_graph=True)
                total = [a if b is None else b if a is None else add(a, b) for a, b in zip(total, found, strict=True)]
        return call.like_inputs(total)

    return map_leaves(lambda out: call.like_output(out, connected), call.out), pull


class _Linearised:
    """The pushforward of a call: the vector-Jacobian product as a function of its cotangent, differentiated again.

    The vector-Jacobian product u -> u J is linear in u, and its transpose is the Jacobian-vector product. So forward
    mode needs no rule of its own (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
    """

    def __init__(self, call: _Call, out: Handle) -> None:
        self.out = out
        self.nodes: list[Node] = []
        self.index: list[int] = []
        zero = backend_of(out.data).xp.zeros_like(out.data)
        self.dummy = wrap(zero, Leaf(zero))
        with enable_grad():
            for i, product in enumerate(call.gradients(out, self.dummy, create_graph=True)):
                if isinstance(product, Handle) and product.node is not None:
                    self.nodes.append(product.node)
                    self.index.append(i)

    def push(self, tangents: Sequence[Any], *, create_graph: bool) -> Any:
        """The tangent of the output for one tangent (or None) per input."""
        roots = [(node, tangents[i]) for node, i in zip(self.nodes, self.index, strict=True) if tangents[i] is not None]
        if create_graph:
            roots = [(node, t if isinstance(t, Handle) else wrap(t, None)) for node, t in roots]
        else:
            roots = [(node, unwrap(t)) for node, t in roots]
        found = sweep(roots, [self.dummy.node], create_graph=create_graph, retain_graph=True)[0] if roots else None
        return backend_of(self.out.data).xp.zeros_like(self.out.data) if found is None else found


def jvp(f: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `f` and its Jacobian-vector product (forward mode).

    primals, tangents : sequences of equal structure; each tangent has its primal's shape.
    Returns `(out, tangent_out)`.

    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    """
    call = _Call("jvp", f, primals)
    given = leaves(list(tangents))
    if len(given) != len(call.given):
        raise GradientError(
            f"jvp: {len(call.given)} primals and {len(given)} tangents; give one tangent for each primal."
        )
    directions = []
    for x, t in zip(call.inputs, given, strict=True):
        directions.append(cotangent("jvp", x, t, isinstance(t, Handle)))
    connected = call.connected(*leaves(call.out)) or _recorded(given)

    def tangent(out: Any) -> Any:
        if not isinstance(out, Handle) or out.node is None:
            return backend_of(unwrap(out)).xp.zeros_like(unwrap(out))
        pushed = _Linearised(call, out).push(directions, create_graph=connected)
        pushed = pushed if isinstance(pushed, Handle) else wrap(as_array(pushed), None)
        return call.like_output(pushed, connected)

    tangent_out = map_leaves(tangent, call.out)
    return map_leaves(lambda out: call.like_output(out, connected), call.out), tangent_out


def jacobian(f: Callable, argnum: int = 0, *, mode: str | None = None, chunk_size: int | None = None) -> Callable:
    """The function that returns the Jacobian of `f` with respect to one array argument.

    f : a function with one array as its result.
    mode : `"reverse"` computes rows, `"forward"` columns; by default whichever are fewer.
    chunk_size : how many rows or columns are computed at once, all by default; fewer need less memory.
    Returns an array of shape `out.shape + x.shape`.

    Where derivative rules of `f` look at values, rows follow one another, and a LoopWarning says so.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in (None, "forward", "reverse"):
        raise GradientError(f"jacobian: mode is {mode!r}; it must be 'forward', 'reverse' or None.")
    if chunk_size is not None and chunk_size < 1:
        raise GradientError(f"jacobian: chunk_size is {chunk_size}; it must be at least 1.")

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacobian", *_restricted("jacobian", f, args, kwargs, (argnum,)))
        if len(call.inputs) != 1 or len(leaves(call.out)) != 1 or not hasattr(call.out, "shape"):
            raise GradientError("jacobian: the function must take and return one array; use vjp or jvp for more.")
        x, out = call.inputs[0].data, unwrap(call.out)
        shape = tuple(out.shape) + tuple(x.shape)
        if not isinstance(call.out, Handle) or call.out.node is None or 0 in shape:
            return call.like_inputs([zeros(shape, dtype=x.dtype, device=backend_of(x).device_of(x)).data])[0]
        connected = call.connected(call.out)
        forward = mode == "forward" or (mode is None and out.size > x.size)
        line, space = _line(call, forward, connected), x if forward else out
        with backend_of(space).on(space):
            lines = _along_basis(line, space, -1 if forward else 0, chunk_size)
        return call.like_inputs([reshape(lines, shape)])[0]

    return differentiated


def _line(call: _Call, forward: bool, connected: bool) -> Callable:
    """The function from a unit vector to the row, or column, of the Jacobian that belongs to it."""
    x = call.inputs[0].data
    if forward:
        linear = _Linearised(call, call.out)
        return lambda e: linear.push([e], create_graph=connected)

    def row(e: Any) -> Any:
        e = wrap(e, None) if connected else e
        found = call.gradients(call.out, e, create_graph=connected, retain_graph=True)[0]
        return backend_of(x).xp.zeros_like(x) if found is None else found

    return row


def _along_basis(line: Callable, space: Any, axis: int, chunk_size: int | None) -> Any:
    """`line(e)` of every unit vector e of the space in which `space` lies, joined along a new first or last axis."""
    cls = batched_class(backend_of(space))
    xp, n = cls.backend.xp, space.size
    chunks = []
    for start in range(0, n, chunk_size or n):
        places = xp.reshape(xp.arange(start, min(n, start + (chunk_size or n))), (-1, 1))
        units = xp.reshape(xp.astype(xp.arange(n) == places, space.dtype), (places.shape[0], *space.shape))
        level = next_birth()
        try:
            found = line(enter(cls, units, 0, level))
        except BatchError as error:
            warnings.warn(f"jacobian: one row or column after another, since {error}", LoopWarning, stacklevel=4)
            chunks.append(stack([line(units[i, ...]) for i in range(places.shape[0])], axis=axis))
            continue
        chunks.append(leave(cls, found, len(found.shape) if axis else 0, level, places.shape[0]))
    return chunks[0] if len(chunks) == 1 else concat(chunks, axis=axis)


def hessian(f: Callable, argnum: int = 0) -> Callable:
    """The function that returns the Hessian of a scalar function, an array of shape `x.shape + x.shape`.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnum), argnum)


def hvp(f: Callable, primal: Any, vector: Any) -> Any:
    """The product of the Hessian of a scalar function with a vector, at the cost of a few gradients.

    primal, vector : arrays of equal shape, or equal nested structures of them.

    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    directions = leaves(vector)
    for x, v in zip(leaves(primal), directions, strict=True):
        if tuple(getattr(x, "shape", ())) != tuple(getattr(v, "shape", ())):
            raise GradientError(
                f"hvp: the vector has shape {tuple(getattr(v, 'shape', ()))} and the primal "
                f"{tuple(getattr(x, 'shape', ()))}; they must be equal."
            )

    def slope(x: Any) -> Any:
        parts = [sum(g * v) for g, v in zip(leaves(grad(f)(x)), directions, strict=True)]
        return functools.reduce(add, parts)

    return grad(slope)(primal)


def gauss_newton_product(f: Callable, loss: Callable, primal: Any, vector: Any) -> Any:
    """The product of the Gauss-Newton matrix J^T H J of `loss(f(x))` with a vector.

    f : a function from one array to one array, with Jacobian J at the primal.
    loss : a scalar function of f's result, with Hessian H there.
    primal, vector : arrays of equal shape.

    Source: N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, 2002.

    >>> residuals = lambda x: x * x - np.array([1.0, 4.0])
    >>> gauss_newton_product(residuals, lambda r: (r * r).sum() / 2, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 4., 16.])
    """
    out, tangent = jvp(f, (primal,), (vector,))
    return vjp(f, primal)[1](hvp(loss, out, tangent))[0]
