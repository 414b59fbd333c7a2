"""The examples in NumPy's own documentation, with one of its functions on Tensors. NumPy's results are the reference.

`python -m tests.interop.numpy_examples` runs all of them and prints what disagrees; the test-suite runs a sample.
"""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
import os
import tempfile
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import DTypeError
from tinygrad_lite.interop.dispatch import TABLE
from tinygrad_lite.interop.names import find
from tinygrad_lite.interop.ufuncs import _function

__all__ = ["DIFFERENT", "WITHOUT_EXAMPLES", "Examples", "supported"]

PLACES = {"": np, "linalg.": np.linalg, "fft.": np.fft}

WITHOUT_EXAMPLES = {
    "amax": "another name of max",
    "amin": "another name of min",
    "around": "another name of round",
    "array_repr": "its results are text",
    "array_str": "its results are text",
    "can_cast": "examples with dtypes only",
    "diagonal": "examples of the method",
    "empty_like": "the values are anything",
    "imag": "examples of the attribute",
    "linalg.matrix_transpose": "examples of the function outside linalg",
    "linalg.tensordot": "examples of the function outside linalg",
    "polyder": "examples with poly1d only",
    "polyint": "examples with poly1d only",
    "real": "examples of the attribute",
    "save": "its results are files",
    "savetxt": "its results are files",
    "savez": "its results are files",
    "savez_compressed": "its results are files",
    "unravel_index": "examples with lists of positions only",
}
"""Functions without an example on arrays that could be Tensors, and why."""

PAIRS = "vectors of two numbers, which NumPy gives up as well"
NOT_HERE = "not offered"
MODES = "not offered: few need their derivatives"
COMPLEX = "NumPy's result is real where all values happen to be, ours never"
HERMITIAN = "of a matrix that is not Hermitian NumPy sees one half, and we the Hermitian part"

DIFFERENT = {
    "choose": dict.fromkeys(("mode='clip'", "mode='wrap'"), NOT_HERE),
    "cross": {"np.cross(x, y)": PAIRS},
    "geomspace": {"dtype=int": "15.999... becomes 15"},
    "intersect1d": {"return_indices=True": NOT_HERE},
    "ldexp": {"np.ldexp(5, np.arange(4))": "of an integer NumPy makes a float16"},
    "linalg.eig": dict.fromkeys(("LA.eig(np.diag((1, 2, 3)))", "LA.eig(a)"), COMPLEX),
    "linalg.eigvals": {"LA.eigvals(": COMPLEX},
    "linalg.eigh": {"LA.eigh(a)": HERMITIAN},
    "linalg.eigvalsh": {"LA.eigvalsh(a)": HERMITIAN},
    "pad": dict.fromkeys(
        ("linear_ramp", "'maximum'", "'mean'", "'median'", "'minimum'", "reflect_type='odd'", "pad_with"), MODES
    ),
    "partition": {"np.partition(a, (4, 8))": "all in order, and so in another order between the given places"},
    "poly": {"np.poly(P)": "of a matrix it needs eigenvalues"},
    "ravel": {"order='A'": "a Tensor has no order of its elements in memory"},
    "result_type": {"np.result_type(3": "the number has become a Tensor, which counts for more"},
    "sum": {"dtype=np.int32": "fractions would be lost"},
    "unique": {"axis=0": NOT_HERE},
    "unique_values": {"np.unique_values": "ours are in order"},
}
"""Parts of the examples that are refused or mean something else, by function, and why."""

CONSTANT = ("full_like", "heaviside", "histogram", "histogram_bin_edges", "ones_like", "piecewise", "zeros_like")
"""Functions whose results do not depend on fractions, or do not in their examples. All others stay differentiable."""

VERSION = "2.4"
"""The NumPy whose examples `DIFFERENT` describes."""

STATIC = {
    "axis", "axes", "shape", "newshape", "new_shape", "s", "n", "q", "bins", "repeats", "reps", "shift", "pad_width",
    "indices", "indices_or_sections", "obj", "condition", "condlist", "ord", "k", "constant_values", "end_values",
    "range", "dtype", "a_min", "a_max", "sorter", "fill_value", "rcond", "tol", "rtol", "kth", "decimals", "where",
}  # fmt: skip
"""Parameters that are left as they are."""

OF_OTHERS = ("plt.", "matplotlib", "timeit", "import scipy", "np.ma.", "scipy.", "printoptions", "polynomial", "%")
"""Parts of examples that are about something else."""


def supported() -> dict[str, Callable]:
    """NumPy's public functions that take Tensors, by their names without `numpy.`."""
    found = {}
    for prefix, module in PLACES.items():
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if isinstance(function, np.ufunc):
                taken = _takes_tensors(function.__name__)
            else:
                taken = hasattr(function, "_implementation") and (
                    f"{prefix}{function.__name__}" in TABLE or find(function.__name__) is not None
                )
            if taken and not name.startswith("_"):
                found[prefix + name] = function
    return found


def _takes_tensors(ufunc: str) -> bool:
    try:
        _function(ufunc)
    except DTypeError:
        return False
    return True


class Examples:
    """The examples of one function, and what they showed.

    calls : how many calls were made with Tensors.
    wrong : what was different from NumPy.
    needless : the parts listed in `DIFFERENT` that agree, or that no example has.
    """

    def __init__(self, name: str, function: Any) -> None:
        self.name, self.function = name, function
        self.calls, self.wrong = 0, []
        different = DIFFERENT.get(name, {})
        self.needless = set(different)
        scope: dict[str, Any] = {"np": _Substituted(np, self)}
        np.random.seed(0)
        for example in doctest.DocTestParser().get_examples(function.__doc__ or ""):
            if any(part in example.source for part in OF_OTHERS):
                continue
            before = len(self.wrong)
            self._run(example.source, scope)
            here = {part for part in different if part in example.source}
            if here and len(self.wrong) > before:
                self.needless -= here
                del self.wrong[before:]

    def _run(self, source: str, scope: dict[str, Any]) -> None:
        # Errors are no concern of ours here: examples show some, and use other packages. Ours are in `wrong`.
        with contextlib.suppress(Exception):
            exec(compile(source, "<example>", "single"), scope)
        for key, value in list(scope.items()):
            if isinstance(value, types.ModuleType):
                scope[key] = _Substituted(value, self)
            elif value is self.function:
                scope[key] = _Checked(self, value)

    def check(self, function: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """NumPy's result of a call, after comparing it with that of the same call with Tensors."""
        parameters = [] if isinstance(function, np.ufunc) else _parameters(function)
        names = [parameters[i] if i < len(parameters) else "" for i in range(len(args))]
        tensors = [_converted(x, name, i == 0) for i, (x, name) in enumerate(zip(args, names, strict=True))]
        named = {key: _converted(x, key, False) for key, x in kwargs.items()}
        call = f"{self.name}(*{args}, **{kwargs})"
        expected = function(*args, **kwargs)
        if not any(map(_holds_tensor, (*tensors, *named.values()))) or _of_objects((args, expected)):
            return expected
        self.calls += 1
        writes = "out" in names or "out" in kwargs or (isinstance(function, np.ufunc) and len(args) > function.nin)
        try:
            got = function(*tensors, **named)
            self.wrong += [f"{call}: {what}" for what in _differences(got, expected)]
            if _requires_grad((*tensors, *named.values())) and _detached(got) and self.name not in CONSTANT:
                self.wrong.append(f"{call}: the result requires no gradient")
            if expected is None:
                self.wrong += [f"{call}: in place: {what}" for what in _differences(tensors[0], args[0])]
        except Exception as error:
            if not (writes and isinstance(error, DTypeError) and "got out=" in str(error)):
                self.wrong.append(f"{call}: {type(error).__name__}: {error}")
        return expected


class _Substituted:
    """A module of NumPy's with one function replaced, at whatever depth it is."""

    def __init__(self, module: types.ModuleType, examples: Examples) -> None:
        self._module, self._examples = module, examples

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if value is self._examples.function:
            return _Checked(self._examples, value)
        if value is np.random.default_rng:
            return lambda seed=0: np.random.default_rng(seed)
        return _Substituted(value, self._examples) if isinstance(value, types.ModuleType) else value


class _Checked:
    """The function itself, or a method of it (`np.add.reduce`), checked at each call."""

    def __init__(self, examples: Examples, function: Any) -> None:
        self._examples, self._function = examples, function

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._function, name)
        return _Checked(self._examples, value) if callable(value) else value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._examples.check(self._function, args, kwargs)


def _parameters(function: Any) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:
        return []


def _converted(value: Any, parameter: str, first: bool) -> Any:
    """The argument with Tensors in place of arrays, and of lists of fractions; the first one in any case."""
    if parameter in STATIC:
        return value
    if isinstance(value, np.ndarray):
        return _tensor(value) if value.dtype.kind in "biufc" and type(value) is np.ndarray else value
    if isinstance(value, (list, tuple)) and _holds_array(value):
        return type(value)(_converted(x, parameter, first) for x in value)
    if isinstance(value, list) or (first and isinstance(value, (tuple, int, float, complex))):
        with contextlib.suppress(ValueError):
            array = np.asarray(value)
            if array.size and array.dtype.kind in ("fciub" if first else "fc"):
                return _tensor(array)
    return value


def _tensor(array: np.ndarray) -> tl.Tensor:
    return tl.tensor(array.copy(), requires_grad=array.dtype.kind in "fc")


def _holds(kind: type, value: Any) -> bool:
    return isinstance(value, kind) or (isinstance(value, (list, tuple)) and any(_holds(kind, x) for x in value))


def _holds_tensor(value: Any) -> bool:
    return _holds(tl.Tensor, value)


def _holds_array(value: Any) -> bool:
    return _holds(np.ndarray, value)


def _requires_grad(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_requires_grad, value))
    return isinstance(value, tl.Tensor) and value.requires_grad


def _detached(value: Any) -> bool:
    """Whether a result has fractions and requires no gradient, be it one of several."""
    if isinstance(value, (list, tuple)):
        return any(map(_detached, value))
    return isinstance(value, tl.Tensor) and value.dtype.kind in "fc" and not value.requires_grad


def _of_objects(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_of_objects, value))
    return getattr(getattr(value, "dtype", None), "kind", "") == "O" or isinstance(value, (np.poly1d, set))


def _differences(got: Any, expected: Any) -> list[str]:
    if isinstance(expected, (tuple, list)):
        if len(got) != len(expected):
            return [f"{len(got)} results instead of {len(expected)}"]
        return [what for pair in zip(got, expected, strict=True) for what in _differences(*pair)]
    if isinstance(expected, (np.ndarray, np.generic)) and not isinstance(expected, np.bool_):
        if not isinstance(got, tl.Tensor):
            return [f"the result is a {type(got).__name__} and no Tensor"]
        if got.shape != np.shape(expected) or got.dtype != expected.dtype:
            return [f"{got.shape}, {got.dtype} instead of {np.shape(expected)}, {expected.dtype}"]
    got = got.detach().numpy() if isinstance(got, tl.Tensor) else got
    if not isinstance(expected, (np.ndarray, np.generic, int, float, complex)):
        return [] if got == expected else [f"{got} instead of {expected}"]
    try:
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    except AssertionError as error:
        return [" ".join(str(error).split())]
    return []


def run(name: str, function: Any) -> Examples:
    """The examples of a function, run in an empty directory and without a sound."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as directory, np.errstate(all="ignore"):
        os.chdir(directory)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return Examples(name, function)
        finally:
            os.chdir(here)


def main() -> None:
    """Print what disagrees in all examples of all functions."""
    import warnings

    warnings.simplefilter("ignore")
    total = 0
    for name, function in supported().items():
        if name in WITHOUT_EXAMPLES:
            continue
        examples = run(name, function)
        total += examples.calls
        for line in examples.wrong:
            print(f"{name}: {line}")
        for part in examples.needless:
            print(f"{name}: {part} is listed as different, and is not")
        if not examples.calls:
            print(f"{name}: no call with Tensors")
    print(f"{total} calls of {len(supported())} functions")


if __name__ == "__main__":
    main()
