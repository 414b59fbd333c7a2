"""The NumPy backend: arrays in main memory, device `"cpu"`."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.backend import Backend, register_backend

__all__ = ["NumpyBackend"]


class NumpyBackend(Backend):
    """NumPy's namespace as it is; only what the Array API lacks is added."""

    name = "numpy"
    default_device = "cpu"
    xp = numpy
    array_types = (numpy.ndarray,)

    def may_share_memory(self, a: Any, b: Any) -> bool:
        return numpy.may_share_memory(a, b)

    def owns_memory(self, array: Any) -> bool:
        return array.base is None

    def scatter_add(self, target: Any, index: Any, values: Any) -> None:
        numpy.add.at(target, index, values)


register_backend(NumpyBackend())
