"""Penalties on parameters, as values: scaled, added, put on a selection, and used in one of three places.

    penalty = L2(1e-4).on(matrices) + L1(1e-5).on(named("embedding"))
    loss = cross_entropy(model(x), y) + penalty(model)          # coupled: its gradient goes through the optimizer
    optimizer = AdamW(model, lr=3e-4, decay=penalty)            # decoupled: w <- w - lr * (direction + its gradient)
    optimizer = SGD(model, lr=0.1, project=penalty)             # proximal: then w <- prox(w, lr * strength)

For plain gradient descent the first two are the same; with momentum or adaptive steps they are not
(I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, arXiv:1711.05101).

The proximal map of a penalty is prox(w, t) = argmin over v of |v - w|^2 / 2 + t * penalty(v). It goes where
the gradient cannot, past the kink: L1 gives weights that are exactly 0.
Source: N. Parikh, S. Boyd, Proximal algorithms, 2014.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any, ClassVar

from ..autodiff.transforms import grad
from ..core.op import Array
from ..core.value import Value
from ..nn import Module, named_tensors
from ..tensor import Tensor
from .selection import Selector, as_selector, everything
from .strength import Strength

__all__ = ["Penalty", "Regularizer", "Sum", "Term"]

Named = Sequence[tuple[str, Tensor]]


class Regularizer(Value):
    """A sum of penalties and constraints. Called on a model it is a scalar; `+`, `*` by a number and `.on` make new."""

    def terms(self) -> tuple[Term, ...]:
        """The single penalties and constraints that are added up."""
        raise NotImplementedError

    def __call__(self, model: Module | Iterable[Any]) -> Tensor:
        """The penalty of a Module's parameters, or of named or plain Tensors: a scalar to add to the loss.

        Raises ValueError if a term selects no parameter, TypeError for a constraint, which has no value.
        """
        named = named_tensors(model, "penalty")
        return reduce(
            add,
            (
                float(term.strength) * reduce(add, (term.of(p) for _, p in term.select(named)))
                for term in self._penalties()
            ),
        )

    def slopes(self, named: Named) -> dict[str, Callable[[Array], Array]]:
        """What `decay=` needs: by name, the function from a parameter's array to the gradient of the penalty there.

        A function has the attribute `elementwise` if it may be applied to any part of the array alone.
        """
        return {name: Slope(terms) for name, terms in _by_name(self._penalties(), named).items()}

    def projections(self, named: Named) -> dict[str, Callable[[Array, float], Array]]:
        """What `project=` needs: by name, the function from a parameter's array and the learning rate to the new array.

        The proximal maps of the penalties, then the projections of the constraints, in their order.

        Raises ValueError for penalties without a proximal map, and if that of their sum is not known.
        """
        return {name: Maps(terms) for name, terms in _by_name(self.terms(), named).items()}

    def _penalties(self) -> tuple[Penalty, ...]:
        for term in self.terms():
            if not isinstance(term, Penalty):
                raise TypeError(
                    f"penalty: {term!r} is a constraint, which has no value and no gradient; give it to the optimizer "
                    f"as project=."
                )
        return self.terms()  # pyright: ignore[reportReturnType]

    def on(self, choice: Callable[[str, Tensor], bool]) -> Regularizer:
        """The same on fewer parameters: a selector such as `matrices`, or any predicate on name and parameter."""
        return Sum(tuple(term.on(choice) for term in self.terms()))

    def __add__(self, other: Regularizer) -> Regularizer:
        return Sum(self.terms() + other.terms()) if isinstance(other, Regularizer) else NotImplemented

    def __mul__(self, factor: float) -> Regularizer:
        return Sum(tuple(term * factor for term in self.terms()))

    def __rmul__(self, factor: float) -> Regularizer:
        return self * factor


def _by_name(terms: Iterable[Any], named: Named) -> dict[str, tuple[Any, ...]]:
    """The terms that are on a parameter, for each that is selected by any."""
    found: dict[str, tuple[Any, ...]] = {}
    for term in terms:
        for name, _ in term.select(named):
            found[name] = (*found.get(name, ()), term)
    return found


class Sum(Regularizer):
    """Several terms added up; what `a + b` makes."""

    def __init__(self, parts: tuple[Term, ...]) -> None:
        self.parts = parts

    def terms(self) -> tuple[Term, ...]:
        return self.parts

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.parts))


class Term(Regularizer):
    """One penalty or constraint, on a selection of parameters."""

    elementwise = False
    """Whether the gradient, the proximal map or the projection may be applied to any part of an array alone."""

    choice: ClassVar[Selector] = everything
    """The parameters that it is on unless `on` chooses from these."""

    place: ClassVar[int] = 1
    """The order in which several maps are applied to a parameter: L1, norms, L2, constraints."""

    strength: float | Strength = 1.0
    selector: Selector

    def prox(self, w: Array, t: float) -> Array:
        """What is left of the array w after the update, for t = learning rate * strength."""
        raise NotImplementedError

    def terms(self) -> tuple[Term, ...]:
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

    def on(self, choice: Callable[[str, Tensor], bool]) -> Term:
        chosen = as_selector(choice)
        return self.but(selector=chosen if self.selector == everything else self.selector & chosen)

    def __mul__(self, factor: float) -> Term:
        raise NotImplementedError

    def __repr__(self) -> str:
        settings = {name: value for name, value in vars(self).items() if name not in ("strength", "selector")}
        shown = [repr(self.strength)] if "strength" in vars(self) else []
        shown += [f"{name}={value!r}" for name, value in settings.items()]
        chosen = "" if self.selector == self.choice else f".on({self.selector!r})"
        return f"{type(self).__name__}({', '.join(shown)}){chosen}"


class Penalty(Term):
    """One penalty, strength * of(w), for each selected parameter w. Subclass it and define `of` for one of your own.

    strength : a number, or a `Strength`, which a schedule may change.

    Defining `prox` too makes it good for `project=`; `gradient` need only be defined where it can be cheaper.

    >>> from tinygrad_lite.regularizers import Penalty
    >>> class Quartic(Penalty):
    ...     def of(self, w):
    ...         return (w**4).sum()
    >>> Quartic(2.0)([tensor([1.0, 2.0])])
    Tensor(34., dtype=float32)
    """

    homogeneous: ClassVar[bool] = False
    """Whether of(a * w) = a * of(w) for a > 0; then L2 after its proximal map gives that of their sum."""

    def __init__(self, strength: float | Strength, selector: Selector | None = None) -> None:
        self.strength = self._accept(strength)
        self.selector = self.choice if selector is None else selector

    def _accept(self, strength: Any) -> Any:
        if not float(strength) >= 0:
            raise ValueError(f"{type(self).__name__}: strength is {strength}; it must be at least 0.")
        return strength

    def of(self, w: Array) -> Array:
        """The penalty of one parameter at strength 1, a scalar, written with operations."""
        raise NotImplementedError(f"{type(self).__name__}: define of(self, w), the penalty of one parameter.")

    def gradient(self, w: Array) -> Array:
        """The gradient of `of` at the array w."""
        return grad(self.of)(w)

    def __mul__(self, factor: float) -> Penalty:
        return self.but(strength=self._accept(self.strength * factor))


class Slope(Value):
    """The gradient of the sum of some penalties, as a function of one parameter's array."""

    def __init__(self, terms: tuple[Penalty, ...]) -> None:
        self.terms = terms

    @property
    def elementwise(self) -> bool:
        return all(term.elementwise for term in self.terms)

    def __call__(self, w: Array) -> Array:
        return reduce(add, (float(term.strength) * term.gradient(w) for term in self.terms))


class Maps(Value):
    """The proximal map of the sum of some penalties, and projections, as a function of one array and the rate."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = tuple(sorted(terms, key=lambda term: term.place))
        penalties = [term for term in self.terms if isinstance(term, Penalty)]
        for term in penalties:
            if type(term).prox is Term.prox:
                raise ValueError(
                    f"project: {term!r} has no proximal map; add it to the loss, or give it to the optimizer as decay=."
                )
        if not _known_sum(penalties):
            raise ValueError(
                f"project: the proximal map of {Sum(tuple(penalties))!r} on one parameter is not known; add one of "
                f"them to the loss, or give it to the optimizer as decay=."
            )

    @property
    def elementwise(self) -> bool:
        return all(term.elementwise for term in self.terms)

    def __call__(self, w: Array, lr: float) -> Array:
        for term in self.terms:
            w = term.prox(w, lr * float(term.strength))
        return w


def _known_sum(penalties: Sequence[Penalty]) -> bool:
    """Whether the proximal map of the sum is that of its terms, one after the other in their order.

    So it is for equal ones, for L1 before a norm of groups, and for L2 after what is homogeneous
    (Y. Yu, On decomposing the proximal map, 2013, arXiv:1305.0094, theorem 4 and proposition 2).
    """
    kinds = {term.but(strength=0.0, selector=everything): term for term in penalties}.values()
    others = [term for term in kinds if term.place != LAST]
    if len(others) > 1:
        return len(others) == 2 and others[0].place == FIRST and getattr(others[1], "groups", False)
    return len(kinds) == len(others) or all(term.homogeneous for term in others)


FIRST, LAST = 0, 2
"""The places of L1 and of L2."""
