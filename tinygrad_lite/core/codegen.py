"""The functions of an operation, generated from its declaration as Python source.

Why source: a rule may ask for what it needs by name, and the function that records a call knows at declaration what
to keep. Written out for each operation, without `*args` and loops over inputs, dispatch, record and pull take about
half the time of a general function (`python -m benchmarks dispatch` prints the cost of an operation).
`print(source(tinygrad_lite.multiply))` shows what was generated.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from . import graph
from .accumulation import fit
from .bfloat16 import body_in_float32
from .dtypes import bfloat16_in_use, float32, float64, is_complex
from .errors import DeclarationError
from .outputs import complete, record_outputs, wrap_outputs

if TYPE_CHECKING:
    from .op import Op

__all__ = [
    "FASTER_RULES", "compile_function", "dispatch_lines", "lazy_pull", "look_for_policies", "rule_wants",
    "set_tensor_class", "source", "split_arguments", "values_to_keep",
]  # fmt: skip

# Names that generated code uses; they are copied into each generated function's globals.
_GLOBALS: dict[str, Any] = {
    "Tensor": graph.Handle,
    "Node": graph.Node,
    "Selecting": graph.Selecting,
    "new": object.__new__,
    "as_array": graph.as_array,
    "grad_enabled": graph.grad_enabled,
    "next_birth": graph.next_birth,
    "is_complex": is_complex,
    "float32": float32,
    "float64": float64,
    "getframe": sys._getframe,
    "latest": graph.latest,
    "caller": graph.caller,
    "node_of": graph.node_of,
    "unwrap": graph.unwrap,
    "complete": complete,
    "record_outputs": record_outputs,
    "wrap_outputs": wrap_outputs,
    "wrap": graph.wrap,
    "fit": fit,
}


_RESERVED = {
    *_GLOBALS, "active_policy", "recast", "g", "out", "out_shape", "out_dtype", "node", "nodes", "grads", "held",
    "gradient", "parent", "tensor", "constant", "given", "simple", "frame", "code", "array", "error", "isinstance",
    "type", "tuple", "getattr", "zip", "any", "all",
}  # fmt: skip
"""Names that an operation's arguments cannot have."""


def set_tensor_class(cls: type[graph.Handle]) -> None:
    """Make operations return instances of `cls`. Called once, where the Tensor's table of methods is."""
    _GLOBALS["Tensor"] = graph._TensorClass.current = cls


def look_for_policies(active_policy: Callable, recast: Callable) -> None:
    """Let the functions that are generated from now on look at the policy of `autocast`, see `core/autocast.py`."""
    _GLOBALS["active_policy"], _GLOBALS["recast"] = active_policy, recast


def split_arguments(body: Callable, skip: int) -> tuple[list[str], bool, list[str]]:
    """Names of the array arguments, whether they are one sequence, and names of the static arguments.

    Read off the code object: `inspect.signature` takes twenty times as long, for every operation at import.
    """
    code = body.__code__
    positional = list(code.co_varnames[skip : code.co_argcount])
    keywords = list(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    only = code.co_posonlyargcount - skip
    arrays = positional[:only] if only > 0 else positional
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    if variadic:
        arrays.append(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
    return arrays, variadic, [name for name in positional if name not in arrays] + keywords


def rule_wants(rule: Callable) -> tuple[str, ...]:
    """The names of a rule's parameters: what it asks for."""
    return rule.__code__.co_varnames[: rule.__code__.co_argcount]


def source(function: Callable) -> str:
    """The Python source that was generated for an operation, its dispatch and its pull function."""
    op: Op = function.op  # type: ignore[attr-defined]
    parts = [dispatch_lines(op)]
    if op.rules:
        parts += [_pull_lines(op, wrapped=False), _pull_lines(op, wrapped=True)]
    return "\n\n\n".join("\n".join(lines) for lines in parts) + "\n"


FASTER_RULES: list[Callable[[Op, str, Callable], Callable]] = []
"""What makes rules faster on arrays, given an operation, the name of an input and its rule; `fusion/` adds itself
here."""


def lazy_pull(op: Op, name: str) -> Callable:
    """The pull function of `op` called `name`, generated when it is first called."""

    def generate(node: graph.Node, g: Any, grads: dict) -> None:
        scope: dict[str, Any] = {}
        made: Callable = compile_function(op, _pull_lines(op, wrapped=name == "pull_graph"), name, scope)
        if name == "pull":
            for array, rule in op.rules.items():
                for quicker in FASTER_RULES:
                    rule = quicker(op, array, rule)
                scope[f"RULE_{array}"] = rule
        setattr(op, name, made)
        made(node, g, grads)

    return generate


def dispatch_lines(op: Op) -> list[str]:
    if not op.primitive:
        head, *lines = _composite_source(op)
    else:
        head, *lines = _variadic_source(op) if op.variadic else _dispatch_source(op)
    return [head, *_autocast_lines(op), *lines]


def _autocast_lines(op: Op) -> list[str]:
    """A look at the policy of `autocast`: 0.02 us, for the operations that it concerns, and once it is in use."""
    if op.autocast is None or "recast" not in _GLOBALS:
        return []
    arrays = op.arrays[0] if op.variadic else f"({', '.join([*op.arrays, ''])})"
    return ["    if active_policy() is not None:", f"        return recast(OP, {arrays}, {_statics(op)})"]


def _composite_source(op: Op) -> list[str]:
    """The body, unless a kernel takes the call."""
    arrays = [f"*{name}" if op.variadic else name for name in op.arrays]
    call = ", ".join(arrays + [f"{name}={name}" for name in op.statics])
    body = f"OP.result(*BODY({call}))" if op.outputs else f"BODY({call})"
    return [
        f"def {op.name}{_parameters(op)}:",
        "    if ACCELERATED:",
        f"        out = OP.run_kernels(({', '.join([*arrays, ''])}), {_statics(op)})",
        "        if out is not NotImplemented:",
        "            return out",
        f"    return {body}",
    ]


def values_to_keep(op: Op) -> list[str]:
    """What the rules of `op` ask for beyond `g`, in a fixed order; DeclarationError for what does not exist."""
    for name in (*op.arrays, *op.statics):
        if name in _RESERVED:
            raise DeclarationError(f"{op.name}: an argument cannot be called {name!r}, which the generated code uses.")
    attributes = [f"{name}_{what}" for name in op.arrays for what in ("shape", "dtype")]
    available = [*op.arrays, *attributes, "out", *op.statics]
    asked: set[str] = set()
    for name, rule in (*op.rules.items(), *(op.unused or {}).items()):
        if name not in op.arrays:
            raise DeclarationError(f"{op.name}: there is a rule for {name!r}; its arrays are {', '.join(op.arrays)}.")
        if not hasattr(rule, "__code__"):
            raise DeclarationError(
                f"{op.name}: the rule for {name} is {rule!r}; a rule is a Python function, whose parameters' names say "
                f"what it needs."
            )
        wants = rule_wants(rule)
        for want in wants:
            if want != "g" and want not in available:
                raise DeclarationError(
                    f"{op.name}: the rule for {name} asks for {want!r}; a rule may ask for g, {', '.join(available)}."
                )
        asked.update(wants)
    return [name for name in available if name in asked]


def _dispatch_source(op: Op) -> list[str]:
    """Compute, and record what the rules will need."""
    arrays, nodes = op.arrays, [f"{name}_node" for name in op.arrays]
    kinds = [f"type({name})" for name in arrays]
    found = f"IMPLEMENTATIONS[{', '.join(kinds)}]"
    if len(arrays) == 2:  # arrays of one class are the rule, and a class is found in half the time of a pair
        found = f"(IMPLEMENTATIONS[{kinds[0]}] if {' is '.join(kinds)} else {found})"
    lines = [f"def {op.name}{_parameters(op)}:", f"    {' = '.join(nodes)} = None", "    constant = True"]
    for name, node in zip(arrays, nodes, strict=True):
        lines += [
            f"    if isinstance({name}, Tensor):",
            f"        {node} = {name}.node",
            f"        {name} = {name}.data",
        ]
        lines += ["        constant = False"]
    call = ", ".join(arrays + [f"{name}={name}" for name in op.statics])
    lines += [
        "    try:",
        f"        out = {found}({call})",
        "    except Exception as error:",
        *_failure_lines(op, f"({', '.join(arrays)},)", f"({', '.join(nodes)},)", f"*given, **{_statics(op)}"),
        "    if constant:",
        "        return OP.result(*out)" if op.outputs else "        return out",
    ]
    recorded = " and ".join(f"{name}_node is None" for name in arrays if name in op.rules)
    return lines + _record_source(op, recorded, f"({', '.join(nodes)},)")


def _variadic_source(op: Op) -> list[str]:
    """The same for an operation on a sequence of arrays."""
    name = op.arrays[0]
    call = ", ".join(["*arrays"] + [f"{static}={static}" for static in op.statics])
    lines = [
        f"def {op.name}{_parameters(op)}:",
        f"    nodes = tuple([node_of(array) for array in {name}])",
        f"    constant = not any([isinstance(array, Tensor) for array in {name}])",
        f"    {name} = arrays = tuple([unwrap(array) for array in {name}])",
        "    try:",
        f"        out = IMPLEMENTATIONS[tuple([type(array) for array in arrays])]({call})",
        "    except Exception as error:",
        *_failure_lines(op, "arrays", "nodes", f"given, **{_statics(op)}"),
        "    if constant:",
        "        return OP.result(*out)" if op.outputs else "        return out",
    ]
    return lines + _record_source(op, "all([node is None for node in nodes])", "nodes")


def _failure_lines(op: Op, arrays: str, nodes: str, again: str) -> list[str]:
    """After an error: the same call on one device, or an error that says more."""
    return [
        f"        given = None if constant else OP.beside_a_device(error, {arrays}, {nodes})",
        "        if given is None:",
        f"            OP.fail(error, {arrays}, {_statics(op)})",
        "            raise",
        f"        return OP.function({again})",
    ]


def _record_source(op: Op, constant: str, parents: str) -> list[str]:
    """The part of a dispatch function after the computation. `graph.record` is the same, written for reading."""
    saved = f"({''.join(_value_to_keep(op, name) + ', ' for name in op.kept)})"
    if op.outputs:
        return [*_refuse_missing_rules(op), f"    return record_outputs(OP, {parents}, {saved}, out)"]
    lines = ["    out_shape = out.shape", "    if not out_shape:", "        out = as_array(out)"]
    lines += ["    tensor = new(Tensor)", "    tensor.data = out"]
    if not op.rules:
        return [*lines, "    tensor.node = None", "    return tensor"]
    lines += _refuse_missing_rules(op)
    lines += [f"    if ({constant}) or not grad_enabled():", "        tensor.node = None", "        return tensor"]
    lines += [f"    node = {'Node' if op.unused is None else 'Selecting'}()", f"    node.parents = {parents}"]
    lines += [f"    node.saved = {saved}"]
    lines += [
        "    node.dtype = out_dtype = out.dtype",
        # The usual dtypes are known by identity.
        "    simple = out_dtype is float32 or out_dtype is float64 or not is_complex(out_dtype)",
        "    node.op = OP if simple else CONJUGATED",
        "    node.shape = out_shape",
        "    node.birth = next_birth()",
        "    node.hooks = None",
    ]
    lines += ["    frame = getframe(1)", "    code = frame.f_code"]
    lines += ["    if code is latest.code:", "        node.code = code", "        node.lasti = frame.f_lasti"]
    lines += ["    else:", "        node.code, node.lasti = caller(frame)"]
    return [*lines, "    tensor.node = node", "    return tensor"]


def _refuse_missing_rules(op: Op) -> list[str]:
    missing = [name for name in op.arrays if name not in op.rules]
    lines = []
    for name in missing:
        lines += [f"    if {name}_node is not None and grad_enabled():", f"        raise OP.missing_rule({name!r})"]
    return lines


def _value_to_keep(op: Op, name: str) -> str:
    for array in op.arrays:
        for what, none in (("shape", "()"), ("dtype", "None")):
            if name == f"{array}_{what}":
                if op.variadic:
                    return f"tuple([getattr(array, {what!r}, {none}) for array in arrays])"
                return f"getattr({array}, {what!r}, {none})"
    return name


def _pull_lines(op: Op, *, wrapped: bool) -> list[str]:
    """Apply the rules to a cotangent and add the results to the parents' entries in `grads`.

    `wrapped`: on Tensors, so that the results can be differentiated again; what was saved becomes Tensors at the place
    in the graph where it came from.
    """
    nodes = [f"{name}_node" for name in op.arrays]
    lines = [f"def {'pull_graph' if wrapped else 'pull'}(node, g, grads):"]
    lines += ["    nodes = node.parents" if op.variadic else f"    {', '.join(nodes)}, = node.parents"]
    if op.outputs:
        lines += ["    g = complete(node, g)"]
    if op.kept:
        lines += [f"    {', '.join(op.kept)}, = node.saved"]
    for name in op.kept if wrapped else ():
        if name == "out":
            lines += [f"    out = {'wrap_outputs(node, out)' if op.outputs else 'wrap(out, node)'}"]
        elif name in op.arrays:
            if op.variadic:
                lines += [f"    {name} = [a if n is None else wrap(a, n) for a, n in zip({name}, nodes)]"]
            else:
                lines += [f"    if {name}_node is not None:", f"        {name} = wrap({name}, {name}_node)"]
    for name, rule in op.rules.items():
        form = _WRITTEN_OUT.get(rule.__code__.co_code, f"RULE_{name}({', '.join(rule_wants(rule))})")
        call = form.format(*rule_wants(rule))
        if op.variadic:
            lines += [f"    for parent, gradient in zip(nodes, {call}):", *_accumulate_source("parent", " " * 8)]
        else:
            lines += [
                f"    if {name}_node in grads:",
                f"        gradient = {call}",
                *_accumulate_source(f"{name}_node", " " * 8, False),
            ]
    return lines


_WRITTEN_OUT = {
    rule.__code__.co_code: form
    for form, rule in {
        "{0}": lambda g: g,
        "-{0}": lambda g: -g,
        "{0} * {1}": lambda g, x: g * x,
        "{0} / {1}": lambda g, x: g / x,
    }.items()
}
"""The rules that are simpler than a call, recognized by their code."""


def _accumulate_source(parent: str, indent: str, check: bool = True) -> list[str]:
    """`sweep.accumulate`, written out."""
    lines = [f"if {parent} not in grads:", "    continue"] if check else []
    lines += [
        f"if gradient.shape != {parent}.shape or gradient.dtype is not {parent}.dtype:",
        f"    gradient = fit(gradient, {parent}, node)",
        f"held = grads[{parent}]",
        f"grads[{parent}] = gradient if held is None else held + gradient",
    ]
    return [indent + line for line in lines]


def _statics(op: Op) -> str:
    return "{" + ", ".join(f"{name!r}: {name}" for name in op.statics) + "}"


def _parameters(op: Op) -> str:
    """The parameter list of the public function; defaults are names, since any object may be one."""
    parameters = [
        p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else _Name(f"DEFAULT_{p.name}"))
        for p in op.signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


class _Name:
    """Prints as a bare name in a signature."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def compile_function(op: Op, lines: list[str], name: str, scope: dict[str, Any]) -> FunctionType:
    """Run the source of one function with `scope` as its globals, extended by the names that generated code uses."""
    body = body_in_float32(op) if bfloat16_in_use() else op.body
    scope |= _GLOBALS | {"OP": op, "BODY": body, "CONJUGATED": op.conjugated}
    scope |= {"ACCELERATED": op.kernels.backends(), "IMPLEMENTATIONS": op.implementations}
    scope |= {f"RULE_{array}": rule for array, rule in op.rules.items()}
    scope |= {f"DEFAULT_{p.name}": p.default for p in op.signature.parameters.values() if p.default is not p.empty}
    text = "\n".join(lines)
    filename = f"<tinygrad_lite {op.name} {name}>"
    made: dict[str, FunctionType] = {}
    exec(compile(text, filename, "exec"), scope, made)
    # Tracebacks show the generated lines.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return made[name] if name in made else made[op.name]
