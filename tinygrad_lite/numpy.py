"""NumPy as it is, but for making arrays: `import tinygrad_lite.numpy as np` in a program written for NumPy.

NumPy's functions take Tensors also when they are imported from NumPy itself. Only `np.array([a, b])` of Tensors cannot
be made one there, since NumPy asks nobody.
"""

from __future__ import annotations

from typing import Any

import numpy

from .interop.translation import array_of, holds_tensor, in_dtype

__all__ = ["array", "asarray"]


def array(object: Any, dtype: Any = None, **options: Any) -> Any:
    """A Tensor of nested lists with Tensors in them, else NumPy's array.

    object : what NumPy accepts, and Tensors at any depth; these are joined as by `stack`.
    dtype, options : as for `numpy.array`; with Tensors only `dtype` and `copy` are of use.

    >>> from tinygrad_lite import numpy as np
    >>> x = tensor(2.0, requires_grad=True)
    >>> np.array([x, 3 * x, 1.0])
    Tensor([2., 6., 1.], dtype=float32, requires_grad=True)
    """
    if not holds_tensor(object):
        return numpy.array(object, dtype=dtype, **options)
    return in_dtype(+array_of(object), dtype, "numpy.array")


def asarray(a: Any, dtype: Any = None, **options: Any) -> Any:
    """As `array`, but a Tensor or an array of NumPy's is returned as it is.

    >>> x = tensor([1.0, 2.0])
    >>> asarray(x) is x
    True
    """
    if not holds_tensor(a):
        return numpy.asarray(a, dtype=dtype, **options)
    return in_dtype(array_of(a), dtype, "numpy.asarray")


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)


def __dir__() -> list[str]:
    return dir(numpy)
