"""Layers one after another, of which some are one operation: linear maps with the same activation between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..core.effects import active_capture
from ..core.errors import ShapeError
from ..core.graph import Handle
from ..ops import mlp
from .activations import GELU, ReLU
from .dropout import Dropout
from .linear import Linear

__all__ = ["one_after_another"]


def one_after_another(layers: Sequence[Callable[[Any], Any]], x: Any) -> Any:
    """The last of `layers` of the last but one of ... of the first of x.

    From a Linear on as far as there are ReLUs, or GELUs, between Linears, it is one `mlp`, where the backend has a
    kernel for it; on NumPy, which has none, it would be 8 us more for two layers. A Dropout that leaves all elements as
    they are may lie between. Layers with hooks, with a `forward` of their own or of subclasses are called one by one,
    and so are those that fail, for their messages.
    """
    if not _KERNELS[type(x.data if isinstance(x, Handle) else x)]:
        return _one_by_one(layers, x)
    layers = [layer for layer in layers if type(layer) is not Dropout or not _is_idle(layer)]
    done = 0
    for start, stop in _runs(tuple(map(type, layers))):
        x = _at_once(layers[start:stop], _one_by_one(layers[done:start], x))
        done = stop
    return _one_by_one(layers[done:], x)


class _Kernels(dict):
    """The kernels of `mlp` for arrays of a class: lists that grow if more are declared."""

    def __missing__(self, kind: type) -> Any:
        op = mlp.op  # type: ignore[attr-defined]
        self[kind] = found = op.kernels[op.backends[kind,].kernel_backend] if hasattr(kind, "shape") else ()
        return found


_KERNELS = _Kernels()


@lru_cache(maxsize=256)
def _runs(kinds: tuple[type, ...]) -> tuple[tuple[int, int], ...]:
    """Where layers of these classes begin and end that may be one operation, at least two Linears each."""
    found, start = [], 0
    while start < len(kinds):
        stop = start + 1
        if kinds[start] is Linear:
            between = kinds[stop] if stop < len(kinds) else None
            while between in (ReLU, GELU) and kinds[stop : stop + 2] == (between, Linear):
                stop += 2
        if stop > start + 1:
            found.append((start, stop))
        start = stop
    return tuple(found)


def _at_once(layers: Sequence[Any], x: Any) -> Any:
    names = {"relu" if type(layer) is ReLU else _GELUS.get(layer.approximate) for layer in layers[1::2]}
    name = names.pop()
    if not names and name and all(map(_is_plain, layers)):
        _enter(layers)
        arrays = [x]
        for layer in layers[::2]:
            arrays += layer.weight, layer.bias
        try:
            return mlp(*arrays, activation=name)
        except ShapeError:
            pass
    return _one_by_one(layers, x)


def _is_plain(layer: Any) -> bool:
    """Whether a call of a layer is what its class computes, and nothing else."""
    return layer._hooks is None and "forward" not in vars(layer)


def _is_idle(dropout: Any) -> bool:
    """Whether a call would return its argument."""
    idle = (dropout.p == 0.0 or not dropout.training) and _is_plain(dropout)
    if idle:
        _enter([dropout])
    return idle


def _enter(layers: Sequence[Any]) -> None:
    """Let a captured step know of layers that are used without a call: in another mode it is captured anew."""
    capture = active_capture.get()
    if capture is not None:
        for layer in layers:
            capture.enter_module(layer)


def _one_by_one(layers: Sequence[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


_GELUS = {"none": "gelu", "tanh": "gelu_tanh"}
