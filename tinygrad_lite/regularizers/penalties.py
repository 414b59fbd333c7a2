"""Penalties on parameters, as values: scaled, added, put on a selection, and used in the loss or in the update.

    penalty = L2(1e-4).on(matrices) + L1(1e-5).on(named("embedding"))
    loss = cross_entropy(model(x), y) + penalty(model)          # coupled: its gradient goes through the optimizer
    optimizer = AdamW(model, lr=3e-4, decay=penalty)            # decoupled: w <- w - lr * (direction + its gradient)

For plain gradient descent the two are the same; with momentum or adaptive steps they are not
(I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, arXiv:1711.05101).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

from .. import ops
from ..autodiff.transforms import grad
from ..core.op import Array
from ..core.value import Value
from ..nn import Module, named_tensors
from ..tensor import Tensor
from .selection import Selector, as_selector, everything

__all__ = ["L1", "L2", "Penalty", "Regularizer", "Sum"]

Named = Sequence[tuple[str, Tensor]]


class Regularizer(Value):
    """A sum of penalties. Called on a model it is a scalar; `+`, `*` by a number and `.on` make new ones."""

    def terms(self) -> tuple[Penalty, ...]:
        """The single penalties that are added up."""
        raise NotImplementedError

    def __call__(self, model: Module | Iterable[Any]) -> Tensor:
        """The penalty of a Module's parameters, or of named or plain Tensors: a scalar to add to the loss.

        Raises ValueError if a term selects no parameter.
        """
        named = named_tensors(model, "penalty")
        return reduce(
            add, (term.strength * reduce(add, (term.of(p) for _, p in term.select(named))) for term in self.terms())
        )

    def slopes(self, named: Named) -> dict[str, Callable[[Array], Array]]:
        """For each parameter that is selected, the function from its array to the gradient of the penalty there.

        A function has the attribute `elementwise` if it may be applied to any part of the array alone.
        """
        found: dict[str, list[Penalty]] = {}
        for term in self.terms():
            for name, _ in term.select(named):
                found.setdefault(name, []).append(term)
        return {name: Slope(tuple(terms)) for name, terms in found.items()}

    def on(self, choice: Callable[[str, Tensor], bool]) -> Regularizer:
        """The same on fewer parameters: a selector such as `matrices`, or any predicate on name and parameter."""
        return Sum(tuple(term.on(choice) for term in self.terms()))

    def __add__(self, other: Regularizer) -> Regularizer:
        return Sum(self.terms() + other.terms()) if isinstance(other, Regularizer) else NotImplemented

    def __mul__(self, factor: float) -> Regularizer:
        return Sum(tuple(term * factor for term in self.terms()))

    def __rmul__(self, factor: float) -> Regularizer:
        return self * factor


class Sum(Regularizer):
    """Several penalties added up; what `a + b` makes."""

    def __init__(self, parts: tuple[Penalty, ...]) -> None:
        self.parts = parts

    def terms(self) -> tuple[Penalty, ...]:
        return self.parts

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.parts))


class Penalty(Regularizer):
    """One penalty, strength * of(w), for each selected parameter w. Subclass it and define `of` for one of your own.

    >>> from tinygrad_lite.regularizers import Penalty
    >>> class Quartic(Penalty):
    ...     def of(self, w):
    ...         return (w**4).sum()
    >>> Quartic(2.0)([tensor([1.0, 2.0])])
    Tensor(34., dtype=float32)
    """

    elementwise = False
    """Whether `gradient` may be applied to any part of an array alone."""

    def __init__(self, strength: float, selector: Selector = everything) -> None:
        self.strength, self.selector = self._accept(strength), selector

    def _accept(self, strength: float) -> float:
        if not strength >= 0:
            raise ValueError(f"{type(self).__name__}: strength is {strength}; it must be at least 0.")
        return strength

    def of(self, w: Array) -> Array:
        """The penalty of one parameter at strength 1, a scalar, written with operations."""
        raise NotImplementedError(f"{type(self).__name__}: define of(self, w), the penalty of one parameter.")

    def gradient(self, w: Array) -> Array:
        """The gradient of `of` at the array w. Need only be defined where it can be cheaper than differentiating."""
        return grad(self.of)(w)

    def terms(self) -> tuple[Penalty, ...]:
        return (self,)

    def select(self, named: Named) -> list[tuple[str, Tensor]]:
        """The parameters that it is on; ValueError if there are none."""
        chosen = [(name, p) for name, p in named if self.selector(name, p)]
        if not chosen:
            raise ValueError(
                f"penalty: {self!r} selects none of the parameters {', '.join(name for name, _ in named)}; "
                f"check the selector."
            )
        return chosen

    def on(self, choice: Callable[[str, Tensor], bool]) -> Penalty:
        chosen = as_selector(choice)
        return self.but(selector=chosen if self.selector == everything else self.selector & chosen)

    def __mul__(self, factor: float) -> Penalty:
        return self.but(strength=self._accept(self.strength * factor))

    def __repr__(self) -> str:
        chosen = "" if self.selector == everything else f".on({self.selector!r})"
        return f"{type(self).__name__}({self.strength}){chosen}"


class L1(Penalty):
    """strength * sum |w|; its gradient is strength * sign(w), 0 where w is 0.

    >>> from tinygrad_lite.regularizers import L1
    >>> L1(0.5)([tensor([1.0, -2.0])])
    Tensor(1.5, dtype=float32)
    """

    elementwise = True

    def of(self, w: Array) -> Array:
        return ops.sum(ops.abs(w))

    def gradient(self, w: Array) -> Array:
        return ops.sign(w)


class L2(Penalty):
    """strength / 2 * sum w^2; its gradient is strength * w, so the strength is what is called weight decay.

    >>> from tinygrad_lite.regularizers import L2
    >>> L2(0.5)([tensor([1.0, -2.0])])
    Tensor(1.25, dtype=float32)
    """

    elementwise = True

    def of(self, w: Array) -> Array:
        return 0.5 * ops.sum(w * w)

    def gradient(self, w: Array) -> Array:
        return w


class Slope(Value):
    """The gradient of the sum of some penalties, as a function of one parameter's array."""

    def __init__(self, terms: tuple[Penalty, ...]) -> None:
        self.terms = terms

    @property
    def elementwise(self) -> bool:
        return all(term.elementwise for term in self.terms)

    def __call__(self, w: Array) -> Array:
        return reduce(add, (term.strength * term.gradient(w) for term in self.terms))
