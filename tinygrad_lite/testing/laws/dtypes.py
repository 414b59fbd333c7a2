"""Dtypes: float32 stays float32 forward and backward, and a gradient fits its input."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.codegen import rule_wants
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ..samples import Sample
from .calls import called, cast, differentiable, gradients_of, is_float, law, op_defaults

__all__ = ["float32_kept", "gradients_fit", "rules_keep_dtype"]


@law
def float32_kept(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Results and gradients of float32 inputs are float32 wherever those of float64 inputs are float64."""
    single = cast(arrays, "float32")
    for narrow, wide in zip(
        leaves(called(op.function, single, statics)), leaves(called(op.function, arrays, statics)), strict=True
    ):
        asked = statics.get("dtype") is not None
        if wide.dtype == "float64" and any(is_float(x) for x in leaves(arrays)) and not asked:
            assert narrow.dtype == "float32", f"float32 inputs gave {narrow.dtype}"
    for create_graph in (False, True):
        for gradient in gradients_of(op, sample, single, statics, create_graph=create_graph):
            assert gradient.dtype == "float32", f"a float32 input has a {gradient.dtype} gradient"


@law
def rules_keep_dtype(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Each rule itself computes in float32 for float32 inputs; the engine's cast would hide it if one did not."""
    single = cast(arrays, "float32")
    out = called(op.function, single, statics) if op.rules else None
    if not any(is_float(np.asarray(part)) for part in leaves(out)):
        return
    names = {op.arrays[0]: list(single[0])} if op.variadic else dict(zip(op.arrays, single, strict=False))
    known = {**op_defaults(op), **statics, **names, "out": out, "g": map_leaves(np.ones_like, out)}
    for name, value in names.items():
        for what, none in (("shape", ()), ("dtype", None)):
            several = tuple(getattr(x, what, none) for x in leaves(value))
            known[f"{name}_{what}"] = several if op.variadic else getattr(value, what, none)
    for name, rule in op.rules.items():
        inputs = leaves(names[name])
        if any(map(is_float, inputs)):
            gradients = leaves(rule(*(known[want] for want in rule_wants(rule))))
            for one, gradient in zip(inputs, gradients, strict=True):
                single = gradient.dtype in ("float32", "complex64")  # of complex ones the engine keeps the real part
                assert not is_float(one) or single, f"the rule for {name} makes {gradient.dtype}"


@law
def gradients_fit(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """A gradient has its input's shape and dtype, also if the inputs have different dtypes."""
    for turn in range(2):
        count = iter(range(turn, 1000))
        mixed = map_leaves(lambda x: x.astype(f"float{32 << next(count) % 2}") if is_float(x) else x, arrays)  # noqa: B023  # called at once
        inputs = [x for x in leaves(differentiable(op, sample, mixed, statics)[1]) if is_float(x)]
        for gradient, x in zip(gradients_of(op, sample, mixed, statics), inputs, strict=False):
            assert gradient.shape == x.shape, f"the gradient of an input of shape {x.shape} has shape {gradient.shape}"
            assert gradient.dtype == x.dtype, f"the gradient of a {x.dtype} input is {gradient.dtype}"
