"""What `fit` and `evaluate` take as data, and how a batch gets to the model and to the loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy

from ..core.backend import backend_of
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.tree import leaves, map_leaves
from ..data import ArrayDataset, DataLoader
from ..ops.random import Generator
from ..tensor import Tensor

__all__ = ["Batch", "as_batches", "call", "device_of", "host", "moved", "parts"]


class Batch(NamedTuple):
    """Inputs, targets (None if there are none), and how many examples these are."""

    inputs: Any
    targets: Any
    size: int


def as_batches(
    caller: str, data: Any, batch_size: int, *, shuffle: bool, device: str, rng: int | Generator | None = None
) -> Any:
    """A DataLoader of a tuple of arrays, to the device; anything else that can be iterated again and again as it is.

    Raises ShapeError if there are no examples, DTypeError for what cannot be iterated, or only once.
    """
    if isinstance(data, tuple):
        if data and not len(data[0]):
            raise ShapeError(f"{caller}: there are no examples; at least one is required.")
        dataset = ArrayDataset(*(_host(unwrap(array)) for array in data))
        there = None if device == "cpu" else device
        return DataLoader(dataset, batch_size, shuffle=shuffle, rng=rng, device=there)
    if not isinstance(data, Iterable) or isinstance(data, (dict, str)) or hasattr(data, "shape"):
        raise DTypeError(
            f"{caller}: data is a {type(data).__name__}; a tuple (inputs, targets) of arrays, a DataLoader, or a list "
            f"of batches (inputs, targets) is required."
        )
    if isinstance(data, Iterator):
        raise DTypeError(
            f"{caller}: data is a {type(data).__name__}, which can be gone through only once; every epoch does so. "
            f"Give a list of batches, a DataLoader, or an object whose __iter__ begins anew."
        )
    return data


def parts(caller: str, batch: Any, device: str) -> Batch:
    """A batch on the model's device.

    Raises DTypeError for what is no tuple or list.
    """
    if not isinstance(batch, (tuple, list)) or not batch:
        raise DTypeError(
            f"{caller}: a batch is a {type(batch).__name__}; a tuple (inputs, targets) is required, or (inputs,)."
        )
    inputs, *rest = (moved(part, device) for part in batch)
    targets = None if not rest else rest[0] if len(rest) == 1 else tuple(rest)
    shapes = [leaf.shape for leaf in leaves(inputs) if getattr(leaf, "shape", ())]
    return Batch(inputs, targets, shapes[0][0] if shapes else 1)


def moved(tree: Any, device: str) -> Any:
    """Arrays and Tensors in nested tuples, lists and dicts as Tensors on a device; anything else as it is."""
    return map_leaves(lambda leaf: Tensor(leaf, device=device) if hasattr(leaf, "shape") else leaf, tree)


def call(model: Any, inputs: Any) -> Any:
    """The model's outputs: inputs that are a tuple are its arguments, those that are a dict its named arguments."""
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def device_of(model: Any) -> str:
    """Where the model's parameters are."""
    for parameter in model.parameters():
        return parameter.device
    return "cpu"


def host(tree: Any) -> Any:
    """Tensors and arrays in nested tuples, lists and dicts as NumPy arrays; anything else as it is.

    bfloat16, in which few of NumPy's functions compute, becomes float32.
    """
    return map_leaves(lambda leaf: _host(unwrap(leaf)) if hasattr(leaf, "shape") else leaf, tree)


def _host(array: Any) -> Any:
    found = backend_of(array).to_numpy(array) if hasattr(array, "shape") else numpy.asarray(array)
    return found.astype("float32") if found.dtype.kind == "V" else found
