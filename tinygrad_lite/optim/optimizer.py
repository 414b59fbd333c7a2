"""What all optimizers share: whose parameters they are, stepping, and state by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypedDict

from ..core.backend import backend_of
from ..core.effects import active_capture, once, replayed
from ..core.errors import CaptureError, StateError
from ..core.graph import enable_grad, unwrap
from ..nn import Module
from ..ops.creation import to_array
from ..tensor import Tensor
from .adjusting import LEFT_OUT, Adjustment, adjustment, shrinking
from .counts import Numbers
from .flat import FlatGroup
from .groups import Named, ParamGroup, given_groups, unique_names
from .saved import check_saved

__all__ = ["Common", "Constraint", "Decay", "Optimizer", "State"]

State = dict[str, Any]


class Decay(Protocol):
    """What `decay=` takes: anything that knows the gradient of a penalty, such as the values of `regularizers`."""

    def slopes(self, named: Named) -> dict[str, Callable[[Any], Any]]:
        """For each name that is penalised, the function from its array to the gradient of the penalty there.

        A function whose attribute `elementwise` is true may be applied to any part of the array alone.
        """
        ...


class Constraint(Protocol):
    """What `project=` takes: anything that knows maps for after an update, such as projections and proximal maps."""

    def projections(self, named: Named) -> dict[str, Callable[[Any, float], Any]]:
        """For each name that is constrained, the function `f(array, lr)` whose result takes the array's place.

        It changes no array. With a true attribute `elementwise` it may be applied to any part of the array alone.
        """
        ...


class Common(TypedDict, total=False):
    """The arguments that every optimizer passes on to `Optimizer`."""

    maximize: bool
    clip_norm: float | None
    clip_value: float | None
    decay: Decay | None
    project: Constraint | None


class Optimizer:
    """Base of the optimizers. A subclass gives its hyperparameters to `__init__` and defines `update`.

    params : a Module, an iterable of Tensors, or a dict or pairs of name and Tensor; or a list of dicts, each with
        such `"params"` and the hyperparameters that are its own. Their `data` become views of flat buffers; binding
        other data to them later is noticed, and if they are moved to another device, their state follows.
    lr : learning rate. Hyperparameters are attributes that may be changed at any time, for all groups at once; those
        of one group are `optimizer.param_groups[i]["lr"]`.
    maximize : go up the gradient instead of down.
    clip_norm : each step first scales all gradients by one factor, so that their norm is at most this; see
        `clip_grad_norm`, for which it needs no pass of its own. clip_value : or limits each element to it.
    decay : a penalty whose gradient is subtracted in the update instead of the loss ("decoupled"):
        w <- w - lr * (direction + gradient of the penalty at w).
    project : a constraint or proximal map that is applied to parameters after they were updated.
    hyper : further hyperparameters. What `weight_decay` means, see `decoupled`.

    Raises ValueError for hyperparameters out of range or no parameters, GradientError for a tensor that is the result
    of an operation or is given twice.
    """

    elementwise: ClassVar[bool] = True
    """Whether `update` may be applied to any part of a parameter alone, with `fusion.norms.norm_of_each` for norms of
    whole parameters; if not, it gets one whole parameter."""

    decoupled: ClassVar[bool | None] = False
    """What `weight_decay` does before `update`: False adds weight_decay * w to the gradient, True multiplies w by
    1 - lr * weight_decay, None does nothing, `update` then has it. A hyperparameter `decoupled_weight_decay` decides
    instead where there is one."""

    usual_decay: ClassVar[float] = 0.0
    """What `weight_decay` is where it is None and no `decay` is given."""

    nonnegative: ClassVar[tuple[str, ...]] = ("lr", "weight_decay", "eps", "momentum")
    below_one: ClassVar[tuple[str, ...]] = ("betas",)
    """Hyperparameters, or pairs of them, that must be at least 0, and at least 0 and less than 1."""

    numbers: ClassVar[dict[str, float]] = {}
    """Numbers in the state of each parameter, beside the count of its updates, with their values at first."""

    def __init__(
        self,
        params: Module | Iterable[Any] | Mapping[str, Tensor],
        lr: float,
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        decay: Decay | None = None,
        project: Constraint | None = None,
        **hyper: Any,
    ) -> None:
        defaults = {"lr": lr, **hyper, "maximize": maximize}
        if defaults.get("weight_decay", 0.0) is None:
            defaults["weight_decay"] = self.usual_decay if decay is None else 0.0
        self.defaults = {name: tuple(v) if isinstance(v, list) else v for name, v in defaults.items()}
        self.decay, self.project = decay, project
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.param_groups: list[ParamGroup] = []
        self.check(self.defaults)
        for group in given_groups(params, type(self).__name__):
            self.add_param_group(group)
        if not any(group["params"] for group in self.param_groups):
            kind = type(self).__name__
            raise ValueError(f"{kind}: there are no parameters to train; an optimizer needs at least one.")

    # Hyperparameters as attributes

    def __getattr__(self, name: str) -> Any:
        if name not in vars(self).get("defaults", ()):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        values = [group[name] for group in self.param_groups] or [self.defaults[name]]
        if any(value != values[0] for value in values):
            raise StateError(
                f"{type(self).__name__}: {name} differs from group to group, {', '.join(map(repr, values))}; "
                f"read it from optimizer.param_groups[i][{name!r}]."
            )
        return values[0]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self).get("defaults", ()):
            for group in self.param_groups:
                group[name] = value
        else:
            object.__setattr__(self, name, value)

    def check(self, hyper: Mapping[str, Any]) -> None:
        """Raise ValueError for hyperparameters out of range. Subclasses add to it what `nonnegative` cannot say."""
        kind = type(self).__name__
        for name in self.nonnegative:
            if name in hyper and not hyper[name] >= 0:
                raise ValueError(f"{kind}: {name} is {hyper[name]}; it must be at least 0.")
        for name in self.below_one:
            value = hyper.get(name, 0.0)
            pair = isinstance(value, tuple)
            if not all(0 <= x < 1 for x in (value if pair else (value,))):
                each = "each" if pair else "it"
                raise ValueError(f"{kind}: {name} is {value}; {each} must be at least 0 and less than 1.")
        if hyper.get("weight_decay") and self.decay is not None:
            strength = hyper["weight_decay"]
            raise ValueError(
                f"{kind}: weight_decay={strength} and decay={self.decay!r}; give one of them, for example "
                f"decay={self.decay!r} + L2({strength})."
            )

    # Parameters

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Train further parameters: a dict with `"params"` and the hyperparameters that are its own."""
        kind, number = type(self).__name__, len(self.param_groups)
        own = {name: tuple(v) if isinstance(v, list) else v for name, v in group.items() if name != "params"}
        unknown = [name for name in own if name not in self.defaults]
        if unknown:
            raise ValueError(
                f"{kind}: parameter group {number} has {', '.join(map(repr, unknown))}; the hyperparameters of {kind} "
                f"are {', '.join(self.defaults)}."
            )
        hyper = self.defaults | own
        self.check(hyper)
        taken = self._named()
        named = unique_names(group["params"], taken, number, kind)
        self.check_parameters(named)
        self._slopes = {} if self.decay is None else shrinking(self.decay.slopes(taken + named))
        self._projections = {} if self.project is None else self.project.projections(taken + named)
        self.param_groups.append(ParamGroup(named, hyper))

    def check_parameters(self, named: Named) -> None:
        """Raise an error for parameters that this optimizer cannot train."""

    def _named(self) -> Named:
        return [pair for group in self.param_groups for pair in group.named]

    @property
    def groups(self) -> list[FlatGroup]:
        """The flat buffers of all parameter groups."""
        return [flat for group in self.param_groups for flat in group.flat]

    # The rule

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        """Names of the arrays in the state of an elementwise rule, with the number that each is filled with at first.

        Each has the parameter's shape.
        """
        return {}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        """The rule: the new parameter and state, from arrays of one shape, none of which it changes.

        state : what the last update returned, arrays and `numbers`; in the first one of a rule that is not
            `elementwise` there are no arrays.
        hyper : the hyperparameters by name, and `step`, which is 1 in a parameter's first update. Once a loss scaler
            has left steps out on a GPU, it and `numbers` are no Python numbers, see `fusion/device_numbers.py`.
        """
        raise NotImplementedError

    def _rule(self, param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        if hyper.get("maximize"):
            grad = -grad
        strength = hyper.get("weight_decay")
        decoupled = hyper.get("decoupled_weight_decay", self.decoupled)
        if strength and decoupled is not None:
            if decoupled:
                param = param * (1 - hyper["lr"] * strength)
            else:
                grad = grad + strength * param
        return self.update(param, grad, state, hyper)

    # Training

    @replayed(graph="forgets")
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: each `grad` becomes None."""
        for group in self.groups:
            for parameter in group.parameters:
                if parameter.requires_grad:
                    parameter.grad = None

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> Any:
        """Update every parameter that has a gradient; the others and their state stay as they are.

        closure : called before the update; sets the gradients anew and returns the loss, which is then returned.
        scaler : given by `GradScaler.step`, which is to be called instead.
        """
        if closure is None:
            self._step(scaler)
            return None
        if active_capture.get() is not None:
            raise CaptureError(
                f"jit: {type(self).__name__}.step was given a closure, which replays would not follow; compute the "
                f"loss and its gradients in the step itself, or do not capture it."
            )
        with enable_grad():
            loss = closure()
        self._step()
        return loss

    @replayed(graph="refreshed")
    def _step(self, scaler: Any = None) -> None:
        gathered: list[tuple[ParamGroup, FlatGroup, list[int]]] = []
        for group in self.param_groups:
            once(group.take_in)
            for flat in group.flat:
                with backend_of(flat.data).on(flat.data):
                    gathered.append((group, flat, flat.present()))
        found = None
        if scaler is not None or self.clip_norm is not None or self.clip_value is not None:
            found = adjustment(self, [(flat, present) for _, flat, present in gathered], scaler)
        for group, flat, present in gathered if found is not LEFT_OUT else ():
            with backend_of(flat.data).on(flat.data):
                here = found and found.on(flat.device)
                self._step_flat(flat, present, group.hyper, here)

    def _step_flat(
        self, flat: FlatGroup, present: list[int], hyper: dict[str, Any], adjusted: Adjustment | None
    ) -> None:
        beside = [] if adjusted is None else adjusted.arrays
        if adjusted is not None and adjusted.skip is not None:
            flat.count_on_device(tuple(self.numbers.values()))

        def rule(param: Any, grad: Any, state: State, numbers: Numbers, *beside: Any) -> tuple[Any, State, Numbers]:
            step, here = numbers[0] + 1, None
            if adjusted is not None:
                here = adjusted.given(beside, flat.kept)
                grad = here.gradient(grad)
            held = state if len(numbers) == 1 and not self.numbers else state | self._held(numbers)
            new, kept = self._rule(param, grad, held, {**hyper, "step": step})
            after = (step, *(kept[name] for name in self.numbers))
            if self.numbers:
                kept = {name: value for name, value in kept.items() if name not in self.numbers}
            if here is not None:
                new, kept, after = here.chosen(param, new), here.kept(state, kept), here.counted(numbers, after)
            return new, kept, after

        if self._slopes:
            flat.apply(present, self._slopes, hyper["lr"], adjusted and adjusted.skip)
        if self.elementwise:
            flat.update(present, rule, self.state_arrays(hyper), beside)
        else:
            flat.update_whole(present, rule, beside)
        if self._projections:
            flat.apply(present, self._projections, hyper["lr"], adjusted and adjusted.skip)

    def train(self) -> None:
        """Before training: for the optimizers whose parameters differ between training and evaluation."""

    def eval(self) -> None:
        """Before evaluation: for the optimizers whose parameters differ between training and evaluation."""

    def _held(self, numbers: Numbers) -> dict[str, float]:
        """The numbers in a parameter's state, without the count."""
        return dict(zip(self.numbers, numbers[1:] or self.numbers.values(), strict=True))

    # State

    def state_dict(self) -> dict[str, Any]:
        """The groups' hyperparameters, and by parameter name the number of its updates and copies of its state.

        `{"optimizer": "Adam", "param_groups": [{"lr": 0.1, ..., "params": ["0.weight", ...]}],
        "state": {"0.weight": {"step": 3, "exp_avg": ...}, ...}}`. Loaded into an equal optimizer, training goes on bit
        for bit. What was given as `decay` and `project` is not part of it.
        """
        state: dict[str, State] = {}
        for flat in self.groups:
            arrays = {name: flat.views(buffer) for name, buffer in flat.state.items()}
            masters = flat.masters()
            arrays |= {} if masters is None else {"master": masters}
            for i, (name, numbers) in enumerate(zip(flat.names, flat.read_numbers(), strict=True)):
                entry = state[name] = {"step": numbers[0], **self._held(numbers)}
                if numbers[0] or numbers[1:] not in ((), tuple(self.numbers.values())):
                    held = {key: views[i] for key, views in arrays.items()} | flat.own[i]
                    entry |= {key: backend_of(array).copy(array) for key, array in held.items()}
        groups = [{**group.hyper, "params": list(group.names)} for group in self.param_groups]
        return {"optimizer": type(self).__name__, "param_groups": groups, "state": state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over hyperparameters and state from `state_dict` of an optimizer of the same kind and parameters.

        Raises StateError, listing what does not fit; nothing is loaded then.
        """
        check_saved(self, saved)
        for group, other in zip(self.param_groups, saved["param_groups"], strict=True):
            hyper = {name: value for name, value in other.items() if name != "params"}
            group |= {name: tuple(value) if isinstance(value, list) else value for name, value in hyper.items()}
        for group in self.param_groups:
            initial = self.state_arrays(group.hyper)
            for flat in group.flat:
                self._load(flat, saved, initial)

    def _load(self, flat: FlatGroup, saved: Mapping[str, Any], initial: Mapping[str, float]) -> None:
        """Take over the state of some parameters, in place: a captured step knows where it is."""
        flat.own = [{} for _ in flat.names]
        with backend_of(flat.data).on(flat.data):
            for name, buffer in flat.state.items():
                buffer[...] = initial.get(name, 0.0)
            entries = [saved["state"][name] for name in flat.names]
            flat.write_numbers([(int(entry["step"]), *(float(entry[k]) for k in self.numbers)) for entry in entries])
            for i, entry in enumerate(entries):
                for key, value in entry.items():
                    if key == "step" or key in self.numbers:
                        continue
                    array = to_array(unwrap(value), dtype=flat.kept, device=flat.device)
                    if key == "master":
                        flat.keep_saved(i, array)
                    elif self.elementwise:
                        with backend_of(array).on(array):
                            flat.views(flat.buffer(key, initial.get(key, 0.0)))[i][...] = array
                    else:
                        flat.own[i][key] = backend_of(array).copy(array)

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            settings = [f"{name}={value!r}" for name, value in group.hyper.items()]
            settings += [
                f"{name}={value!r}"
                for name, value in vars(self).items()
                if name in ("decay", "project") and value is not None
            ]
            lines.append(f"{len(group.names)} parameters, {', '.join(settings)}")
        inside = lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines) + "\n"
        return f"{type(self).__name__}({inside})"
