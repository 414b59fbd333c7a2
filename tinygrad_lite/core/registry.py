"""The registry of operations."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .op import Op

__all__ = ["OPS", "Registry"]


class Registry(dict[str, "Op"]):
    """Operations by name, which imports the files that declare them when a name is unknown, or when all are asked for.

    files : modules that declare operations, in the order in which the operations are listed. Those of other modules
        come last, in the order of their declaration.

    What is known is found as quickly as in a dict.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: list[str] = []
        self._complete = False

    def complete(self) -> None:
        """Import all the files."""
        if not self._complete:
            for file in self.files:
                import_module(file)
            self._complete = True

    def declared(self, name: str) -> Op | None:
        """The operation `name` if its file is imported, else None."""
        return super().get(name)

    def __missing__(self, name: str) -> Op:
        self.complete()
        if super().__contains__(name):
            return self[name]
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        if not super().__contains__(name):
            self.complete()
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self.complete()
        return super().__contains__(name)

    def __len__(self) -> int:
        self.complete()
        return super().__len__()

    def __iter__(self) -> Iterator[str]:
        self.complete()
        places = {file: place for place, file in enumerate(self.files)}
        names = {name: places.get(op.body.__module__, len(places)) for name, op in super().items()}
        return iter(sorted(names, key=names.__getitem__))

    def keys(self) -> Any:
        return KeysView(self)

    def values(self) -> Any:
        return ValuesView(self)

    def items(self) -> Any:
        return ItemsView(self)


OPS = Registry()
"""Every declared operation by name: what the docs, gradient checks, kernel checks and benchmarks walk over."""
