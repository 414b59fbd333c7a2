"""Penalties on what a model does, not on its weights: how its outputs change with its inputs, and its activations.

They go into the loss: `loss + penalty(model, x)`, or for activations `loss + penalty()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import ops
from ..autodiff.gradients import grad
from ..core.errors import ShapeError, StateError
from ..core.graph import grad_enabled, unwrap
from ..core.value import Value
from ..linalg import vector_norm
from ..nn import Module
from ..ops.random import Generator, normal
from ..tensor import Tensor
from .penalties import Penalty

__all__ = ["ActivityPenalty", "GradientPenalty", "JacobianPenalty"]


class GradientPenalty(Value):
    """strength * mean over examples of (|gradient of the outputs at the inputs|_2 - target)^2.

    target : 1 for a critic of slope 1 (Wasserstein GAN); 0 for outputs that change little.

    Called with a model and inputs (batch, ...); an example's outputs are added up.
    Source: I. Gulrajani et al., Improved training of Wasserstein GANs, 2017, arXiv:1704.00028; with target 0,
    L. Mescheder et al., Which training methods for GANs do actually converge?, 2018, arXiv:1801.04406.

    >>> from tinygrad_lite.regularizers import GradientPenalty
    >>> GradientPenalty(10.0)(lambda x: 3.0 * x, np.ones((4, 1))).item()
    40.0
    """

    def __init__(self, strength: float, target: float = 1.0) -> None:
        self.strength, self.target = strength, target

    def __call__(self, model: Callable[[Tensor], Any], x: Any) -> Tensor:
        x, out = _traced(model, x, "GradientPenalty")
        slope = grad(ops.sum(out), x, create_graph=True)
        norms = vector_norm(ops.reshape(slope, (slope.shape[0], -1)), axis=1)
        return self.strength * ops.mean((norms - self.target) ** 2)


class JacobianPenalty(Value):
    """strength / 2 * mean over examples of |J|_F^2, where J is the Jacobian of an example's outputs at its inputs.

    projections : in how many random directions of the outputs J is looked at: the estimate is right on average, and
        costs one backward pass each. None looks along every output, and is exact.
    rng : of the directions; the default generator if None.

    Called with a model and inputs (batch, ...).
    Source: J. Hoffman, D. Roberts, S. Yaida, Robust learning with Jacobian regularization, 2019, arXiv:1908.02729.

    >>> from tinygrad_lite.regularizers import JacobianPenalty
    >>> w = np.array([[1.0, 2.0], [0.0, 2.0]])
    >>> JacobianPenalty(1.0, projections=None)(lambda x: x @ w, np.ones((4, 2))).item()
    4.5
    """

    def __init__(self, strength: float, projections: int | None = 1, rng: Generator | None = None) -> None:
        self.strength, self.projections, self.rng = strength, projections, rng
        if projections is not None and projections < 1:
            raise ValueError(f"JacobianPenalty: projections is {projections}; it must be at least 1, or None.")

    def __call__(self, model: Callable[[Tensor], Any], x: Any) -> Tensor:
        x, out = _traced(model, x, "JacobianPenalty")
        out = ops.reshape(out, (out.shape[0], -1))
        count = out.shape[1]
        if self.projections is None:
            lines, scale = [out[:, i] for i in range(count)], 1.0
        else:
            lines, scale = [self._along(out) for _ in range(self.projections)], count / self.projections
        total = None
        for line in lines:
            row = grad(ops.sum(line), x, create_graph=True)
            total = ops.sum(row * row) if total is None else total + ops.sum(row * row)
        return (0.5 * self.strength * scale / x.shape[0]) * total

    def _along(self, out: Tensor) -> Tensor:
        """The outputs along a random direction for each example, uniform on the sphere."""
        direction = normal(tuple(out.shape), rng=self.rng, dtype=out.dtype, device=out.device)
        return out * (direction / vector_norm(direction, axis=1, keepdims=True))


def _traced(model: Callable[[Tensor], Any], x: Any, who: str) -> tuple[Tensor, Any]:
    """Inputs whose gradient can be asked for, and the outputs; an axis of examples is required of both."""
    x = Tensor(unwrap(x), requires_grad=True)
    out = model(x)
    if x.ndim < 2 or out.ndim < 1 or out.shape[0] != x.shape[0]:
        raise ShapeError(
            f"{who}: x is {tuple(x.shape)} and the outputs are {tuple(out.shape)}; (batch, ...) of the same batch is "
            f"required of both."
        )
    return x, out


class ActivityPenalty:
    """A penalty on the outputs of some layers, added up and divided by the number of examples.

    model : a Module. Its layers' outputs are noted from now on, by hooks, whenever gradients are recorded.
    penalty : `L1(1e-4)` for outputs that are mostly 0, or any other; its selection of parameters does not matter.
    on : kinds of modules such as `nn.ReLU`, paths, or a predicate on path and module.

    Call it without arguments, or with the model, after the forward pass; of a layer that was called several times, the
    last output counts. `remove()` takes the hooks away.

    Raises ValueError if no layer is chosen, StateError if it is called before the model.

    >>> from tinygrad_lite.regularizers import L1, ActivityPenalty
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> penalty = ActivityPenalty(model, L1(1e-3), on=nn.ReLU)
    >>> loss = mse(model(np.ones((4, 2), np.float32)), np.zeros((4, 1), np.float32)) + penalty()
    >>> loss.backward()
    """

    def __init__(self, model: Module, penalty: Penalty, on: Any) -> None:
        chosen = [(name, module) for name, module in model.named_modules() if _is_on(on, name, module)]
        if not chosen:
            names = ", ".join(name for name, _ in model.named_modules() if name)
            raise ValueError(f"ActivityPenalty: on={on!r} chooses none of the modules {names}; check it.")
        self.penalty = penalty
        self.outputs: dict[str, Tensor] = {}
        self._hooks = [module.register_forward_hook(self._noting(name)) for name, module in chosen]

    def _noting(self, name: str) -> Callable[[Module, tuple, Tensor], None]:
        def note(module: Module, args: tuple, output: Tensor) -> None:
            if grad_enabled():
                self.outputs[name] = output

        return note

    def __call__(self, model: Module | None = None) -> Tensor:
        if not self.outputs:
            raise StateError("ActivityPenalty: no outputs have been noted; call the model first, recording gradients.")
        outputs, self.outputs = self.outputs, {}
        total = None
        for output in outputs.values():
            value = self.penalty.of(output) / output.shape[0]
            total = value if total is None else total + value
        return float(self.penalty.strength) * total

    def remove(self) -> None:
        """Note no more outputs."""
        for hook in self._hooks:
            hook.remove()


def _is_on(on: Any, name: str, module: Module) -> bool:
    if isinstance(on, type):
        return isinstance(module, on)
    if isinstance(on, str):
        return name == on
    if isinstance(on, Iterable):
        return any(_is_on(each, name, module) for each in on)
    return bool(on(name, module))
