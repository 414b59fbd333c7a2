"""Parameter groups: which parameters share hyperparameters, and under which names an optimizer knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.backend import backend_of
from ..core.errors import DTypeError, GradientError
from ..nn import Module, named_tensors
from ..tensor import Tensor
from .flat import FlatGroup

__all__ = ["Named", "ParamGroup", "given_groups", "unique_names"]

Named = list[tuple[str, Tensor]]


class ParamGroup(dict[str, Any]):
    """The hyperparameters of some parameters by name, and the parameters as `"params"`; values may be changed any time.

    flat : the same parameters in flat buffers, one per device, dtype and `requires_grad`.
    """

    def __init__(self, named: Named, hyper: Mapping[str, Any]) -> None:
        super().__init__(params=[tensor for _, tensor in named], **hyper)
        self.names = [name for name, _ in named]
        self.flat: list[FlatGroup] = _flat_groups(named)

    def take_in(self) -> bool:
        """Take over what was bound to the parameters' `data`, see `FlatGroup.take_in`.

        Where parameters were moved to another device, such as by `model.to("cuda")`, their state follows, bit for bit.
        Returns whether any were.
        """
        if all([flat.take_in() for flat in self.flat]):
            return False
        before = {name: (flat, j) for flat in self.flat for j, name in enumerate(flat.names)}
        self.flat = _flat_groups(self.named)
        for flat in self.flat:
            with backend_of(flat.data).on(flat.data):
                for i, name in enumerate(flat.names):
                    flat.inherit(i, *before[name])
        return True

    @property
    def hyper(self) -> dict[str, Any]:
        """Everything but the parameters."""
        return {name: value for name, value in self.items() if name != "params"}

    @property
    def named(self) -> Named:
        """Pairs of name and parameter."""
        return list(zip(self.names, self["params"], strict=True))


def given_groups(params: Any, kind: str) -> list[dict[str, Any]]:
    """What a user gives as parameters, as a list of dicts with `"params"` and hyperparameters of their own.

    Raises DTypeError for a mixture of dicts and others, and for a dict without `"params"`.
    """
    if isinstance(params, (Module, Mapping, Tensor)) or not isinstance(params, Iterable):
        return [{"params": params}]
    entries = list(params)
    if not any(isinstance(entry, dict) for entry in entries):
        return [{"params": entries}]
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or "params" not in entry:
            found = f"a dict with {sorted(entry)}" if isinstance(entry, dict) else f"a {type(entry).__name__}"
            raise DTypeError(
                f"{kind}: parameter group {i} is {found}; each must be a dict with 'params' and the hyperparameters "
                f"that differ from the others'."
            )
    return entries


def unique_names(params: Any, taken: Named, groups: int, kind: str) -> Named:
    """The parameters of a further group with their names.

    Parameters without names are numbered on; where a name is taken, all of the group's begin with `groups.1.`.

    Raises GradientError for a tensor that is the result of an operation, and for what is given twice.
    """
    anonymous = not isinstance(params, (Module, Mapping)) and isinstance(params, Iterable)
    if anonymous and not isinstance(params, Tensor):
        params = list(params)
        if not any(isinstance(entry, tuple) for entry in params):
            params = {len(taken) + i: entry for i, entry in enumerate(params)}
    named = named_tensors(params, kind)
    known = {name for name, _ in taken}
    if any(name in known for name, _ in named):
        named = [(f"groups.{groups}.{name}", tensor) for name, tensor in named]
    for name, tensor in named:
        if not tensor.is_leaf:
            raise GradientError(
                f"{kind}: parameter {name!r} is the result of an operation; only leaves can be trained. "
                f"Give the tensors that it was computed from, or tensor.detach()."
            )
    together = [*taken, *named]
    for what, keys in (("name", [name for name, _ in together]), ("tensor", [id(tensor) for _, tensor in together])):
        counts = Counter(keys)
        twice = [repr(name) for key, (name, _) in zip(keys, together, strict=True) if counts[key] > 1]
        if twice:
            raise GradientError(f"{kind}: the same {what} is given twice, as {', '.join(twice)}; give each once.")
    return named


def _flat_groups(parameters: Sequence[tuple[str, Tensor]]) -> list[FlatGroup]:
    """The named parameters in as few groups as possible.

    Frozen parameters are kept apart: no state is allocated for them unless they get a gradient one day.
    """
    kinds: dict[tuple, list[tuple[str, Tensor]]] = {}
    for name, parameter in parameters:
        kind = (parameter.device, str(parameter.dtype), parameter.requires_grad)
        kinds.setdefault(kind, []).append((name, parameter))
    return [FlatGroup(group) for group in kinds.values()]
