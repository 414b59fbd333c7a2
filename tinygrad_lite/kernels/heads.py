"""Which calls of attention the kernels of all backends take, by shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["heads_alike"]


def heads_alike(query: Any, key: Any, value: Any, mask: Any, is_causal: bool, enable_gqa: bool) -> bool:
    """Whether axes in front are equal, but for heads that share keys; the definition explains what is wrong else."""
    if min(query.ndim, key.ndim) < (3 if enable_gqa else 2):
        return False
    if query.dtype != key.dtype or query.dtype != value.dtype or key.shape[:-1] != value.shape[:-1]:
        return False
    front = query.shape[:-2]
    if query.shape[-1] != key.shape[-1] or len(front) != key.ndim - 2:
        return False
    grouped = enable_gqa and front and front[:-1] == key.shape[:-3] and front[-1] % key.shape[-3] == 0
    if front != key.shape[:-2] and not grouped:
        return False
    if mask is None:
        return True
    if is_causal or mask.dtype not in (numpy.dtype(bool), query.dtype):
        return False
    whole = (*front, query.shape[-2], key.shape[-2])
    return mask.ndim <= len(whole) and all(a in (1, b) for a, b in zip(mask.shape[::-1], whole[::-1], strict=False))
