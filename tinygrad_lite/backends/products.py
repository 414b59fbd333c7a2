"""Matrix products of NumPy's arrays: machine code of the package's own where there is some, else NumPy's.

The threads of the library behind NumPy's products spin for some 20 ms after each and compete with those that work on
other operations; machine code is shared by the threads that do these, too. What it cannot do better stays NumPy's:
vectors, very small and very large matrices, other dtypes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy
from numpy import ndarray

from ..machine import MachineCode

__all__ = ["Products", "in_items", "matmul", "own_code"]


class Products:
    """Between how many multiplications of numbers machine code is taken.

    least : NumPy's call takes 1 us less. most : above, OpenBLAS takes 0.8 to 0.95 of the time; below, its threads would
        take more from what comes next: with large products left to it, a step of a large MLP takes 1.2 of the time.
    shared : from which on threads share a product.
    rows, columns : the most of an item, which is what a thread takes at a time.
    """

    least, most, shared = 1 << 12, (1 << 30) - 1, 1 << 18
    rows, columns = 192, 128


_KINDS = {numpy.dtype("float32"), numpy.dtype("float64")}


def matmul(x: Any, y: Any, /, out: Any = None) -> Any:
    """The matrix product x y, as NumPy's; rows of `out` are contiguous."""
    code = own_code(x, y)
    if code is None:
        return numpy.matmul(x, y, out=out)
    if x.ndim > 2 or y.ndim > 2:
        if max(x.size * y.shape[-1], y.size * x.shape[-2]) >= Products.shared:
            _ready()
        return code(x, y, out=out)
    return in_items(code, x, y, (), out)


def own_code(x: Any, y: Any, shifted: bool = False) -> Any:
    """The generalized ufunc for the product of such matrices, or also for what is added to its rows; None for those
    that NumPy multiplies."""
    if type(x) is not ndarray or type(y) is not ndarray or x.ndim < 2 or y.ndim < 2:
        return None
    dtype, (m, k), n = x.dtype, x.shape[-2:], y.shape[-1]
    if not Products.least <= m * n * k <= Products.most or m < 4 or n < 4 or dtype != y.dtype or dtype not in _KINDS:
        return None
    return _code(dtype, shifted) if MachineCode.wanted and k == y.shape[-2] else None


def in_items(code: Any, x: ndarray, y: ndarray, row: tuple[ndarray, ...], out: Any = None) -> ndarray:
    """What the code gives for two matrices, and perhaps a row, as items that threads share."""
    (m, k), n = x.shape, y.shape[1]
    if m * n * k < Products.shared:
        return code(x, y, *row, out=out)
    _ready()
    if out is None:
        out = numpy.empty((m, n), x.dtype)
    parts, by_rows = _parts(m, n)
    if by_rows:
        most = m // parts
        whole = parts * most
        code(x[:whole].reshape(parts, most, k), y, *row, out=out[:whole].reshape(parts, most, n))
        if whole < m:
            code(x[whole:], y, *row, out=out[whole:])
        return out
    most = n // parts
    whole = parts * most
    items = y[:, :whole].reshape(k, parts, most).transpose(1, 0, 2)
    rows = [added[:whole].reshape(parts, most) for added in row]
    code(x, items, *rows, out=out[:, :whole].reshape(m, parts, most).transpose(1, 0, 2))
    if whole < n:
        code(x, y[:, whole:], *[added[whole:] for added in row], out=out[:, whole:])
    return out


@lru_cache(1 << 10)
def _parts(m: int, n: int) -> tuple[int, bool]:
    """Into how many items a product is cut, and whether by rows: an even number without rest, if there is one."""
    by_rows = m >= Products.rows or m >= n
    length, most, step = (m, Products.rows, 6) if by_rows else (n, Products.columns, 16)
    fewest = max(-(-length // most), 2)
    fewest += fewest % 2
    for parts in range(fewest, 2 * fewest + 8, 2):
        if length % (parts * step) == 0:
            return parts, by_rows
    for parts in range(fewest, 2 * fewest + 8, 2):
        if length % parts == 0:
            return parts, by_rows
    return fewest, by_rows


@cache
def _code(dtype: numpy.dtype, shifted: bool) -> Any:
    """The generalized ufunc, or None."""
    from ..machine.products import product_ufunc  # on demand, as all that writes machine code
    from ..machine.sequences import shifted_product_ufunc

    return (shifted_product_ufunc if shifted else product_ufunc)(dtype, Products.shared)


def _ready() -> None:
    from ..machine.team import assemble

    assemble()
