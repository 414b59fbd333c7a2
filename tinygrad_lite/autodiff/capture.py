"""`jit`: a step is run once and recorded as calls of NumPy and of kernels; later calls replay these and nothing else.

While a step is captured, its arrays are `Recorded` (`recorded.py`): they compute as always, and note the call. What
comes of it is a `Program`, straight-line Python source, which can be printed. Results are those of the step itself bit
for bit, since the calls are the same.
"""

from __future__ import annotations

import copy
import functools
import linecache
import re
from collections.abc import Callable
from typing import Any

import numpy

from ..core.autocast import precision
from ..core.backend import backend_of
from ..core.effects import active_capture
from ..core.errors import CaptureError
from ..core.graph import Handle, grad_enabled, node_of, unwrap, wrap
from ..core.tree import leaves, map_leaves, unflatten
from .recorded import Recorded, plain
from .recorder import Recorder

__all__ = ["Program", "jit"]


class Program:
    """A captured step: its source, and what must be as it was.

    source : straight-line Python; `print(program)` shows it.
    """

    def __init__(self, recorder: Recorder, inputs: int, out: Any) -> None:
        self.modes, self.owners, self.watched = recorder.modes, recorder.owners, recorder.watched
        self._out = out
        results = [self._result(recorder, value) for value in leaves(out)]
        names = [f"x{i}" for i in range(inputs)]
        result = f"({', '.join([*results, ''])})" if results else "()"
        body, most = _with_ends(_needed(recorder.lines, results), result, recorder.arrays)
        head = f"def program({', '.join(names)}):  # its own arrays take up to {most / 1e6:.3g} MB at a time"
        self.source = "\n    ".join([head, *body]) + "\n"
        scope, made = recorder.scope, {}
        filename = f"<tinygrad_lite captured step {id(self):x}>"
        exec(compile(self.source, filename, "exec"), scope, made)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        self._run = made["program"]

    @staticmethod
    def _result(recorder: Recorder, value: Any) -> str:
        if isinstance(value, Handle) and isinstance(value.data, Recorded):
            return value.data.name
        return recorder.expression(value)

    def fits(self) -> bool:
        """Whether the modules that were called are in the same mode."""
        return all(module.training == training for module, training in self.modes)

    def __call__(self, arrays: list[Any]) -> Any:
        """Replay with other arrays of the same shapes and dtypes."""
        found = self._run(*arrays)
        if isinstance(self._out, Handle):
            return _as_result(self._out, found[0])
        return unflatten(self._out, map(_as_result, leaves(self._out), found))

    def __str__(self) -> str:
        return self.source


def _as_result(captured: Any, value: Any) -> Any:
    if isinstance(value, Handle):  # a constant of the program, which nobody outside may change
        return wrap(value.data.copy(), None)
    return wrap(numpy.asarray(value), None) if isinstance(captured, Handle) else value


def _needed(lines: list[str], results: list[str]) -> list[str]:
    """The statements without those that read an array that is not used before it is read again."""
    kept: list[str] = []
    used = set(_NAMES.findall(" ".join(results)))
    for line in reversed(lines):
        name, _, value = line.partition(" = ")
        if name[0] == "t" and value.endswith(".data"):
            if name in used:
                used.discard(name)
                kept.append(line)
        else:
            used.update(_NAMES.findall(line))
            kept.append(line)
    return kept[::-1]


def _with_ends(lines: list[str], result: str, arrays: dict[str, numpy.ndarray]) -> tuple[list[str], int]:
    """The statements, with what is not needed any more forgotten after its last use, and the result returned.

    arrays : by the names of results, arrays like those that they will be.
    Returns the lines and the bytes that the arrays take at most at a time.
    """
    last: dict[str, int] = {}
    for i, line in enumerate([*lines, result]):
        for name in _NAMES.findall(line):
            last[name] = i
    ends: dict[int, list[str]] = {}
    for name, i in last.items():
        if i < len(lines):
            ends.setdefault(i, []).append(name)
    body = []
    now = most = 0
    for i, line in enumerate(lines):
        made = arrays.get(line.partition(" = ")[0])
        if made is not None:
            now += made.nbytes
            most = max(most, now)
            line += f"  # {made.shape} {made.dtype}"
        body.append(line)
        if i in ends:
            body.append(f"del {', '.join(ends[i])}")
            now -= sum(arrays[name].nbytes for name in ends[i] if name in arrays)
    return [*body, f"return {result}"], most


_NAMES = re.compile(r"\b[rt][0-9]+\b")


def jit(f: Callable, *, check: bool = False) -> Callable:
    """`f`, captured at its first call, and replayed from then on: the same calls of NumPy without anything around them.

    f : a step, for example forward pass, `backward()` and `optimizer.step()`, of arrays, Tensors, numbers, or lists,
        tuples and dicts of them. It is captured anew for other shapes, dtypes or numbers, and for other modes of the
        modules that it calls. Inside, arrays are Tensors. Optimizers, random numbers and running statistics of modules
        are alive: a learning rate that changes is heeded, and every replay draws new numbers. Everything else that is
        not an argument is as it was at the capture.
    check : run every call twice, captured and as it is written, and raise CaptureError where results or what was
        changed differ in a bit; slow.
    Returns a function whose results are Tensors without a graph; its attribute `programs` has what was captured.

    Raises CaptureError where a step looks at a value, an argument requires a gradient or is not NumPy's, or a gradient
    reaches a tensor that replays would not see.

    >>> w = tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.5)
    >>> @jit
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = ((w - x) ** 2).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> step(np.zeros(2, np.float32)), step(np.ones(2, np.float32))
    (Tensor(5., dtype=float32), Tensor(2., dtype=float32))
    """
    programs: dict[Any, list[Program]] = {}
    latest: list[tuple[Any, Program]] = []  # of the latest call: its arguments' kinds, and its program

    @functools.wraps(f)
    def captured(*args: Any, **kwargs: Any) -> Any:
        if active_capture.get() is not None:
            return f(*args, **kwargs)
        if latest and programs and not kwargs:
            (kinds, modes), program = latest[0]
            if len(args) == len(kinds) and modes == (grad_enabled(), precision()):
                arrays = [value.data if isinstance(value, Handle) and value.node is None else value for value in args]
                if all(map(_is_of_kind, arrays, kinds)) and program.fits():
                    return program(arrays)
        given = leaves((args, kwargs))
        key = (_structure((args, kwargs)), (grad_enabled(), precision()))
        arrays = [unwrap(value) for value in given if hasattr(value, "shape")]
        for program in programs.get(key, ()):
            if program.fits():
                if check:
                    return _compared(program, f, args, kwargs, arrays)
                if len(arrays) == len(args) and not kwargs:  # all are arrays themselves
                    latest[:] = [(([(type(array), array.shape, array.dtype) for array in arrays], key[1]), program)]
                return program(arrays)
        return _capture(f, args, kwargs, given, programs.setdefault(key, []))

    captured.programs = programs  # type: ignore[attr-defined]
    return captured


def _is_of_kind(value: Any, kind: tuple[type, tuple[int, ...], Any]) -> bool:
    """Whether a value is an array of NumPy's with this type, shape and dtype."""
    return type(value) is kind[0] and value.shape == kind[1] and value.dtype == kind[2]


def _structure(tree: Any) -> Any:
    """What a program depends on: all of the arguments but the elements of arrays."""
    if isinstance(tree, dict):
        return (dict, *((name, _structure(value)) for name, value in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *map(_structure, tree))
    if hasattr(tree, "shape"):
        if node_of(tree) is not None:
            raise CaptureError(
                "jit: an argument requires a gradient; let the step use it from outside, as a parameter."
            )
        array = unwrap(tree)
        backend = backend_of(array)
        if backend.name != "numpy":
            raise CaptureError(f"jit: an argument is an array of {backend.name}; steps are captured on the CPU only.")
        return (type(array), tuple(array.shape), array.dtype)
    return (type(tree), tree)


def _capture(f: Callable, args: tuple, kwargs: dict[str, Any], given: list[Any], programs: list[Program]) -> Any:
    recorder = Recorder()
    counted = 0
    inputs = []
    for value in given:
        if hasattr(value, "shape"):
            value = wrap(Recorded(numpy.asarray(unwrap(value)), f"x{counted}", recorder), None)
            counted += 1
        inputs.append(value)
    inside_args, inside_kwargs = unflatten((args, kwargs), iter(inputs))
    token = active_capture.set(recorder)
    try:
        recorder.surround(f)
        out = f(*inside_args, **inside_kwargs)
    finally:
        active_capture.reset(token)
        recorder.show()
    programs.append(Program(recorder, counted, map_leaves(lambda x: _without_graph(x), out)))
    return map_leaves(plain, out)


def _without_graph(value: Any) -> Any:
    return wrap(value.data, None) if isinstance(value, Handle) else value


# Checking replays


class _State:
    """What a step may change, copied: the tensors around it, gradients, and the state of optimizers and generators."""

    def __init__(self, program: Program) -> None:
        self.program = program
        found = [(watched.source, watched.find()) for watched in program.watched.values()]
        self.arrays = [(source, None if tensor is None else tensor.data.copy()) for source, tensor in found]
        self.owners = [(owner, copy.deepcopy(owner.state_dict())) for owner in program.owners]

    def restore(self) -> None:
        """Make everything as it was."""
        for (key, watched), (_, array) in zip(self.program.watched.items(), self.arrays, strict=True):
            tensor = watched.find()
            if isinstance(key, tuple) and key[1] == "grad" and (array is None or tensor is None):
                key[0].grad = None if array is None else wrap(array.copy(), None)
            elif tensor is not None and array is not None:
                tensor.data[...] = array
        for owner, state in self.owners:
            owner.load_state_dict(state)

    def differences(self, other: _State) -> list[str]:
        """What differs from another state."""
        pairs = zip(self.arrays, other.arrays, strict=True)
        found = [source for (source, a), (_, b) in pairs if not _same(a, b)]
        states = zip(self.owners, other.owners, strict=True)
        return found + [type(owner).__name__ for (owner, a), (_, b) in states if not _same(a, b)]


def _same(a: Any, b: Any) -> bool:
    """Whether two structures are equal to the last bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if hasattr(a, "shape") and hasattr(b, "shape"):
        return numpy.asarray(unwrap(a)).tobytes() == numpy.asarray(unwrap(b)).tobytes()
    return a == b


def _compared(program: Program, f: Callable, args: tuple, kwargs: dict[str, Any], arrays: list[Any]) -> Any:
    """The results of the step as it is written; CaptureError if those of the program differ."""
    before = _State(program)
    got = program(arrays)
    after = _State(program)
    before.restore()
    tensors = map_leaves(lambda x: wrap(numpy.asarray(unwrap(x)), None) if hasattr(x, "shape") else x, (args, kwargs))
    expected = map_leaves(_without_graph, f(*tensors[0], **tensors[1]))
    wrong = after.differences(_State(program))
    wrong += [
        f"result {i}" for i, (a, b) in enumerate(zip(leaves(got), leaves(expected), strict=True)) if not _same(a, b)
    ]
    if wrong:
        raise CaptureError(
            f"jit: a replay and the step as it is written differ in {', '.join(wrong)}; the step depends on something "
            f"that is neither an argument nor read anew. The program is:\n{program}"
        )
    return expected
