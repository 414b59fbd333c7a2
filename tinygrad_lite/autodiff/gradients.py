"""Backward passes over recorded tensors: `backward`, which adds to leaves, and `grad`, which returns gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.axes import shape_of
from ..core.backend import PYTHON_SCALARS, backend_of
from ..core.dtypes import is_complex
from ..core.effects import active_capture
from ..core.errors import GradientError
from ..core.graph import Handle, Node, unwrap, wrap
from ..core.op import Array
from ..core.sweep import sweep

__all__ = ["backward", "grad"]


def backward(
    tensor: Handle, gradient: Array | None = None, *, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add the derivative of `tensor` to the `grad` of every leaf that it depends on.

    gradient : cotangent of the tensor's shape; may be left out for a scalar, where it is 1.
    retain_graph : keep the graph for another pass; otherwise it is freed. Default: `create_graph`.
    create_graph : make the gradients differentiable themselves.

    Raises GradientError if the tensor needs no gradient, if it is not a scalar and `gradient` is missing, if the
    cotangent has another shape, or if the graph was freed.

    >>> x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.], dtype=float32)
    """
    node = require_node("backward", tensor)
    retain = create_graph if retain_graph is None else retain_graph
    roots = [(node, cotangent("backward", tensor, gradient, create_graph))]
    capture = active_capture.get()
    if capture is not None:
        capture.backward(lambda: sweep(roots, None, create_graph=create_graph, retain_graph=retain), node)
    else:
        sweep(roots, None, create_graph=create_graph, retain_graph=retain)


def grad(
    outputs: Handle | Sequence[Handle],
    inputs: Handle | Sequence[Handle],
    grad_outputs: Array | Sequence[Array | None] | None = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> Any:
    """The derivatives of `outputs` with respect to `inputs`, without touching any tensor's `grad`.

    outputs : a tensor or a sequence of them; their derivatives are added up.
    inputs : a tensor or a sequence of them, leaves or not.
    grad_outputs : cotangents of the outputs; None stands for 1 where the output is a scalar.
    Returns a Tensor for each input (one alone if `inputs` is one alone), zeros where no output depends on it.

    Raises GradientError as `backward` does, and for an input that does not require a gradient.

    >>> x = tensor(3.0, requires_grad=True)
    >>> dy = grad(x ** 3, x, create_graph=True)
    >>> dy, grad(dy, x)
    (Tensor(27., dtype=float32, requires_grad=True), Tensor(18., dtype=float32))
    """
    alone = isinstance(inputs, Handle)
    targets = [inputs] if alone else list(inputs)
    results = [outputs] if isinstance(outputs, Handle) else list(outputs)
    given = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(results)
    if len(given) != len(results):
        raise GradientError(
            f"grad: {len(results)} outputs and {len(given)} cotangents; give one for each output, or None."
        )
    nodes = [require_node("grad", target, "input") for target in targets]
    roots: list[Any] = [
        (require_node("grad", result), cotangent("grad", result, value, create_graph))
        for result, value in zip(results, given, strict=True)
    ]
    retain = create_graph if retain_graph is None else retain_graph
    found = sweep(roots, nodes, create_graph=create_graph, retain_graph=retain)
    gradients = [as_gradient(value, target) for value, target in zip(found, targets, strict=True)]
    return gradients[0] if alone else tuple(gradients)


def cotangent(op: str, output: Handle, gradient: Array | None, create_graph: bool) -> Any:
    """`gradient`, or 1 for a scalar output, as what the sweep takes; GradientError if it does not fit the output."""
    data = output.data
    if gradient is None:
        if data.shape != ():
            raise GradientError(
                f"{op}: the output has shape {tuple(data.shape)}; a derivative without a cotangent needs "
                f"a scalar. Reduce it, for example with .sum() or .mean(), or give a cotangent of its shape."
            )
        if is_complex(data.dtype):
            raise GradientError(
                f"{op}: the output is complex ({data.dtype}); a derivative without a cotangent needs a real "
                f"number. Take for example its real part or its absolute value."
            )
        gradient = backend_of(data).xp.ones_like(data)
    elif shape_of(gradient) != tuple(data.shape):
        raise GradientError(
            f"{op}: the cotangent has shape {shape_of(gradient)} and the output {tuple(data.shape)}; they must be "
            f"equal."
        )
    elif isinstance(gradient, PYTHON_SCALARS):
        gradient = backend_of(data).xp.full_like(data, gradient)
    if create_graph:
        return gradient if isinstance(gradient, Handle) else wrap(gradient, None)
    return unwrap(gradient)


def as_gradient(value: Any, target: Handle) -> Handle:
    """What the sweep found for `target` as a Tensor; zeros if nothing."""
    if isinstance(value, Handle):
        return value
    backend = backend_of(target.data)
    return wrap(backend.xp.zeros_like(target.data) if value is None else backend.asarray(value), None)


def require_node(op: str, tensor: Handle, what: str = "output") -> Node:
    """The node of a tensor that gradients reach; GradientError, with `what` it is, if they do not."""
    if not isinstance(tensor, Handle) or tensor.node is None:
        given = (
            f"a tensor of shape {tuple(tensor.data.shape)}"
            if isinstance(tensor, Handle)
            else f"a {type(tensor).__name__}"
        )
        raise GradientError(
            f"{op}: the {what} is {given} that is not connected to any gradient. Create its inputs with "
            f"requires_grad=True, and compute outside no_grad()."
        )
    return tensor.node
