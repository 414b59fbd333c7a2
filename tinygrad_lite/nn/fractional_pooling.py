"""Pooling layers whose windows lie at random."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..core.op import Array
from .module import Module

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Sizes = int | tuple[int, ...]
Ratios = float | tuple[float, ...]


class FractionalMaxPool2d(Module):
    """Maxima of windows whose distances vary at random, of images `(n, c, h, w)`; see `fractional_max_pool2d`.

    kernel_size : of the windows. output_size, or output_ratio between 0 and 1 : how large the result is.
    return_indices : also give the places of the maxima, for `MaxUnpool2d`.
    rng : the generator to draw from; the default generator if None.

    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(np.ones((1, 3, 10, 10))).shape
    (1, 3, 7, 7)
    """

    operation: ClassVar[Any] = staticmethod(ops.fractional_max_pool2d)
    with_indices: ClassVar[Any] = staticmethod(ops.fractional_max_pool2d_with_indices)

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Array | None = None,
        *,
        rng: Any = None,
    ) -> None:
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices, self.rng = return_indices, rng
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, x: Array) -> Any:
        samples = self._random_samples
        if samples is not None and len(x.shape) == 4:
            samples = samples[..., ::-1]  # PyTorch has those of images as (width, height), of volumes in their order
        return (type(self).with_indices if self.return_indices else type(self).operation)(
            x,
            samples,
            kernel_size=self.kernel_size,
            output_size=self.output_size,
            output_ratio=self.output_ratio,
            rng=self.rng,
        )


class FractionalMaxPool3d(FractionalMaxPool2d):
    """The same of volumes `(n, c, d, h, w)`; see `fractional_max_pool3d`. Arguments as for `FractionalMaxPool2d`.

    >>> nn.FractionalMaxPool3d(2, 3)(np.ones((1, 3, 8, 8, 8))).shape
    (1, 3, 3, 3, 3)
    """

    operation = staticmethod(ops.fractional_max_pool3d)
    with_indices = staticmethod(ops.fractional_max_pool3d_with_indices)
