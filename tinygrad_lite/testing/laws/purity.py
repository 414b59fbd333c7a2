"""Purity: inputs are not written to, and how they lie in memory makes no difference."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ..samples import Sample
from .calls import assert_close, called, gradients_of, is_float, law

__all__ = ["inputs_unchanged", "layouts_agree"]


@law
def inputs_unchanged(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Neither the call nor its derivatives write into the inputs."""
    before = map_leaves(lambda x: np.array(x, copy=True) if isinstance(x, np.ndarray) else x, arrays)
    called(op.function, arrays, statics)
    assert_same(arrays, before, "the call")
    gradients_of(op, sample, arrays, statics)
    assert_same(arrays, before, "the backward pass")
    gradients_of(op, sample, arrays, statics, create_graph=True)
    assert_same(arrays, before, "the backward pass with create_graph")


def assert_same(arrays: tuple, before: tuple, what: str) -> None:
    for now, then in zip(leaves(arrays), leaves(before), strict=True):
        assert np.array_equal(now, then, equal_nan=is_float(then)), f"{what} changed an input"


@law
def layouts_agree(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Values and gradients do not depend on how the inputs lie in memory, nor on whether they may be written to."""
    from ..strategies import LAYOUTS  # needs hypothesis, as drawing samples does

    expected = leaves(called(op.function, arrays, statics))
    gradients = gradients_of(op, sample, arrays, statics)
    for layout in LAYOUTS:
        moved = map_leaves(lambda x: _frozen(x, layout), arrays)  # noqa: B023  # called at once
        for got, want in zip(leaves(called(op.function, moved, statics)), expected, strict=True):
            assert_close(got, want, 1e-12)
        for got, want in zip(gradients_of(op, sample, moved, statics), gradients, strict=True):
            assert_close(got.data, want.data, 1e-12)


def _frozen(x: Any, layout: str) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    from ..strategies import laid_out

    moved = laid_out(x, layout)
    moved.flags.writeable = False
    return moved
