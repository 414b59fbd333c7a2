"""The operation that NumPy calls otherwise, or that it has not: which of ours is meant, and which is nearest."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from .. import ops
from ..core.errors import DTypeError
from ..core.registry import OPS

__all__ = ["find", "no_counterpart", "ours", "refuse"]

RENAMED = {
    "absolute": "abs", "amax": "max", "amin": "min", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "around": "round",
    "concatenate": "concat", "conjugate": "conj", "expit": "sigmoid",
    "fix": "trunc", "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "log_expit": "logsigmoid",
    "psi": "digamma", "right_shift": "bitwise_right_shift", "rint": "round", "transpose": "permute_dims",
}  # fmt: skip
"""NumPy's and SciPy's names of what is called otherwise here, unless an operation has that name too."""


def find(name: str) -> Callable | None:
    """Our function for NumPy's `name`, or None. Operations declared later are found as well."""
    for candidate in (name, RENAMED.get(name, name)):
        try:
            return OPS[candidate].function
        except KeyError:
            function = getattr(ops, candidate, None)
        if isinstance(function, FunctionType):
            return function
    return None


def ours(name: str, asked: str) -> Callable:
    """Our function `name`, which NumPy's function `asked` needs. DTypeError if there is none."""
    function = find(name)
    if function is None:
        raise no_counterpart(asked)
    return function


def no_counterpart(asked: str) -> DTypeError:
    """The error for a NumPy function that nothing here corresponds to; it names the operation nearest by name."""
    import difflib  # takes milliseconds, for a message

    parts = asked.split(".")
    name = parts[-2] if parts[-1] in ("accumulate", "at", "outer", "reduce", "reduceat") else parts[-1]
    known = {candidate for candidate, op in OPS.items() if op.body.__module__.startswith("tinygrad_lite.ops")}
    close = difflib.get_close_matches(RENAMED.get(name, name), sorted(known), n=1, cutoff=0.6)
    nearest = f"The nearest in tinygrad_lite is {close[0]}. " if close else ""
    return DTypeError(
        f"{asked}: Tensors have no differentiable counterpart of it. {nearest}Where no gradient is needed, give it "
        f"x.detach().numpy()."
    )


def refuse(asked: str, argument: str, value: Any = None) -> DTypeError:
    """The error for an argument that our counterpart of a NumPy function does not have."""
    if argument == "out":
        return DTypeError(
            f"{asked}: got out=; an array that is overwritten loses its derivatives. Leave it out and use the result."
        )
    if argument == "where":
        return DTypeError(
            f"{asked}: got where=; Tensors do not take it. Choose the elements with np.where(condition, x, 0) before."
        )
    shown = f"={value!r}" if isinstance(value, (bool, int, float, str)) else ""
    return DTypeError(
        f"{asked}: got the argument {argument}{shown}, which Tensors do not take. Leave it out, or give "
        f"x.detach().numpy() where no gradient is needed."
    )
