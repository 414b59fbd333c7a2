"""Faster rules for primitives, by backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.codegen import FASTER_RULES, rule_wants
from ..core.op import Op

__all__ = ["rule"]

RULES: dict[str, dict[str, Callable]] = {}
"""The faster rules, by operation and backend."""


def rule(function: Callable, backend: str) -> Callable[[Callable], Callable]:
    """Declare a faster rule for the primitive `function` of one array, on the arrays of the backend.

    It asks by name for what the primitive's own asks for, or less; where it cannot, it returns NotImplemented. It lies
    in the file that declares the primitive's kernel for this backend.
    """

    def declare(quicker: Callable) -> Callable:
        op: Op = function.op  # type: ignore[attr-defined]
        RULES.setdefault(op.name, {})[backend] = quicker
        return quicker

    return declare


class _Rule:
    """A faster rule as what a backend may attempt, as it does kernels; so captured steps have it, too."""

    def __init__(self, op: Op, quicker: Callable, names: list[str]) -> None:
        self.name, self.quicker = f"{op.name}_rule", quicker
        self.places = [names.index(want) for want in rule_wants(quicker)]

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        gradient = self.quicker(*values)
        return gradient if gradient is NotImplemented else (gradient, None)


def _faster_rule(op: Op, array: str, own: Callable) -> Callable:
    if op.name not in RULES:
        return own
    names, made = list(rule_wants(own)), {}
    arrays = [place for place, name in enumerate(names) if name in ("g", "out", *op.arrays)]

    def ruled(*given: Any) -> Any:
        backend = op.backends[tuple([type(given[place]) for place in arrays])]  # in a capture g may be a constant
        where = backend.kernel_backend
        attempted = made.get(where)
        if attempted is None and where in RULES[op.name]:
            attempted = made[where] = _Rule(op, RULES[op.name][where], names)
        if attempted is not None:
            found = backend.attempt(attempted, tuple([given[place] for place in attempted.places]), {}, (True,))
            if found is not NotImplemented:
                return found[0]
        return own(*given)

    return ruled


FASTER_RULES.append(_faster_rule)
