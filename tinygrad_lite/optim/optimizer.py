"""What all optimizers share: whose parameters they are, stepping, and state by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

from ..core.backend import backend_of
from ..core.effects import replayed
from ..core.errors import GradientError, StateError
from ..core.graph import unwrap
from ..nn import Module, named_tensors
from ..ops.creation import to_array
from ..tensor import Tensor
from .flat import FlatGroup, flat_groups

__all__ = ["Decay", "Optimizer"]


class Decay(Protocol):
    """What `decay=` takes: anything that knows the gradient of a penalty, such as the values of `regularizers`."""

    def slopes(self, named: list[tuple[str, Tensor]]) -> dict[str, Callable[[Any], Any]]:
        """For each name that is penalised, the function from its array to the gradient of the penalty there."""
        ...


class Optimizer:
    """Base of the optimizers. A subclass names its hyperparameters and state, and defines `update`.

    params : a Module, an iterable of Tensors, or a dict or pairs of name and Tensor. Their `data` become views of flat
        buffers; binding other data to them later is noticed.
    lr : learning rate, a plain attribute that may be changed at any time, as all hyperparameters may.
    decay : a penalty whose gradient is subtracted in the update instead of the loss ("decoupled"):
        w <- w - lr * (direction + gradient of the penalty at w).

    Raises ValueError for a negative lr or no parameters, GradientError for a tensor that is the result of an operation
    or is given twice.
    """

    hyper: ClassVar[tuple[str, ...]] = ("lr",)
    """Names of the attributes that `update` gets."""

    def __init__(
        self, params: Module | Iterable[Any] | Mapping[str, Tensor], lr: float, *, decay: Decay | None = None
    ) -> None:
        self.lr = lr
        self.decay = decay
        kind = type(self).__name__
        named = named_tensors(params, kind)
        if not named:
            raise ValueError(f"{kind}: there are no parameters to train; an optimizer needs at least one.")
        self._check(named)
        self._slopes = {} if decay is None else decay.slopes(named)
        self.groups: list[FlatGroup] = flat_groups(named)
        self.require(lr=lr)

    def _check(self, named: list[tuple[str, Tensor]]) -> None:
        kind = type(self).__name__
        for name, tensor in named:
            if not tensor.is_leaf:
                raise GradientError(
                    f"{kind}: parameter {name!r} is the result of an operation; only leaves can be trained. "
                    f"Give the tensors that it was computed from, or tensor.detach()."
                )
        for what, keys in (("name", [name for name, _ in named]), ("tensor", [id(tensor) for _, tensor in named])):
            counts = Counter(keys)
            twice = [repr(name) for key, (name, _) in zip(keys, named, strict=True) if counts[key] > 1]
            if twice:
                raise GradientError(f"{kind}: the same {what} is given twice, as {', '.join(twice)}; give each once.")

    def require(self, **values: float) -> None:
        """Raise ValueError for a negative hyperparameter."""
        for name, value in values.items():
            if not value >= 0:
                raise ValueError(f"{type(self).__name__}: {name} is {value}; it must be at least 0.")

    def choose_decay(self, weight_decay: float, decay: Decay | None) -> float:
        """`weight_decay`, or ValueError if `decay` is given too."""
        if weight_decay and decay is not None:
            raise ValueError(
                f"{type(self).__name__}: weight_decay={weight_decay} and decay={decay!r}; give one of them, for "
                f"example decay={decay!r} + L2({weight_decay})."
            )
        return weight_decay

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the arrays that `update` keeps from step to step, each of the parameter's shape."""
        return ()

    @staticmethod
    def update(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The rule: the new parameter and state, elementwise, from arrays of one shape, none of which it changes.

        hyper : the hyperparameters by name, and `step`, which is 1 in a parameter's first update.
        """
        raise NotImplementedError

    # Training

    @replayed
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: each `grad` becomes None."""
        for group in self.groups:
            for parameter in group.parameters:
                if parameter.requires_grad:
                    parameter.grad = None

    @replayed
    def step(self) -> None:
        """Update every parameter that has a gradient; the others and their state stay as they are."""
        hyper = {name: getattr(self, name) for name in self.hyper}
        names = self.state_names

        def rule(param: Any, grad: Any, state: dict[str, Any], step: int) -> tuple[Any, dict[str, Any]]:
            return self.update(param, grad, state, hyper | {"step": step})

        for group in self.groups:
            group.take_in()
            present = group.gather()
            if self._slopes:
                group.decay(present, self._slopes, self.lr)
            group.update(present, rule, names)

    # State

    def state_dict(self) -> dict[str, Any]:
        """The hyperparameters, and by parameter name the number of its updates and copies of its state arrays.

        `{"optimizer": "Adam", "hyper": {"lr": ...}, "state": {"layers.0.weight": {"step": 3, "exp_avg": ...}}}`.
        Loaded into an equal optimizer, training goes on bit for bit. A penalty given as `decay` is not part of it.
        """
        state: dict[str, dict[str, Any]] = {}
        for group in self.groups:
            arrays = {name: group.views(buffer) for name, buffer in group.state.items()}
            for i, name in enumerate(group.names):
                state[name] = {"step": group.steps[i]}
                if group.steps[i]:
                    state[name] |= {key: backend_of(views[i]).copy(views[i]) for key, views in arrays.items()}
        hyper = {name: getattr(self, name) for name in self.hyper}
        return {"optimizer": type(self).__name__, "hyper": hyper, "state": state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over hyperparameters and state from `state_dict` of an optimizer of the same kind and parameters.

        Raises StateError, listing what does not fit; nothing is loaded then.
        """
        self._check_saved(saved)
        for name in self.hyper:
            value = saved["hyper"][name]
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        for group in self.groups:
            entries = [saved["state"][name] for name in group.names]
            group.steps = [int(entry["step"]) for entry in entries]
            group.state = {}
            for i, entry in enumerate(entries):
                for key, value in entry.items():
                    if key != "step":
                        array = to_array(unwrap(value), dtype=group.dtype, device=group.device)
                        group.views(group.buffer(key))[i][...] = array

    def _check_saved(self, saved: Mapping[str, Any]) -> None:
        kind = type(self).__name__
        if saved.get("optimizer") != kind:
            other = saved.get("optimizer")
            raise StateError(f"{kind}.load_state_dict: the state is of {other!r}; it must be of {kind!r}.")
        shapes = {name: shape for group in self.groups for name, shape in zip(group.names, group.shapes, strict=True)}
        state, hyper = saved["state"], saved["hyper"]
        misshapen = [
            f"{key} of {name} is {tuple(value.shape)} and must be {shapes[name]}"
            for name, entry in state.items()
            for key, value in entry.items()
            if name in shapes and key != "step" and tuple(value.shape) != shapes[name]
        ]
        problems = {
            "missing": [n for n in shapes if n not in state] + [n for n in self.hyper if n not in hyper],
            "unexpected": [name for name in state if name not in shapes],
            "misshapen": misshapen,
        }
        if any(problems.values()):
            text = "; ".join(f"{what}: {', '.join(entries)}" for what, entries in problems.items() if entries)
            raise StateError(f"{kind}.load_state_dict: the state does not fit the parameters; {text}.")

    def __repr__(self) -> str:
        settings = [f"{name}={getattr(self, name)!r}" for name in self.hyper]
        settings += [] if self.decay is None else [f"decay={self.decay!r}"]
        count = sum(len(group.parameters) for group in self.groups)
        return f"{type(self).__name__}({count} parameters, {', '.join(settings)})"
