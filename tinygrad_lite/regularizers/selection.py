"""Which parameters a penalty is on: predicates on a parameter's path and the parameter itself, as values."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from ..core.value import Value
from ..nn import Module
from ..tensor import Tensor

__all__ = ["Selector", "biases", "everything", "in_modules", "matrices", "named"]


class Selector(Value):
    """A choice of parameters; `a & b`, `a | b` and `~a` are choices again.

    >>> from tinygrad_lite.regularizers import L2, matrices, named
    >>> L2(0.1).on(matrices & ~named("embedding"))
    L2(0.1).on(matrices & ~named('embedding'))
    """

    def __call__(self, name: str, parameter: Tensor) -> bool:
        """Whether the parameter, whose path is `name`, is chosen."""
        raise NotImplementedError

    def __and__(self, other: Selector) -> Selector:
        return _Both(self, other)

    def __or__(self, other: Selector) -> Selector:
        return _Either(self, other)

    def __invert__(self) -> Selector:
        return _Not(self)


class _Predicate(Selector):
    def __init__(self, accepts: Callable[[str, Tensor], bool]) -> None:
        self.accepts = accepts

    def __call__(self, name: str, parameter: Tensor) -> bool:
        return bool(self.accepts(name, parameter))

    def __repr__(self) -> str:
        return getattr(self.accepts, "__name__", repr(self.accepts)).lstrip("_")


class _Named(Selector):
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __call__(self, name: str, parameter: Tensor) -> bool:
        expression = translate(self.pattern).removesuffix(r"\Z").removesuffix(r"\z")
        return re.search(rf"(?:^|\.){expression}(?:\.|$)", name) is not None

    def __repr__(self) -> str:
        return f"named({self.pattern!r})"


class _Pair(Selector):
    def __init__(self, first: Selector, second: Selector) -> None:
        self.first, self.second = first, second


class _Both(_Pair):
    def __call__(self, name: str, parameter: Tensor) -> bool:
        return self.first(name, parameter) and self.second(name, parameter)

    def __repr__(self) -> str:
        return f"{self.first!r} & {self.second!r}"


class _Either(_Pair):
    def __call__(self, name: str, parameter: Tensor) -> bool:
        return self.first(name, parameter) or self.second(name, parameter)

    def __repr__(self) -> str:
        return f"({self.first!r} | {self.second!r})"


class _Not(Selector):
    def __init__(self, choice: Selector) -> None:
        self.choice = choice

    def __call__(self, name: str, parameter: Tensor) -> bool:
        return not self.choice(name, parameter)

    def __repr__(self) -> str:
        return f"~({self.choice!r})" if isinstance(self.choice, _Both) else f"~{self.choice!r}"


def _everything(name: str, parameter: Tensor) -> bool:
    return True


def _matrices(name: str, parameter: Tensor) -> bool:
    return parameter.ndim >= 2


def _biases(name: str, parameter: Tensor) -> bool:
    return name.rpartition(".")[2] == "bias"


everything = _Predicate(_everything)
"""All parameters."""

matrices = _Predicate(_matrices)
"""Parameters with two or more axes: weights of linear and convolutional layers and embeddings; no biases, no norms."""

biases = _Predicate(_biases)
"""Parameters that are called `bias`."""


def named(pattern: str) -> Selector:
    """Parameters whose path, or any run of whole parts of it, matches a pattern with the wildcards `*` and `?`.

    `named("embedding")` selects `embedding.weight` and `encoder.embedding.weight`; `named("layers.0")` everything in
    that layer; `named("norm*")` everything in modules whose name begins so.
    """
    return _Named(pattern)


class _InModules(Selector):
    def __init__(self, tensors: tuple[Tensor, ...], kinds: tuple[type[Module], ...]) -> None:
        self.ids, self.kinds, self._tensors = frozenset(map(id, tensors)), kinds, tensors

    def __call__(self, name: str, parameter: Tensor) -> bool:
        return id(parameter) in self.ids

    def __repr__(self) -> str:
        return f"in_modules(model, {', '.join(kind.__name__ for kind in self.kinds)})"


def in_modules(model: Module, *kinds: type[Module]) -> Selector:
    """Parameters of those modules of a model that are of one of the kinds, directly in them, not in modules inside.

    >>> from tinygrad_lite.regularizers import L2, in_modules
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    >>> L2(0.1).on(~in_modules(model, nn.LayerNorm))
    L2(0.1).on(~in_modules(model, LayerNorm))

    Raises ValueError if there is no such module.
    """
    found = [module for module in model.modules() if isinstance(module, kinds)]
    if not found:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"in_modules: the model has no module of the kind {names}; check the kinds.")
    inside = [value for module in found for value in vars(module).values()]
    entries = [entry for value in inside for entry in (value if isinstance(value, (list, tuple)) else [value])]
    return _InModules(tuple(entry for entry in entries if isinstance(entry, Tensor)), kinds)


def as_selector(choice: Callable[[str, Tensor], bool]) -> Selector:
    """A Selector as it is, or one made from a predicate on path and parameter."""
    return choice if isinstance(choice, Selector) else _Predicate(choice)
