"""Tensors where NumPy asks for an array or Python for a number: only what requires no gradient leaves unasked."""

from __future__ import annotations

import sys
from opcode import opmap
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.errors import GradientError
from ..core.graph import Handle

__all__ = ["array", "number"]

_STORE = opmap["STORE_SUBSCR"]


def array(tensor: Handle, dtype: Any, copy: bool | None) -> numpy.ndarray:
    """The data for NumPy, which asks when it makes an array of a Tensor or of a list of them.

    GradientError if a gradient is required.
    """
    if tensor.node is not None:
        raise GradientError(
            "numpy.asarray: this tensor requires a gradient, which NumPy would lose; use .detach().numpy(). To make "
            "one tensor of a list of them, use np.stack([...])."
        )
    return numpy.array(backend_of(tensor.data).to_numpy(tensor.data), dtype=dtype, copy=copy)


def number(tensor: Any) -> Any:
    """The only element as a Python number, for `float(t)` and whatever else asks a Tensor for one.

    ShapeError if there are more. GradientError for `array[i] = t` into an array of NumPy's if t requires a gradient:
    NumPy asks for a number there, and the gradient would be lost without a word. All that is known of who asks is the
    instruction that the calling frame is at. So `float(t)`, `math.sin(t)` and `array.fill(t)` cannot be told apart;
    they are calls, and give numbers.
    """
    if tensor.node is not None:
        frame = sys._getframe(2)
        if frame.f_code.co_code[frame.f_lasti] == _STORE:
            raise GradientError(
                "array[i] = t: t requires a gradient, which would be lost in an array that is no Tensor. Use t.item() "
                "if only the number is wanted; else make the array a Tensor first, with tinygrad_lite.tensor(array)."
            )
    return tensor.item()
