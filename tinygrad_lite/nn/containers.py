"""Modules that hold modules or parameters."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from ..core.errors import DTypeError, IndexingError
from ..core.graph import Handle
from .module import Module
from .parameter import Parameter
from .runs import one_after_another

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Named(Module):
    """Entries that are attributes under their names, so that paths are `0.weight`; their order is that of `_names`."""

    _names: list[str]

    def __init__(self) -> None:
        self._names = []

    def _entry(self, name: str, value: Any) -> Any:
        """What to keep for a value given under this name; raises DTypeError for what cannot be kept."""
        return value

    def _set(self, name: Any, value: Any) -> None:
        if not isinstance(name, str):
            raise DTypeError(f"{type(self).__name__}: the name {name!r} is a {type(name).__name__}; a str is required.")
        value = self._entry(name, value)
        if name not in self._names:
            if hasattr(self, name):
                raise DTypeError(
                    f"{type(self).__name__}: an entry cannot be called {name!r}; the module has an attribute of that "
                    f"name."
                )
            self._names.append(name)
        setattr(self, name, value)

    def _remove(self, name: str) -> Any:
        value = getattr(self, name)
        self._names.remove(name)
        delattr(self, name)
        return value

    def __len__(self) -> int:
        return len(self._names)


class _Listed(_Named):
    """Entries in a row; the names are `0`, `1`, ... unless a subclass keeps others."""

    def _replace(self, values: list[Any]) -> None:
        for name in list(self._names):
            self._remove(name)
        for number, value in enumerate(values):
            self._set(str(number), value)

    def _name(self, index: int) -> str:
        try:
            return self._names[operator.index(index)]
        except IndexError:
            count = len(self)
            raise IndexingError(
                f"{type(self).__name__}: index {index} is outside; there are {count} entries."
            ) from None

    def append(self, value: Any) -> Self:
        """Add an entry at the end; returns the module."""
        number = len(self)
        while hasattr(self, str(number)):  # a slice of a Sequential keeps the names of its layers
            number += 1
        self._set(str(number), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add entries at the end; returns the module."""
        for value in list(values):
            self.append(value)
        return self

    def insert(self, index: int, value: Any) -> Self:
        """Add an entry in front of the one at `index`; all are numbered anew. Returns the module."""
        values = list(self)
        values.insert(index, value)
        self._replace(values)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take an entry away and return it; all are numbered anew."""
        value = self[index]
        del self[index]
        return value

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, name) for name in self._names])

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])  # type: ignore[call-arg]
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._set(self._name(index), value)

    def __delitem__(self, index: int | slice) -> None:
        values = list(self)
        if isinstance(index, int):
            self._name(index)
        del values[index]
        self._replace(values)

    def __add__(self, other: Iterable[Any]) -> Self:
        return type(self)([*self, *other])  # type: ignore[call-arg]

    def __iadd__(self, other: Iterable[Any]) -> Self:
        return self.extend(other)


class Sequential(_Listed):
    """Layers applied one after another.

    layers : modules or plain functions of one array; or one dict of them, whose keys become their names instead of
        `0`, `1`, ...

    Indexing gives a layer, a slice gives a Sequential of the same layers. `append`, `extend`, `insert`, `pop` and `del`
    work as for lists; `insert`, `pop` and `del` number the layers anew.

    >>> model = nn.Sequential(nn.Linear(4, 3), relu, nn.Linear(3, 2))
    >>> len(model), model[-1]
    (3, Linear(3, 2))
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Callable[[Any], Any] | dict[str, Callable[[Any], Any]]) -> None:
        super().__init__()
        named = layers[0] if len(layers) == 1 and isinstance(layers[0], dict) else dict(enumerate(layers))
        for name, layer in named.items():
            self._set(str(name), layer)

    def _entry(self, name: str, value: Any) -> Any:
        if not callable(value):
            raise DTypeError(
                f"Sequential: layer {name} is a {type(value).__name__}; a module or a function is required."
            )
        return value

    def forward(self, x: Any) -> Any:
        return one_after_another([getattr(self, name) for name in self._names], x)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential({name: getattr(self, name) for name in self._names[index]})
        return getattr(self, self._name(index))

    def __add__(self, other: Iterable[Any]) -> Sequential:
        return Sequential(*self, *other)


def _module(kind: str, name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, Module):
        raise DTypeError(f"{kind}: entry {name!r} is a {type(value).__name__}; a Module is required.")
    return value


def _parameter(value: Any) -> Any:
    """A Parameter as it is, None as none; of other Tensors and arrays, one is made."""
    if value is None or isinstance(value, Parameter):
        return value
    return Parameter(value.data if isinstance(value, Handle) else value)


class ModuleList(_Listed):
    """Modules in a list, whose parameters are the model's: `layers.0.weight`. A plain list of modules does the same.

    modules : any iterable of modules.

    Raises DTypeError for what is no module, IndexingError for an index outside.

    >>> layers = nn.ModuleList([nn.Linear(4, 3)]).append(nn.Linear(3, 2))
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _entry(self, name: str, value: Any) -> Any:
        return _module("ModuleList", name, value)


class ParameterList(_Listed):
    """Parameters in a list: `0`, `1`, ... Arrays and Tensors become Parameters.

    >>> values = nn.ParameterList([np.ones(2), np.zeros(3)])
    >>> [(name, value.shape) for name, value in values.named_parameters()]
    [('0', (2,)), ('1', (3,))]
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def _entry(self, name: str, value: Any) -> Any:
        return _parameter(value)


class _Mapped(_Named):
    """Entries by name, as in a dict."""

    def __getitem__(self, key: str) -> Any:
        if key not in self._names:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set(key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def keys(self) -> list[str]:
        """The names, in order."""
        return list(self._names)

    def values(self) -> list[Any]:
        """The entries, in order."""
        return [getattr(self, name) for name in self._names]

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of name and entry, in order."""
        return [(name, getattr(self, name)) for name in self._names]

    def get(self, key: str, default: Any = None) -> Any:
        """The entry of that name, or `default`."""
        return getattr(self, key) if key in self._names else default

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace entries from a dict, another such module, or pairs."""
        pairs = entries.items() if isinstance(entries, (Mapping, _Mapped)) else entries
        for key, value in list(pairs):
            self[key] = value

    def pop(self, key: str) -> Any:
        """Take the entry of that name away and return it."""
        if key not in self._names:
            raise KeyError(key)
        return self._remove(key)

    def clear(self) -> None:
        """Take all entries away."""
        for name in list(self._names):
            self._remove(name)


class ModuleDict(_Mapped):
    """Modules by name, whose parameters are the model's. A plain dict of modules does the same.

    modules : a dict of modules, or pairs of name and module.

    Raises DTypeError for what is no module, and for a name that the module has already, such as `keys`.

    >>> heads = nn.ModuleDict({"left": nn.Linear(4, 1), "right": nn.Linear(4, 1)})
    >>> heads["left"], "middle" in heads
    (Linear(4, 1), False)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def _entry(self, name: str, value: Any) -> Any:
        return _module("ModuleDict", name, value)


class ParameterDict(_Mapped):
    """Parameters by name. Arrays and Tensors become Parameters.

    parameters : a dict of them, or pairs of name and parameter.

    >>> scales = nn.ParameterDict({"left": np.ones(2)})
    >>> scales["left"].requires_grad
    True
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def _entry(self, name: str, value: Any) -> Any:
        return _parameter(value)
