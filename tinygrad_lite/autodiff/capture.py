"""`jit`: a step is run once and recorded as calls of a library and of kernels; later calls replay these, nothing else.

While a step is captured, its arrays are `Recorded` (`recorded.py`): they compute as always, and note the call. What
comes of it is a `Program`, straight-line Python source, which can be printed. Results are those of the step itself bit
for bit, since the calls are the same. On a GPU the program becomes CUDA graphs in the second call, see `graphs.py`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy

from ..core.autocast import precision
from ..core.backend import BACKENDS, backend_of
from ..core.effects import active_capture
from ..core.errors import CaptureError
from ..core.graph import Handle, as_array, grad_enabled, node_of, unwrap, wrap
from ..core.tree import leaves, map_leaves, unflatten
from ..fusion.recent import Recent
from .graphs import GraphProgram
from .program import Program
from .recorded import plain
from .recorder import Recorder, is_gradient

__all__ = ["Program", "jit"]

KINDS = 256
"""For how many kinds of arguments a step's programs are kept: a number that changes in every call makes one each."""


def jit(f: Callable, *, check: bool = False) -> Callable:
    """`f`, captured at its first call, and replayed from then on: the same calls of NumPy without anything around them.

    On a GPU the second call captures the step as CUDA graphs, and later calls launch these.

    f : a step, for example forward pass, `backward()` and `optimizer.step()`, of arrays, Tensors, numbers, or lists,
        tuples and dicts of them. It is captured anew for other shapes, dtypes or numbers, for other modes of the
        modules that it calls, and where tensors that it uses got another shape or dtype, were frozen or were unfrozen.
        Inside, arrays are Tensors. Optimizers, random numbers and running statistics of modules are alive: a learning
        rate that changes is heeded, and every replay draws new numbers. Everything else that is not an argument is as
        it was at the capture.
    check : run every call twice, captured and as it is written, and raise CaptureError where results or what was
        changed differ in a bit; slow.
    Returns a function whose results are Tensors without a graph; its attribute `programs` has what was captured.

    On a GPU, arguments in main memory are moved there. Gradients that a step leaves in `grad` lie in the graph's
    memory: a Tensor that is still held at the next call gets memory of its own then, but its array, `p.grad.data`, is
    written over. Optimizers whose rules need whole parameters, and what looks at values, run between two graphs.

    Raises CaptureError where a step looks at a value or calls `cupy.random`, an argument requires a gradient or is of
    another library, or a gradient reaches a tensor that replays would not see; on a GPU, in the second call, for what
    CUDA cannot capture. Numbers from NumPy's generators, or from generators of CuPy that were made outside, are not
    seen: replays have those of the capture, which `check` finds.
    Nothing is changed by a capture that fails.

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
    programs: dict[Any, list[Program]] = Recent(KINDS)
    recent: list[GraphProgram] = []
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
        arrays = [as_array(unwrap(value)) for value in given if hasattr(value, "shape")]
        for program in programs.get(key, ()):
            if program.fits():
                if check:
                    return _compared(program, f, args, kwargs, arrays)
                if len(arrays) == len(args) and not kwargs:  # all are arrays themselves
                    latest[:] = [(([_kind(array) for array in arrays], key[1]), program)]
                return program(arrays)
        out, program = _capture(f, args, kwargs, given, recent)
        programs[key] = [*(known for known in programs.get(key, ()) if not known.is_over()), program]
        return out

    captured.programs = programs  # type: ignore[attr-defined]
    return captured


def _kind(array: Any) -> tuple[type, tuple[int, ...], Any, Any]:
    """The type, shape, dtype and, if it is not in main memory, device of an array."""
    return type(array), array.shape, array.dtype, None if type(array) is numpy.ndarray else array.device


def _is_of_kind(value: Any, kind: tuple[type, tuple[int, ...], Any, Any]) -> bool:
    """Whether a value is an array of this kind."""
    if type(value) is not kind[0] or value.shape != kind[1] or value.dtype != kind[2]:
        return False
    return kind[3] is None or value.device == kind[3]


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
        if backend.name not in ("numpy", "cupy"):
            raise CaptureError(
                f"jit: an argument is an array of {backend.name}; steps are captured on arrays of numpy and cupy."
            )
        return (type(array), tuple(array.shape), array.dtype, backend.device_of(array))
    # A number by its digits: -0.0 is not 0.0, and NaN is itself.
    return (type(tree), repr(tree) if isinstance(tree, (float, complex)) else tree)


def _capture(
    f: Callable, args: tuple, kwargs: dict[str, Any], given: list[Any], recent: list[GraphProgram]
) -> tuple[Any, Program]:
    """The results of the step, which is run as it is written, and the program that was noted."""
    arrays = [unwrap(value) for value in given if hasattr(value, "shape")]
    leading = next((array for array in arrays if backend_of(array).asynchronous), None)
    recorder = Recorder(BACKENDS["numpy"] if leading is None else backend_of(leading))
    device = None if leading is None else recorder.backend.device_of(leading)
    token = active_capture.set(recorder)
    try:
        recorder.surround(f)
        inputs, counted = [], 0
        for value in given:
            if hasattr(value, "shape"):
                array = unwrap(value)
                if type(array) is numpy.ndarray:  # moved to a step's GPU
                    array = recorder.backend.asarray(array, device=device)
                value, counted = wrap(recorder.recorded(as_array(array), f"x{counted}"), None), counted + 1
            inputs.append(value)
        inside_args, inside_kwargs = unflatten((args, kwargs), iter(inputs))
        with _draws_refused():
            out = f(*inside_args, **inside_kwargs)
    finally:
        active_capture.reset(token)
        recorder.end()
    results = map_leaves(_without_graph, out)
    if recorder.backend.asynchronous:
        return map_leaves(plain, out), GraphProgram(recorder, counted, results, recent)
    return map_leaves(plain, out), Program(recorder, counted, results)


def _draws_refused() -> AbstractContextManager[None]:
    """Within the block, the step must not draw random numbers of CuPy's own."""
    if "cupy" not in BACKENDS:
        return nullcontext()
    from ..cuda.draws import draws_refused

    return draws_refused()


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
            if is_gradient(key) and (array is None or tensor is None):
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
        a, b = (backend_of(x).to_numpy(x) for x in map(unwrap, (a, b)))
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return a == b


def _compared(program: Program, f: Callable, args: tuple, kwargs: dict[str, Any], arrays: list[Any]) -> Any:
    """The results of the step as it is written; CaptureError if those of the program differ."""
    before = _State(program)
    got = program(arrays)
    after = _State(program)
    before.restore()
    put = program.backend.asarray
    tensors = map_leaves(lambda x: wrap(as_array(put(unwrap(x))), None) if hasattr(x, "shape") else x, (args, kwargs))
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
