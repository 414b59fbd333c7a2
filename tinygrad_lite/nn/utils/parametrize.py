"""Parameters that are computed from others: `layer.weight` becomes the result of a module, anew at each use.

    register_parametrization(layer, "weight", Symmetric())

What it is computed from is trained instead, under `parametrizations.weight.original`.
"""

from __future__ import annotations

from typing import Any

from ...core.errors import ShapeError, StateError
from ...core.graph import Handle, no_grad, unwrap
from ..containers import ModuleDict
from ..module import Module
from ..parameter import Parameter

__all__ = ["ParametrizationList", "is_parametrized", "register_parametrization", "remove_parametrizations"]


class ParametrizationList(Module):
    """What a parameter is computed from, `original`, or `original0`, `original1`, ..., and how, `0`, `1`, ...

    Called without arguments, it gives the parameter.
    """

    def __init__(self, first: Module, original: Any) -> None:
        self._count = 0  # of originals; 0 if there is the one
        with no_grad():
            inverse = getattr(first, "right_inverse", None)
            values = original if inverse is None else inverse(original.detach())
        if isinstance(values, (tuple, list)):
            self._count = len(values)
            for i, value in enumerate(values):
                setattr(self, f"original{i}", Parameter(unwrap(value), requires_grad=original.requires_grad))
        else:
            original.data = unwrap(values)
            self.original = original
        self._length = 0
        self.append(first)

    def append(self, parametrization: Module) -> None:
        """Compute the parameter by one more module, from what those before it give."""
        setattr(self, str(self._length), parametrization)
        self._length += 1

    def originals(self) -> list[Any]:
        """The tensors that the parameter is computed from."""
        return [getattr(self, f"original{i}") for i in range(self._count)] if self._count else [self.original]

    def forward(self) -> Any:
        value = getattr(self, "0")(*self.originals())
        for i in range(1, self._length):
            value = getattr(self, str(i))(value)
        return value

    def assign(self, value: Any) -> None:
        """Change the originals so that the parameter becomes `value`.

        Raises StateError if a module has no `right_inverse`.
        """
        with no_grad():
            for i in reversed(range(self._length)):
                module = getattr(self, str(i))
                if not hasattr(module, "right_inverse"):
                    raise StateError(
                        f"{type(module).__name__}: a value cannot be assigned to what it computes; it has no "
                        f"right_inverse. Assign to its original."
                    )
                value = module.right_inverse(value.detach() if isinstance(value, Handle) else value)
        values = value if self._count else [value]
        for original, new in zip(self.originals(), values, strict=True):
            original.data = unwrap(new)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `parametrization` compute a parameter of `module` from the tensor that it has been.

    parametrization : its forward takes that tensor. If it has `right_inverse`, that gives the tensor, or several, from
        which it computes the parameter's present value. After another parametrization, it takes what that gives.
    unsafe : whether the shape may change.

    Returns the module. Make optimizers afterwards. Raises StateError if there is no such tensor, ShapeError for another
    shape.

    >>> class Doubled(nn.Module):
    ...     def forward(self, x):
    ...         return 2.0 * x
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(2, 1), "weight", Doubled())
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    own = vars(module)
    known = is_parametrized(module, tensor_name)
    if not known and not isinstance(own.get(tensor_name), Handle):
        raise StateError(f"register_parametrization: {type(module).__name__} has no tensor {tensor_name!r}.")
    before = getattr(module, tensor_name)
    shape = tuple(before.shape)
    if known:
        entry = own["parametrizations"][tensor_name]
        if not unsafe:
            _check(parametrization, tuple(parametrization(before).shape), shape)
        entry.append(parametrization)
        return module
    entry = ParametrizationList(parametrization, before)
    if not unsafe:
        _check(parametrization, tuple(entry().shape), shape)
    delattr(module, tensor_name)
    if "parametrizations" not in own:
        module.parametrizations = ModuleDict()  # type: ignore[attr-defined]
    own["parametrizations"][tensor_name] = entry
    return module


def _check(parametrization: Module, new: tuple[int, ...], old: tuple[int, ...]) -> None:
    if new != old:
        raise ShapeError(
            f"register_parametrization: {type(parametrization).__name__} gives {new} for a tensor of shape {old}; they "
            f"must be equal, or give unsafe=True."
        )


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a tensor of `module` a parameter again.

    leave_parametrized : with its present value; otherwise with that of the original, if there is only one.

    Returns the module. Raises StateError if it is not parametrized, or for several originals.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))
    >>> list(nn.utils.parametrize.remove_parametrizations(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise StateError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrized.")
    entries = vars(module)["parametrizations"]
    originals = entries[tensor_name].originals()
    single = len(originals) == 1
    if not leave_parametrized and not single:
        raise StateError(
            f"remove_parametrizations: {tensor_name} is computed from {len(originals)} tensors; only "
            f"leave_parametrized=True is possible."
        )
    with no_grad():
        value = unwrap(getattr(module, tensor_name))
    del entries[tensor_name]
    if len(entries) == 0:
        del module.parametrizations
    parameter = originals[0] if single else Parameter(value, requires_grad=originals[0].requires_grad)
    if leave_parametrized:
        parameter.data = value
    setattr(module, tensor_name, parameter)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the tensor of that name, or any, is computed by a parametrization."""
    entries = vars(module).get("parametrizations")
    return entries is not None and (tensor_name is None or tensor_name in entries)
