"""Modules: plain objects whose attributes hold parameters, buffers and other modules, found by walking.

A name is a path through attributes, list positions and dictionary keys: `layers.0.weight`. What is found where:
a `Parameter`, or any other leaf Tensor that requires a gradient, is a parameter; a Tensor that requires none is a
buffer (part of the state, not trained), unless its name begins with an underscore and it is no `Buffer`; the recorded
result of an operation is neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..core.backend import backend_of
from ..core.effects import active_capture, replayed
from ..core.errors import DTypeError, StateError
from ..core.graph import Leaf, unwrap
from ..ops.creation import to_array
from ..tensor import RemovableHook, Tensor
from .hooks import Hooks
from .parameter import Buffer, Parameter
from .places import place

__all__ = ["LoadReport", "Module", "named_tensors"]


class LoadReport(NamedTuple):
    """What `load_state_dict` did not find (`missing`) and did not use (`unexpected`), as lists of names."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """A part of a network: attributes hold parameters, buffers and modules, `forward` computes.

    Write a subclass with `__init__` and `forward`; call the module, not `forward`. There is nothing to inherit in
    `__init__`, and lists, tuples and dicts of modules or parameters are found like single ones.

    >>> class Twice(nn.Module):
    ...     def __init__(self):
    ...         self.layers = [nn.Linear(4, 3), nn.Linear(3, 2)]
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = tanh(layer(x))
    ...         return x
    >>> model = Twice()
    >>> model(np.ones((5, 4), np.float32)).shape
    (5, 2)
    >>> [name for name, _ in model.named_parameters()]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
    """

    training = True
    """Whether layers such as Dropout and BatchNorm behave as in training; set by `train()` and `eval()`."""

    _hooks: Hooks | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        capture = active_capture.get()
        if capture is not None:
            capture.enter_module(self)
        return self.forward(*args, **kwargs) if self._hooks is None else self._hooks.call(self, args, kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...), which computes the output.")

    if not TYPE_CHECKING:  # so that checkers still report unknown attributes

        def __getattr__(self, name: str) -> Any:
            """What `nn.utils.parametrize` computes in place of a parameter; called only if there is no attribute."""
            made = vars(self).get("parametrizations")
            if made is not None and name in made:
                return made[name]()
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        made = self.__dict__.get("parametrizations")
        if made is not None and name in made:
            made[name].assign(value)
        else:
            object.__setattr__(self, name, value)

    # What it contains

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Pairs of path and module: this one first, with the path `""`; a module in two places is listed once."""
        return _once((path, value) for path, value in _walk(self) if isinstance(value, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all modules within."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module, of the modules directly in this one, also in its lists and dicts; each once."""
        return _once(pair for name, value in vars(self).items() for pair in _children(name, value))

    def children(self) -> Iterator[Module]:
        """The modules directly in this one."""
        return (module for _, module in self.named_children())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with each module within, and at last with this one; returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def get_submodule(self, target: str) -> Module:
        """The module of that path, such as `layers.0`; this one for `""`. Raises StateError if there is none."""
        found = next((value for path, value in _walk(self) if path == target and isinstance(value, Module)), None)
        if found is None:
            raise StateError(f"get_submodule: {type(self).__name__} has no module {target!r}.")
        return found

    def get_parameter(self, target: str) -> Tensor:
        """The parameter of that path, such as `layers.0.weight`. Raises StateError if there is none."""
        found = dict(_state(self)).get(target)
        if found is None or not _is_parameter(found):
            raise StateError(f"get_parameter: {type(self).__name__} has no parameter {target!r}.")
        return found

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """The same as `self.name = param`."""
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """The same as `self.name = Buffer(tensor, persistent=persistent)`; None stays None."""
        setattr(self, name, None if tensor is None else Buffer(unwrap(tensor), persistent=persistent))

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as `self.name = module`."""
        setattr(self, name, module)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of path and parameter; a parameter in two places is listed once, under its first path."""
        return _once((path, tensor) for path, tensor in _state(self) if _is_parameter(tensor))

    def parameters(self) -> Iterator[Tensor]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of path and buffer, each once."""
        return _once((path, tensor) for path, tensor in _state(self) if not _is_parameter(tensor))

    def buffers(self) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers())

    # Its state

    def state_dict(self) -> dict[str, Any]:
        """Copies of the arrays of all parameters and buffers, by path.

        They do not change when training goes on. A shared tensor is there under each of its paths.
        """
        return {path: backend_of(t.data).copy(t.data) for path, t in _saved(self)}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> LoadReport:
        """Give parameters and buffers the values in `state`, in their own dtype and on their own device.

        state : arrays or Tensors by path, as from `state_dict`. A shared tensor needs one of its paths.
        strict : whether missing and unexpected names are errors; otherwise they are only returned.

        Raises StateError, listing every entry that is missing, unexpected or of another shape; nothing is loaded then.
        """
        own = dict(_saved(self))
        found = {id(tensor) for path, tensor in own.items() if path in state}
        report = LoadReport(
            missing=[path for path, tensor in own.items() if path not in state and id(tensor) not in found],
            unexpected=[path for path in state if path not in own],
        )
        values = {path: unwrap(state[path]) for path in own if path in state}
        misshapen = [
            f"{path} is {tuple(value.shape)} and must be {tuple(own[path].shape)}"
            for path, value in values.items()
            if tuple(value.shape) != tuple(own[path].shape)
        ]
        problems = [f"misshapen: {', '.join(misshapen)}"] if misshapen else []
        if strict:
            problems += [f"{kind}: {', '.join(names)}" for kind, names in report._asdict().items() if names]
        if problems:
            hint = "" if misshapen else " strict=False loads the rest."
            text = "; ".join(problems)
            raise StateError(f"load_state_dict: the state does not fit {type(self).__name__}; {text}.{hint}")
        for path, value in values.items():
            tensor = own[path]
            array = to_array(value, dtype=tensor.dtype, device=tensor.device)
            tensor.data = backend_of(array).copy(array)
        return report

    # Its mode, place and gradients

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and in all modules within; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: no dropout, and normalisation by running statistics. Returns the module."""
        return self.train(False)

    def to(
        self, target: Any = None, *, device: str | None = None, dtype: Any = None, non_blocking: bool = False
    ) -> Self:
        """Move parameters, their gradients and buffers to a device, or convert the floating-point ones; in place.

        target : a device such as `"cuda"` or a floating-point dtype such as `"float64"`.
        non_blocking : as for `to_device`.
        Optimizers take their state along at their next step. For another dtype, make them afterwards.

        Raises DTypeError for a dtype that is not floating-point. Returns the module.
        """
        place([tensor for _, tensor in _state(self)], target, device, dtype, non_blocking)
        return self

    def cpu(self) -> Self:
        """The same as `to("cpu")`."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """The same as `to("cuda")`, the first GPU."""
        return self.to("cuda")

    @replayed(graph="forgets")
    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: each `grad` becomes None."""
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.grad = None

    def requires_grad_(self, value: bool = True) -> Self:
        """Train all parameters, or freeze them with `False`; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad = value
        return self

    # What is called with it

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHook:
        """Call `hook(module, args)` before forward; what it returns, unless None, replaces args.

        prepend : before all other hooks. with_kwargs : call `hook(module, args, kwargs)`, which returns both, or None.

        Returns an object whose `remove()` takes the hook away; so do the other methods that register one.
        """
        return self._own_hooks().add("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHook:
        """Call `hook(module, args, output)` after forward; what it returns, unless None, replaces the output.

        with_kwargs : call `hook(module, args, kwargs, output)`. always_call : also if an error is raised; with None.

        >>> layer = nn.Linear(4, 3)
        >>> hook = layer.register_forward_hook(lambda module, args, output: print(output.shape))
        >>> _ = layer(np.ones((2, 4), np.float32))
        (2, 3)
        """
        return self._own_hooks().add("forward", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHook:
        """Call `hook(module, grad_output)` with the gradients of the outputs; what it returns replaces them."""
        return self._own_hooks().add("backward_pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHook:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are there.

        grad_input : of the positional arguments, None for those that need none; what the hook returns replaces them.
        grad_output : of the outputs.
        """
        return self._own_hooks().add("backward", hook, prepend)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # How it prints

    def __repr__(self) -> str:
        children = [(name, child) for name, value in vars(self).items() for name, child in _children(name, value)]
        head = f"{type(self).__name__}({', '.join(_settings(self))}"
        if not children:
            return head + ")"
        lines = [f"  {name}: " + repr(child).replace("\n", "\n  ") for name, child in children]
        return "\n".join([head, *lines, ")"])


def named_tensors(source: Any, what: str = "parameters") -> list[tuple[str, Tensor]]:
    """The named parameters of a Module, of a dict or pairs of name and Tensor, or of plain Tensors named `0`, `1`, ...

    what : the subject of the message of the DTypeError for anything else.
    """
    if isinstance(source, Module):
        return list(source.named_parameters())
    if isinstance(source, Tensor) or not isinstance(source, Iterable):
        raise DTypeError(f"{what}: got a {type(source).__name__}; a Module, or a list or dict of Tensors is required.")
    items = source.items() if isinstance(source, Mapping) else enumerate(source)
    named = []
    for name, item in items:
        if isinstance(item, tuple) and len(item) == 2:
            name, item = item
        if not isinstance(item, Tensor):
            raise DTypeError(f"{what}: entry {name!r} is a {type(item).__name__}; a Tensor is required.")
        named.append((str(name), item))
    return named


def _walk(value: Any, path: str = "", trail: tuple[int, ...] = ()) -> Iterator[tuple[str, Module | Tensor]]:
    """Every module and Tensor in `value` with its path, in order; `trail` is what we are inside of, against cycles."""
    if isinstance(value, Tensor):
        yield path, value
        return
    if isinstance(value, Module):
        items: Iterable = vars(value).items()
    elif isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return
    if id(value) in trail:
        return
    if isinstance(value, Module):
        yield path, value
    trail = (*trail, id(value))
    for key, item in items:
        yield from _walk(item, f"{path}.{key}" if path else str(key), trail)


def _is_parameter(tensor: Tensor) -> bool:
    return isinstance(tensor, Parameter) or type(tensor.node) is Leaf


def _is_buffer(path: str, tensor: Tensor) -> bool:
    if isinstance(tensor, Buffer):
        return True
    return not isinstance(tensor, Parameter) and tensor.node is None and not path.rpartition(".")[2].startswith("_")


def _state(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers in the order of the attributes, a shared one under each of its paths."""
    for path, value in _walk(module):
        if isinstance(value, Tensor) and (_is_parameter(value) or _is_buffer(path, value)):
            yield path, value


def _saved(module: Module) -> Iterator[tuple[str, Tensor]]:
    """What `_state` finds, without buffers that are not saved."""
    return ((path, tensor) for path, tensor in _state(module) if getattr(tensor, "persistent", True))


def _once(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for path, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield path, value


def _children(name: str, value: Any) -> list[tuple[str, Any]]:
    """The modules to print under an attribute, with their names relative to its owner."""
    if isinstance(value, Module):
        return [(name, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return [pair for key, item in items for pair in _children(f"{name}.{key}", item)]


def _settings(module: Module) -> list[str]:
    """The constructor's arguments as far as attributes of the same names show them and they differ from defaults."""
    shown = []
    for name, parameter in inspect.signature(type(module)).parameters.items():
        value = vars(module).get(name, parameter.default)
        if value is None and isinstance(parameter.default, bool):
            value = False  # a layer without a bias has None in its place
        if name not in vars(module) or not isinstance(value, (bool, int, float, str, tuple, type(None))):
            continue
        if value != parameter.default:
            shown.append(repr(value) if parameter.default is parameter.empty else f"{name}={value!r}")
    return shown
