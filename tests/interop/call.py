"""A call of a NumPy function, and arrays that calls are made with."""

from collections.abc import Callable

import numpy as np

__all__ = ["CHOSEN", "ODD", "ODD_NAN", "ROWS", "T3", "Case", "M", "S", "V", "case", "spd", "written"]


class Case:
    """A call of the NumPy function `name` on arrays of the given shapes, whose values lie in `low` to `high`."""

    def __init__(self, name: str, call: Callable, *shapes: tuple, low: float = 0.3, high: float = 0.9) -> None:
        self.name, self.call = name, call
        rng = np.random.default_rng(len(name))
        self.arrays = [rng.uniform(low, high, shape) for shape in shapes]


def case(name: str, call: Callable, *shapes: tuple, **limits: float) -> Case:
    return Case(name, call, *shapes, **limits)


M, V, S, T3 = (3, 4), (4,), (3, 3), (2, 3, 4)

ODD_NAN = np.where(np.arange(12).reshape(3, 4) % 5 == 2, np.nan, 0.0)
CHOSEN = np.array([[True, False, True, True], [True, True, False, True], [False, True, True, True]])
ODD = np.array([0.0, np.nan, np.inf, -np.inf])


ROWS = np.array([[1], [0], [3]])


def written(write):
    """A function of the arrays from one that writes into the first of them."""

    def call(x, *values):
        x = x.copy() if isinstance(x, np.ndarray) else +x
        write(x, *values)
        return x

    return call


def spd(x):
    return np.matmul(x, np.swapaxes(x, -1, -2)) + 2 * np.eye(3)
