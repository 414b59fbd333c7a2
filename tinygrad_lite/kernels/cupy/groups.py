"""Kernels for group and instance normalisation, see `ops/normalization.py`.

A group that a block can hold in registers is read once. Of longer ones the statistics, the result and the gradients are
those that `channels.py` finds for channels of which some share their statistics.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import ops
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .channels import Channels
from .normalization import summed
from .rows import MOST_THREADS, TYPES, Limits, accumulator, dense, floats, lanes_for, parameters_fit, type_of

__all__ = ["group_norm", "instance_norm"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

FEW_THREADS = 256
"""Threads of a block up to which each of them holds one pack of 16 bytes, and otherwise several."""


class Groups(NamedTuple):
    """The groups of an array of (examples, channels, positions).

    count : of all examples. per : channels of each. n : positions. channels : of an example.
    """

    count: int
    per: int
    n: int
    channels: int

    @classmethod
    def of(cls, x: Any, num_groups: int) -> Groups:
        examples, channels = x.shape[:2]
        return cls(examples * num_groups, channels // num_groups, math.prod(x.shape[2:]), channels)

    def held(self, *arrays: Any) -> tuple[str, int, int, int] | None:
        """The end of the kernels' names, the threads of a block, of a group and of a channel; None for long groups."""
        size = arrays[0].itemsize
        width = 16 // size
        ways = [("single_held", 8, MOST_THREADS)]
        if self.n % width == 0 and not any(x is not None and x.data.ptr % 16 for x in arrays):
            ways = [("packs_few", width, FEW_THREADS), ("packs_many", 8 if size == 8 else 16, MOST_THREADS)]
        for way, each, most in ways:
            lanes = lanes_for(-(-self.n // each))
            team = -(-lanes * self.per // 32) * 32
            if team <= most:
                return way, 128 if team == 32 else team, team, lanes
        return None

    def launch(self, x: Any, name: str, how: tuple[str, int, int, int], *args: Any) -> None:
        """Start a kernel for groups that are held."""
        way, threads, team, lanes = how
        blocks = min(-(-self.count * team // threads), Limits.blocks)
        SOURCE(T=type_of(x)).launch(f"{name}_{way}", blocks, threads, (*args, *self, team, lanes))


def _forward(x: Any, weight: Any, bias: Any, num_groups: int, eps: float) -> tuple[Any, tuple]:
    groups, kind = Groups.of(x, num_groups), accumulator(x)
    x, weight, bias = (None if a is None else dense(a) for a in (x, weight, bias))
    out = cupy().empty(x.shape, x.dtype)
    statistics = [cupy().empty(groups.count, kind) for _ in range(2)]
    how = groups.held(x, out)
    if how is not None:
        groups.launch(x, "forward", how, x, weight, bias, out, *statistics, kind.type(eps))
        return out, (x, weight, bias, groups, statistics, None)
    rows = x.reshape(groups.count, -1)
    whole = Channels.of(rows, 0)
    whole.moments(rows, whole.given(rows), None, None, *statistics)
    parameters = (*statistics, weight, bias, kind.type(eps), groups.per, groups.channels)
    lines, plan = _lines(x, groups)
    plan.launch(x, "forward", plan.given(lines), out, *parameters)
    return out, (x, weight, bias, groups, statistics, parameters)


def _lines(x: Any, groups: Groups) -> tuple[Any, Channels]:
    """All channels of all examples, one after another."""
    lines = x.reshape(-1, groups.n)
    return lines, Channels.of(lines, 0)


def _backward(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """The gradients of the input, the weight and the bias, of those that are needed."""
    x, weight, bias, groups, statistics, parameters = saved
    needs = (*needs, False, False)
    g = dense(g.astype(x.dtype, copy=False))
    if g.data.ptr % 16:  # what was held is to be held again
        g = g.copy()
    of_x = cupy().empty(x.shape, x.dtype) if needs[0] else None
    weighted, lines = needs[1] or needs[2], x.size // groups.n
    if parameters is None:
        sums = [cupy().empty(lines, accumulator(x)) if weighted else None for _ in range(2)]
        how = groups.held(g, x, of_x)
        groups.launch(x, "backward", how, g, x, weight, *statistics, of_x, *sums)
        parts = lines // groups.channels
    else:
        given, plan = _lines(x, groups)
        laid = plan.given(g.reshape(given.shape)), plan.given(given)
        sums = [plan.partial(x) for _ in range(2)]
        plan.launch(x, "backward", *laid, None, *sums, None, None, *parameters)
        if of_x is not None:
            shifts, tilts = (cupy().empty(groups.count, accumulator(x)) for _ in range(2))
            plan.finish(x, "corrections", *sums, shifts, tilts, *parameters, blocks=-(-groups.count // 8))
            plan.launch(x, "backward", *laid, of_x, None, None, shifts, tilts, *parameters)
        parts = plan.pieces * lines // groups.channels
    if not weighted:
        return of_x, None, None
    totals, products = sums
    wanted = [products if needs[1] else None, totals if needs[2] else None]
    return of_x, *summed(x, wanted, parts, weight, bias)


def _groups(x: Any, weight: Any = None, bias: Any = None, *, num_groups: int, eps: float = 1e-5) -> bool:
    """Whole groups, and parameters of the channels; the definition explains what is wrong with others."""
    if not floats(x) or x.ndim < 2 or type(num_groups) is not int or num_groups < 1 or x.shape[1] % num_groups:
        return False
    return parameters_fit(x, x.shape[1:2], weight, bias)


@kernel(ops.group_norm, "cupy", when=_groups)
def group_norm(x: Any, weight: Any = None, bias: Any = None, *, num_groups: int, eps: float = 1e-5) -> Any:
    """Keeps two numbers of each group beside the input."""
    return _forward(x, weight, bias, num_groups, eps)


@group_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    return _backward(g, saved, needs)


def _channels(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> bool:
    """Several values in each channel, and parameters of the channels."""
    return floats(x) and x.ndim > 2 and math.prod(x.shape[2:]) > 1 and parameters_fit(x, x.shape[1:2], weight, bias)


@kernel(ops.instance_norm, "cupy", when=_channels)
def instance_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """As `group_norm` with a group for each channel."""
    return _forward(x, weight, bias, x.shape[1], eps)


@instance_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    return _backward(g, saved, needs)
