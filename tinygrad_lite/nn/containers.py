"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..core.errors import DTypeError
from .module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Layers applied one after another.

    layers : modules or plain functions of one array; or one dict of them, whose keys become their names instead of
        `0`, `1`, ...

    Indexing gives a layer, a slice gives a Sequential of the same layers.

    >>> model = nn.Sequential(nn.Linear(4, 3), relu, nn.Linear(3, 2))
    >>> len(model), model[-1]
    (3, Linear(3, 2))
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Callable[[Any], Any] | dict[str, Callable[[Any], Any]]) -> None:
        named = layers[0] if len(layers) == 1 and isinstance(layers[0], dict) else dict(enumerate(layers))
        self._names: list[str] = []
        for name, layer in named.items():
            self._add(str(name), layer)

    def _add(self, name: str, layer: Any) -> None:
        if not callable(layer):
            raise DTypeError(
                f"Sequential: layer {name} is a {type(layer).__name__}; a module or a function is required."
            )
        if hasattr(self, name):
            raise DTypeError(
                f"Sequential: a layer cannot be called {name!r}; the module has an attribute of that name."
            )
        self._names.append(name)
        setattr(self, name, layer)

    def append(self, layer: Callable[[Any], Any]) -> Sequential:
        """Add a layer at the end; returns the module."""
        number = len(self)
        while hasattr(self, str(number)):  # a slice keeps the names of its layers
            number += 1
        self._add(str(number), layer)
        return self

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self._names)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential({name: getattr(self, name) for name in self._names[index]})
        return getattr(self, self._names[index])
