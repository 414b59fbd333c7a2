"""Derivatives against finite differences: `check_gradients` for any function, `check_op` for a declared operation."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autodiff.transforms import jvp, vjp
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, GradientError
from ..core.graph import as_array, no_grad, unwrap
from ..core.op import Op
from ..core.tree import leaves, unflatten
from ..ops.elementwise import add, multiply
from ..ops.reductions import sum as sum_of
from .differences import difference, first_step, is_kink
from .report import Comparison, GradientCheckError, GradientReport
from .values import elementwise_inputs, required_arrays, with_constants

__all__ = ["check_gradients", "check_op"]

RTOL = {"float64": 1e-6, "float32": 2e-3}
"""Relative tolerance by the coarsest dtype in the computation. A coarser one than float32 takes 16 times its eps."""

TINY = 1e-300
"""The tolerance where everything is 0."""

ABSOLUTE = 0.05
"""Absolute tolerance: this part of the relative one times the size of the function's value."""


def check_gradients(
    f: Callable,
    *inputs: Any,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    directions: int = 1,
    seed: int = 0,
    eps: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    allow_kinks: bool = False,
) -> GradientReport:
    """Compare the derivatives of `f` with central differences in float64, and return the comparisons.

    f : a function of `inputs` whose result is an array or a nested list, tuple or dict of arrays. What is compared is
        the derivative of <c, f(x)> for a random c; in order 2, of <w, gradient of <c, f(x)>> for random c and w.
    inputs : floating-point arrays, Tensors or numbers, or nested structures of them. All else is constant.
    order : the highest derivative; each is compared with differences of the one before it.
    modes : `"reverse"` (`vjp`) and `"forward"` (`jvp`).
    directions : the number of random directions for each input alone, and for all inputs jointly.
    eps : the step to begin with, relative to the input's size (its root mean square); it is halved until the
        extrapolated differences agree. By default chosen from the dtype.
    rtol, atol : tolerances; by default chosen from the coarsest floating-point dtype that occurs. float32 inputs are
        differentiated in float32, and compared with differences in float64.
    allow_kinks : accept kinks among the inputs, where nothing can be compared. The report names them.

    Raises GradientCheckError, an AssertionError, if a derivative is wrong or could not be compared. Raises
    GradientError if nothing is differentiable or `f` is not deterministic.

    >>> report = check_gradients(lambda x, y: x * exp(y), np.array([1.0, 2.0]), np.array([0.5]))
    >>> report.ok, len(report.rows)
    (True, 12)
    """
    unknown = set(modes) - {"reverse", "forward"}
    if unknown:
        raise GradientError(f"check_gradients: unknown mode {unknown.pop()!r}; modes are 'reverse' and 'forward'.")
    check = _Check(f, inputs, np.random.default_rng(seed))
    rows = []
    with np.errstate(all="ignore"):  # an infinite or NaN derivative is in the report
        for k in range(1, order + 1):
            rows += check.compare(k, modes, directions, eps, rtol, atol)
    report = GradientReport(check.name, rows)
    if any(row.verdict != "kink" or not allow_kinks for row in report.failures):
        raise GradientCheckError(report)
    return report


class _Check:
    """A function of arrays made into scalar functions, one per order, and the directions to differentiate along."""

    def __init__(self, f: Callable, inputs: Sequence[Any], rng: np.random.Generator) -> None:
        self.f, self.inputs, self.rng = f, inputs, rng
        named = f.func if isinstance(f, functools.partial) else f
        self.name = getattr(named, "__name__", type(named).__name__)
        given = [_array(value) for value in leaves(inputs)]
        self.given = given
        self.where = [i for i, value in enumerate(given) if _differentiable(value)]
        if not self.where:
            raise DTypeError(f"check_gradients: {self.name} got no floating-point input to differentiate by.")
        self.labels = [_labels(f, inputs)[i] for i in self.where]
        self.primals = [given[i] for i in self.where]
        self.doubles = [_cast(value, "float64") for value in self.primals]
        self.sizes = [_size(value) for value in self.doubles]
        self.cotangents: list[np.ndarray] = []
        self.dtype = _coarsest([*self.primals, *self._outputs(self.primals)])
        self.difference_dtype = _coarsest(self._outputs(self.doubles))
        self.functions: list[Callable] = [self._contracted]
        with no_grad():
            once, again = (float(self._contracted(*self.doubles)) for _ in range(2))
        if not (once == again or (math.isnan(once) and math.isnan(again))):
            raise GradientError(
                f"check_gradients: {self.name} returned two different results for the same inputs; random numbers "
                f"must come from a generator that is created, with its seed, inside the function."
            )

    def _outputs(self, primals: Sequence[Any]) -> list[Any]:
        """The floating-point arrays that the function returns."""
        values = list(self.given)
        for i, value in zip(self.where, primals, strict=True):
            values[i] = value
        out = leaves(self.f(*unflatten(tuple(self.inputs), iter(values))))
        found = [value for value in out if _differentiable(_array(value))]
        if not found:
            raise DTypeError(f"check_gradients: {self.name} returned no floating-point array to differentiate.")
        return found

    def _contracted(self, *primals: Any) -> Any:
        """<c, f(x)>, summed over the outputs."""
        outputs = self._outputs(primals)
        while len(self.cotangents) < len(outputs):
            self.cotangents.append(self.rng.standard_normal(tuple(outputs[len(self.cotangents)].shape)))
        return _inner(outputs, [_like(c, out) for c, out in zip(self.cotangents, outputs, strict=True)])

    def function(self, order: int) -> Callable:
        """The scalar function whose derivative is compared at `order`: <w, gradient of the one before>."""
        while len(self.functions) < order:
            self.functions.append(self._slope(self.functions[-1]))
        return self.functions[order - 1]

    def _slope(self, before: Callable) -> Callable:
        weights = self._direction(range(len(self.primals)))

        def slope(*primals: Any) -> Any:
            gradients = vjp(before, *primals)[1](1.0)
            return _inner(gradients, [_like(w, g) for w, g in zip(weights, gradients, strict=True)])

        return slope

    def _direction(self, moving: Sequence[int]) -> list[np.ndarray]:
        """A random direction, of the inputs' size for the inputs in `moving` and 0 for the others."""
        found = []
        for i, value in enumerate(self.doubles):
            shape = tuple(value.shape)
            vector = np.asarray(self.rng.standard_normal(shape) if i in moving else np.zeros(shape))
            norm = float(np.sqrt((vector * vector).sum()))
            # Rounded to float32, so that a float32 derivative and the differences move along the same line.
            found.append((vector * (self.sizes[i] / norm if norm else 0.0)).astype("float32").astype("float64"))
        return found

    def compare(
        self,
        order: int,
        modes: Sequence[str],
        directions: int,
        eps: float | None,
        rtol: float | None,
        atol: float | None,
    ) -> list[Comparison]:
        """All comparisons of one order."""
        function = self.function(order)
        value, pull = vjp(function, *self.primals)
        gradients = [_host(g) for g in pull(1.0)]
        rtol = rtol if rtol is not None else RTOL.get(self.dtype) or 16 * float(np.finfo(self.dtype).eps)
        base = atol if atol is not None else ABSOLUTE * rtol * np.nan_to_num(abs(float(_host(value))), posinf=0.0)
        alone = [((i,), label) for i, label in enumerate(self.labels)]
        jointly = [(tuple(range(len(self.labels))), "all")] if len(self.labels) > 1 else []
        rows = []
        for (moving, label), number in itertools.product(alone + jointly, range(directions)):
            direction = self._direction(moving)
            parts = [gradients[i] * direction[i] for i in moving]
            got = {"reverse": float(sum(part.sum() for part in parts))}
            if "forward" in modes:
                tangents = tuple(_like(d, x) for d, x in zip(direction, self.primals, strict=True))
                got["forward"] = float(_host(jvp(function, tuple(self.primals), tangents)[1]))
            # Terms may cancel: rounding errors are relative to the sum of their absolute values.
            scale = float(sum(np.abs(part).sum() for part in parts))
            scale = scale if math.isfinite(scale) else 0.0
            line = self._line(function, direction)
            step = eps if eps is not None else first_step(self.difference_dtype)
            found = difference(line, step, (base + rtol * scale) / 100)
            tolerance = max(base + rtol * max(scale, abs(found.value)), TINY)
            for mode in modes:
                error = abs(got[mode] - found.value)
                good = found.error <= tolerance and error <= tolerance + found.error
                verdict = "ok" if good else self._verdict(line, found.error <= tolerance, step)
                rows.append(Comparison(label, number, order, mode, found.value, got[mode], error, tolerance, verdict))
        return rows

    def _line(self, function: Callable, direction: list[np.ndarray]) -> Callable[[float], float]:
        """The function along a line through the inputs, computed in float64."""

        def line(t: float) -> float:
            moved = [as_array(x + _like(t * d, x)) for x, d in zip(self.doubles, direction, strict=True)]
            with no_grad():
                return float(_host(function(*moved)))

        return line

    def _verdict(self, line: Callable[[float], float], converged: bool, step: float) -> str:
        noise = float(np.finfo(self.difference_dtype).eps) * abs(line(0.0))
        if not converged and not (math.isfinite(line(step)) and math.isfinite(line(-step))):
            return "undefined"
        if is_kink(line, step, noise, converged=converged):
            return "kink"
        return "wrong" if converged else "rough"


def check_op(function: Callable, *inputs: Any, order: int = 2, seed: int = 0, **statics: Any) -> list[GradientReport]:
    """Check the derivatives of a declared operation, in float64 and in float32.

    function : the operation, as `primitive` or `composite` returned it.
    inputs : arrays to check it on. An operation declared with `shapes="elementwise"` needs none: it is checked on
        arrays of several shapes (0-d, empty and broadcast ones too), inside its `domain` and away from its `kinks`.
    statics : its static arguments.
    order, seed : as for `check_gradients`.

    Raises GradientCheckError if a derivative is wrong, DTypeError if a result has another dtype than the inputs.

    >>> @primitive(x=lambda g, x: g * cos(x) * exp(sin(x)))
    ... def expsin(xp, x):
    ...     return xp.exp(xp.sin(x))
    >>> check_op(expsin)[-1].ok
    True
    """
    op: Op | None = getattr(function, "op", None)
    if op is None:
        raise DTypeError("check_op: got a function that is no declared operation; use check_gradients.")
    if not inputs and op.shapes != "elementwise":
        raise DTypeError(f"check_op: {op.name} is not elementwise; give arrays to check it on.")

    rng = np.random.default_rng(seed)
    shapes = _shapes(len(required_arrays(op)))
    samples = [inputs] if inputs else [elementwise_inputs(op, chosen, rng) for chosen in shapes]
    reports = []
    for arrays, dtype in itertools.product(samples, ("float64", "float32")):
        cast = (_cast(x, dtype) if _differentiable(x) else x for x in leaves(tuple(arrays)))
        given = unflatten(tuple(arrays), cast)
        call, moving = with_constants(op, given)
        reports.append(check_gradients(functools.partial(call, **statics), *moving, order=order, seed=seed))
        for out in leaves(function(*given, **statics)):
            if is_floating(out.dtype) and _dtype_name(out) != dtype:
                raise DTypeError(f"{op.name}: {dtype} inputs gave a result of dtype {out.dtype}; it must be {dtype}.")
    return reports


def _shapes(n: int) -> list[list[tuple[int, ...]]]:
    """Shapes for `n` arrays: equal ones, 0-d, empty, and each pattern of broadcasting once."""
    stretched = [(3, 1), (2,), (1, 1), ()]
    forward, backward = ([order[i % 4] for i in range(n)] for order in (stretched, stretched[::-1]))
    return [[(2, 3)] * n, [()] * n, [(0, 2)] * n, forward, backward]


def _array(value: Any) -> Any:
    """A number as a float64 array, a Tensor as its array, anything else as it is."""
    if isinstance(value, float):
        return np.asarray(value, dtype="float64")
    value = unwrap(value)
    return as_array(value) if hasattr(value, "dtype") else value


def _differentiable(value: Any) -> bool:
    value = unwrap(value)
    return hasattr(value, "dtype") and is_floating(value.dtype)


def _cast(array: Any, dtype: str) -> Any:
    return backend_of(array).asarray(backend_of(array).xp.astype(array, getattr(backend_of(array).xp, dtype)))


def _host(array: Any) -> np.ndarray:
    """The array, or number, in main memory and float64."""
    array = unwrap(array)
    return np.asarray(backend_of(array).to_numpy(array) if hasattr(array, "shape") else array, dtype="float64")


def _like(values: np.ndarray, other: Any) -> Any:
    """NumPy values as an array of the backend and dtype of `other`."""
    other = unwrap(other)
    return backend_of(other).asarray(np.asarray(values), dtype=other.dtype)


def _inner(arrays: Sequence[Any], weights: Sequence[Any]) -> Any:
    """The sum over all arrays of all elements, weighted."""
    terms = [sum_of(multiply(array, weight)) for array, weight in zip(arrays, weights, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    return total


def _size(array: Any) -> float:
    """The root mean square of the finite values, or 1 if there are none or all are 0."""
    values = _host(array)
    values = values[np.isfinite(values)]
    size = float(np.sqrt(np.mean(values * values))) if values.size else 0.0
    return size if size > 0 else 1.0


def _dtype_name(array: Any) -> str:
    return str(unwrap(array).dtype).rpartition(".")[2]


def _coarsest(arrays: Sequence[Any]) -> str:
    """The name of the floating-point dtype with the largest eps among the arrays'."""
    return max((_dtype_name(array) for array in arrays), key=lambda name: np.finfo(name).eps)


def _labels(f: Callable, inputs: Sequence[Any]) -> list[str]:
    """A name for each leaf of the inputs: the parameter's, with a number if the argument is a structure."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][: len(inputs)]
    names += [f"input {i}" for i in range(len(names), len(inputs))]
    labels = []
    for name, value in zip(names, inputs, strict=True):
        structured = isinstance(value, (list, tuple, dict))
        labels += [f"{name}[{k}]" if structured else name for k in range(len(leaves(value)))]
    return labels
