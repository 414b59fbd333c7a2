"""Limited-memory BFGS."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from itertools import accumulate, pairwise
from typing import Any

from ..core.backend import backend_of
from ..core.effects import active_capture
from ..core.errors import CaptureError, DTypeError
from ..core.graph import enable_grad, note_write, unwrap
from ..ops.creation import to_array
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer
from .saved import check_saved

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last changes of parameters and gradients: w <- w - t * H g.

    H, the inverse of an approximate Hessian matrix, is never formed; it comes from the last `history_size` changes.
    For whole data sets: the loss must not change from evaluation to evaluation. `step(closure)` takes up to `max_iter`
    steps and returns the loss before them. The gradient of a parameter that has none counts as 0.

    params : as for `Optimizer`, in one group, of one dtype and device.
    lr : step length t, or with a line search the first that is tried; the first of all steps is shorter.
    max_iter, max_eval : most steps and evaluations in one `step`; max_eval is 1.25 max_iter by default.
    tolerance_grad : stop when no element of the gradient is larger.
    tolerance_change : stop when the loss, or every parameter, changes by less.
    history_size : how many changes are kept.
    line_search_fn : "strong_wolfe" for step lengths found by a search, or None.

    Raises CaptureError in a captured step, since it looks at the values of losses.

    Source: J. Nocedal, S. Wright, Numerical optimization, 2006, algorithms 7.4 and 7.5; in the form of
    `torch.optim.LBFGS`.

    >>> w = nn.Parameter([-1.5, 2.0])
    >>> optimizer = optim.LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")
    >>> def rosenbrock():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(rosenbrock)
    >>> w.detach().numpy().round(3)
    array([1., 1.], dtype=float32)
    """

    elementwise = False

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        own = {"max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        own |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        self._forget()
        super().__init__(params, lr, **own, history_size=history_size, line_search_fn=line_search_fn)
        del self.defaults["maximize"], self.param_groups[0]["maximize"]
        self._check_kinds()

    def _check_kinds(self) -> None:
        if len({(flat.device, str(flat.dtype)) for flat in self.groups}) > 1:
            kinds = sorted({f"{flat.dtype} on {flat.device}" for flat in self.groups})
            raise DTypeError(f"LBFGS: the parameters are {', '.join(kinds)}; all must be of one dtype and device.")

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        if hyper["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn is {hyper['line_search_fn']!r}; it must be 'strong_wolfe' or None."
            )
        for name in ("max_iter", "history_size"):
            if not hyper[name] >= 1:
                raise ValueError(f"LBFGS: {name} is {hyper[name]}; it must be at least 1.")

    def add_param_group(self, group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: there is more than one parameter group; it needs all parameters in one.")
        super().add_param_group(group)

    def _forget(self) -> None:
        self._numbers: dict[str, Any] = {"n_iter": 0, "func_evals": 0, "t": 1.0, "H_diag": 1.0, "prev_loss": 0.0}
        self._direction: Any = None
        self._gradient: Any = None
        self._changes: list[tuple[Any, Any, float]] = []
        """Changes of the gradient and of the parameters, and 1 over their product; the oldest first."""

    # The parameters as one vector, `(n,)`

    def _joined(self, parts: list[Any]) -> Any:
        return backend_of(parts[0]).xp.concat(parts)

    def _split(self, vector: Any) -> list[Any]:
        """The part of a vector that belongs to each buffer."""
        bounds = [0, *accumulate(flat.bounds[-1] for flat in self.groups)]
        return [vector[a:b] for a, b in pairwise(bounds)]

    def _put(self, vector: Any) -> None:
        for flat, part in zip(self.groups, self._split(vector), strict=True):
            flat.data[...] = part
            flat.show()
            note_write(flat.shown)

    # Stepping

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> Any:
        """Take up to `max_iter` steps; returns the loss before them.

        closure : sets the gradients anew and returns the loss; called for every evaluation.
        """
        if active_capture.get() is not None:
            raise CaptureError("jit: LBFGS.step looks at the values of losses; do not capture it.")
        if closure is None:
            raise TypeError(
                "LBFGS.step: there is no closure; give a function that sets gradients and returns the loss."
            )
        hyper, numbers = self.param_groups[0].hyper, self._numbers
        first, loss, gradient = self._evaluate(closure)
        evaluations = 1
        if _largest(gradient) <= hyper["tolerance_grad"]:
            return first
        for n in range(1, hyper["max_iter"] + 1):
            numbers["n_iter"] += 1
            self._remember(gradient, hyper["history_size"])
            self._gradient, numbers["prev_loss"] = gradient, loss
            slope = _dot(gradient, self._direction)
            length = hyper["lr"]
            if numbers["n_iter"] == 1:
                length *= min(1.0, 1.0 / _number(backend_of(gradient).xp.sum(abs(gradient))))
            numbers["t"] = length
            if slope > -hyper["tolerance_change"]:
                break
            before, position = loss, self._joined([flat.data for flat in self.groups])
            if hyper["line_search_fn"] is not None:
                start = Point(0.0, loss, gradient, slope)
                most = hyper["max_eval"] - evaluations
                at = functools.partial(self._at, closure, position)
                (length, loss, gradient, _), tried = strong_wolfe(
                    at, start, length, _largest(self._direction), tolerance=hyper["tolerance_change"], most=most
                )
                evaluations += tried
                numbers["t"] = length
                self._put(position + length * self._direction)
            else:
                self._put(position + length * self._direction)
                if n < hyper["max_iter"]:
                    _, loss, gradient = self._evaluate(closure)
                    evaluations += 1
            if (
                evaluations >= hyper["max_eval"]
                or _largest(gradient) <= hyper["tolerance_grad"]
                or _largest(length * self._direction) <= hyper["tolerance_change"]
                or abs(loss - before) < hyper["tolerance_change"]
            ):
                break
        return first

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, Any]:
        """The loss, also as a number, and the gradient where the parameters are."""
        if self.param_groups[0].take_in():
            self._follow()
        with enable_grad():
            loss = closure()
        self._numbers["func_evals"] += 1
        return loss, float(loss), self._joined([flat.gradient() for flat in self.groups])

    def _follow(self) -> None:
        """Move the vectors to where the parameters were moved."""
        self._check_kinds()
        device = self.groups[0].device
        if self._direction is not None:
            self._direction = to_array(self._direction, device=device)
            self._gradient = to_array(self._gradient, device=device)
        self._changes = [
            (to_array(change, device=device), to_array(moved, device=device), inverse)
            for change, moved, inverse in self._changes
        ]

    def _at(self, closure: Callable[[], Any], position: Any, length: float) -> Point:
        self._put(position + length * self._direction)
        _, loss, gradient = self._evaluate(closure)
        return Point(length, loss, gradient, _dot(gradient, self._direction))

    def _remember(self, gradient: Any, history_size: int) -> None:
        """Take up the last step into what is known of H, and find the direction -H g."""
        if self._gradient is not None:
            change, moved = gradient - self._gradient, self._numbers["t"] * self._direction
            product = _dot(change, moved)
            if product > 1e-10:
                self._changes = [*self._changes, (change, moved, 1 / product)][-history_size:]
                self._numbers["H_diag"] = product / _dot(change, change)
        direction, shares = -gradient, []
        for change, moved, inverse in reversed(self._changes):
            shares.append(_dot(moved, direction) * inverse)
            direction = direction - shares[-1] * change
        direction = self._numbers["H_diag"] * direction
        for (change, moved, inverse), share in zip(self._changes, reversed(shares), strict=True):
            direction = direction + (share - _dot(change, direction) * inverse) * moved
        self._direction = direction

    # State

    def state_dict(self) -> dict[str, Any]:
        """As of every optimizer, with the parts of the vectors by parameter; their numbers are under `"search"`."""
        saved = super().state_dict()
        vectors = {}
        if self._direction is not None:
            vectors = {"d": [self._direction], "prev_flat_grad": [self._gradient]}
        if self._changes:
            vectors |= {"old_dirs": [c[0] for c in self._changes], "old_stps": [c[1] for c in self._changes]}
        for key, held in vectors.items():
            parts = [self._split(vector) for vector in held]
            for k, flat in enumerate(self.groups):
                views = [flat.views(part[k]) for part in parts]
                for i, name in enumerate(flat.names):
                    saved["state"][name][key] = backend_of(held[0]).xp.stack([view[i] for view in views])
        saved["search"] = {**self._numbers, "ro": [change[2] for change in self._changes]}
        return saved

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        check_saved(self, saved)
        search, names = saved["search"], [name for flat in self.groups for name in flat.names]
        for group, other in zip(self.param_groups, saved["param_groups"], strict=True):
            group |= {name: value for name, value in other.items() if name != "params"}
        self._forget()
        self._numbers |= {name: search[name] for name in self._numbers}
        flat = self.groups[0]

        def vectors(key: str) -> list[Any]:
            parts = [to_array(unwrap(saved["state"][name][key]), dtype=flat.kept, device=flat.device) for name in names]
            return [self._joined([part[i].reshape(-1) for part in parts]) for i in range(len(parts[0]))]

        if "d" in saved["state"][names[0]]:
            (self._direction,), (self._gradient,) = vectors("d"), vectors("prev_flat_grad")
        if search["ro"]:
            self._changes = list(zip(vectors("old_dirs"), vectors("old_stps"), search["ro"], strict=True))


def _dot(x: Any, y: Any) -> float:
    return _number(backend_of(x).xp.matmul(x, y))


def _largest(x: Any) -> float:
    return _number(backend_of(x).xp.max(abs(x))) if x.size else 0.0


def _number(value: Any) -> float:
    """The value of an array `()`, on which the next step depends: from a device it is copied."""
    return float(backend_of(value).to_numpy(value))
