"""Pooling layers, and windows as columns."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..core.op import Array
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "Fold", "LPPool1d", "LPPool2d", "LPPool3d",
    "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d",
    "MaxUnpool2d", "MaxUnpool3d", "Unfold",
]  # fmt: skip

Sizes = int | tuple[int, ...]
OutputSize = int | tuple[int | None, ...] | None


class _Windows(Module):
    """Calls `operation` with the settings of the layer."""

    operation: ClassVar[Any]

    def forward(self, x: Array) -> Array:
        settings = {
            name: value for name, value in vars(self).items() if name != "training" and not name.startswith("_")
        }
        return type(self).operation(x, **settings)


class MaxPool2d(_Windows):
    """Maximum of each window of images `(n, channels, h, w)`; see `max_pool2d`. The stride is kernel_size if None.

    return_indices : also give the places of the maxima, for `MaxUnpool2d`; see `max_pool2d_with_indices`.

    >>> nn.MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    operation = staticmethod(ops.max_pool2d)
    with_indices: ClassVar[Any] = staticmethod(ops.max_pool2d_with_indices)

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def forward(self, x: Array) -> Any:
        return (type(self).with_indices if self.return_indices else type(self).operation)(
            x,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
        )


class MaxPool1d(MaxPool2d):
    """Maximum of each window of sequences `(n, channels, l)`; see `max_pool1d`.

    >>> nn.MaxPool1d(2)(np.ones((1, 3, 8))).shape
    (1, 3, 4)
    """

    operation = staticmethod(ops.max_pool1d)
    with_indices = staticmethod(ops.max_pool1d_with_indices)


class MaxPool3d(MaxPool2d):
    """Maximum of each window of volumes `(n, channels, d, h, w)`; see `max_pool3d`.

    >>> nn.MaxPool3d(2)(np.ones((1, 3, 4, 8, 8))).shape
    (1, 3, 2, 4, 4)
    """

    operation = staticmethod(ops.max_pool3d)
    with_indices = staticmethod(ops.max_pool3d_with_indices)


class MaxUnpool2d(Module):
    """Maxima `(n, channels, h, w)` put back where they were, with their indices; see `max_unpool2d`.

    >>> values, indices = nn.MaxPool2d(2, return_indices=True)(np.ones((1, 3, 8, 8)))
    >>> nn.MaxUnpool2d(2)(values, indices).shape
    (1, 3, 8, 8)
    """

    operation: ClassVar[Any] = staticmethod(ops.max_unpool2d)

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Array, indices: Array, output_size: tuple[int, ...] | None = None) -> Array:
        options = {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}
        return type(self).operation(x, indices, output_size=output_size, **options)


class MaxUnpool1d(MaxUnpool2d):
    """Maxima `(n, channels, l)` put back where they were; see `max_unpool1d`. Arguments as for `MaxUnpool2d`."""

    operation = staticmethod(ops.max_unpool1d)


class MaxUnpool3d(MaxUnpool2d):
    """Maxima `(n, channels, d, h, w)` put back where they were; see `max_unpool3d`. Arguments as for `MaxUnpool2d`."""

    operation = staticmethod(ops.max_unpool3d)


class AvgPool1d(_Windows):
    """Mean of each window of sequences `(n, channels, l)`; see `avg_pool1d`.

    >>> nn.AvgPool1d(2)(np.ones((1, 3, 8))).shape
    (1, 3, 4)
    """

    operation = staticmethod(ops.avg_pool1d)

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class AvgPool2d(_Windows):
    """Mean of each window of images `(n, channels, h, w)`; see `avg_pool2d`. The stride is kernel_size if None.

    count_include_pad : whether padded zeros count as elements.
    divisor_override : what to divide each sum by instead.

    >>> nn.AvgPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    operation = staticmethod(ops.avg_pool2d)

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class AvgPool3d(AvgPool2d):
    """Mean of each window of volumes `(n, channels, d, h, w)`; see `avg_pool3d`.

    >>> nn.AvgPool3d(2)(np.ones((1, 3, 4, 8, 8))).shape
    (1, 3, 2, 4, 4)
    """

    operation = staticmethod(ops.avg_pool3d)


class LPPool2d(_Windows):
    """Norm of each window of images `(n, channels, h, w)`; see `lp_pool2d`.

    >>> nn.LPPool2d(2, 2)(np.ones((1, 1, 2, 2)))
    array([[[[2.]]]])
    """

    operation = staticmethod(ops.lp_pool2d)

    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> None:
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode


class LPPool1d(LPPool2d):
    """Norm of each window of sequences `(n, channels, l)`; see `lp_pool1d`.

    >>> nn.LPPool1d(2, 4)(np.ones((1, 1, 4)))
    array([[[2.]]])
    """

    operation = staticmethod(ops.lp_pool1d)


class LPPool3d(LPPool2d):
    """Norm of each window of volumes `(n, channels, d, h, w)`; see `lp_pool3d`.

    >>> nn.LPPool3d(1, 2)(np.ones((1, 1, 2, 2, 2)))
    array([[[[[8.]]]]])
    """

    operation = staticmethod(ops.lp_pool3d)


class AdaptiveMaxPool2d(_Windows):
    """Maximum of each of `output_size` windows that cover images `(n, channels, h, w)`; see `adaptive_max_pool2d`.

    >>> nn.AdaptiveMaxPool2d((2, None))(np.ones((1, 3, 8, 5))).shape
    (1, 3, 2, 5)
    """

    operation = staticmethod(ops.adaptive_max_pool2d)

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = output_size


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """Maximum of each of `output_size` windows that cover sequences `(n, channels, l)`; see `adaptive_max_pool1d`.

    >>> nn.AdaptiveMaxPool1d(2)(np.ones((1, 3, 8))).shape
    (1, 3, 2)
    """

    operation = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool3d(AdaptiveMaxPool2d):
    """Maximum of each of `output_size` windows that cover volumes `(n, channels, d, h, w)`; see `adaptive_max_pool3d`.

    >>> nn.AdaptiveMaxPool3d(2)(np.ones((1, 3, 4, 8, 5))).shape
    (1, 3, 2, 2, 2)
    """

    operation = staticmethod(ops.adaptive_max_pool3d)


class AdaptiveAvgPool1d(AdaptiveMaxPool2d):
    """Mean of each of `output_size` windows that cover sequences `(n, channels, l)`; see `adaptive_avg_pool1d`.

    >>> nn.AdaptiveAvgPool1d(2)(np.ones((1, 3, 8))).shape
    (1, 3, 2)
    """

    operation = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(AdaptiveMaxPool2d):
    """Mean of each of `output_size` windows that cover images `(n, channels, h, w)`; see `adaptive_avg_pool2d`.

    >>> nn.AdaptiveAvgPool2d(2)(np.ones((1, 3, 8, 5))).shape
    (1, 3, 2, 2)
    """

    operation = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(AdaptiveMaxPool2d):
    """Mean of each of `output_size` windows that cover volumes `(n, channels, d, h, w)`; see `adaptive_avg_pool3d`.

    >>> nn.AdaptiveAvgPool3d(2)(np.ones((1, 3, 4, 8, 5))).shape
    (1, 3, 2, 2, 2)
    """

    operation = staticmethod(ops.adaptive_avg_pool3d)


class Unfold(_Windows):
    """The elements of each window of images as a column; see `unfold`.

    >>> nn.Unfold(3)(np.ones((1, 2, 5, 5))).shape
    (1, 18, 9)
    """

    operation = staticmethod(ops.unfold)

    def __init__(self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> None:
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride


class Fold(_Windows):
    """Columns added where they came from in images of size `output_size`; see `fold`.

    >>> nn.Fold(5, 3)(np.ones((1, 18, 9))).shape
    (1, 2, 5, 5)
    """

    operation = staticmethod(ops.fold)

    def __init__(
        self, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride
