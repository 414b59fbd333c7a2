"""Layers that change the size of images."""

from __future__ import annotations

from ..core.op import Array
from ..ops import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle
from .module import Module

__all__ = [
    "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d",
]  # fmt: skip


class Upsample(Module):
    """Images `(n, channels, ...)` at another size; see `interpolate`. One of size and scale_factor is required.

    align_corners : None is False, as in PyTorch.

    >>> nn.Upsample(scale_factor=2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 8, 8)
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Array) -> Array:
        corners = bool(self.align_corners)
        return interpolate(x, size=self.size, scale_factor=self.scale_factor, mode=self.mode, align_corners=corners)


class UpsamplingNearest2d(Upsample):
    """Images `(n, channels, h, w)` at another size, each pixel repeated; `Upsample` with `mode="nearest"`."""

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images `(n, channels, h, w)` at another size; `Upsample` with `mode="bilinear"` and `align_corners=True`.

    >>> nn.UpsamplingBilinear2d(size=(1, 3))(np.array([[[[0.0, 1.0]]]]))
    array([[[[0. , 0.5, 1. ]]]])
    """

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Groups of channels laid out as blocks of pixels; see `pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, x: Array) -> Array:
        return pixel_shuffle(x, upscale_factor=self.upscale_factor)


class PixelUnshuffle(Module):
    """Blocks of pixels as channels, the inverse of PixelShuffle; see `pixel_unshuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def forward(self, x: Array) -> Array:
        return pixel_unshuffle(x, downscale_factor=self.downscale_factor)


class ChannelShuffle(Module):
    """The channels of groups in turn; see `channel_shuffle`."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, x: Array) -> Array:
        return channel_shuffle(x, groups=self.groups)
