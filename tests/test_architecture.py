"""The layout's promises, read off the source: imports only go down, extras stay where they belong, files are short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tinygrad_lite"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    "core", "memory", "batching", "cuda", "machine", "fusion", "backends", "ops", "fft", "linalg", "special", "kernels",
    "autodiff", "interop", "numpy", "tensor", "nn", "optim", "regularizers", "io", "data", "plots", "train", "testing",
    "__main__",
]  # fmt: skip
"""From the bottom up: a module imports from its own layer and from those before it."""

OPS_LAYERS = [
    "comparison", "complex", "conversion", "movement", "joining", "elementwise", "powers", "trigonometry", "rounding",
    "bits", "indexing", "reductions", "scans", "repetition", "sorting", "statistics", "gathering", "interpolation",
    "products", "linear_maps", "sampling", "creation", "datatypes", "diagonals", "solving", "eigenvalues",
    "decompositions",
    "least_squares", "determinants", "norms", "matrix_functions", "hermitian_functions", "matrix_roots", "histograms",
    "general_eigenvalues", "triangular_factors", "chains", "distances", "tables", "random", "activations",
    "perceptrons", "piecewise",
    "smooth", "fourier", "special_functions", "bessel", "normalization", "attention", "recurrent", "windows", "noise",
    "convolution", "pooling", "adaptive_pooling", "unpooling", "fractional_pooling", "losses", "regression_losses",
    "margin_losses", "class_losses",
]  # fmt: skip

CUPY_HOMES = ("backends/cupy/", "cuda/module.py", "kernels/cupy/")

EXTRAS = ("torch", "cupy", "matplotlib", "hypothesis", "scipy", "pytest", "array_api_strict", "sklearn", "jax", "PIL")


def imports(path: Path, source: str, package: Path = PACKAGE) -> list[tuple[str, int, bool]]:
    """What a module imports: dotted name (with a leading dot if of the package), line, whether inside a function."""
    found = []
    tree = ast.parse(source)
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    checking = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for n in ast.walk(block)
    }
    here = path.relative_to(package).with_suffix("").parts
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        deferred = id(node) in inner
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = here[: len(here) - node.level]
                if node.module:
                    names = ["." + ".".join((*base, *node.module.split(".")))]
                else:
                    names = ["." + ".".join((*base, alias.name)) for alias in node.names]
            else:
                names = [node.module]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == package.name:
                name = name[len(package.name) :] or "."
            found.append((name, node.lineno, deferred))
    return found


def upward(path: Path, source: str) -> list[str]:
    """The imports of a module that go up, or within ops/ to a later file."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    if here == ("__init__",):
        return []
    found = []
    for name, line, deferred in imports(path, source):
        if not name.startswith("."):
            continue
        there = [part for part in name.split(".") if part]
        if not there or there[0] not in LAYERS:
            found.append(f"{path}:{line} imports the package's root")
        elif LAYERS.index(there[0]) > LAYERS.index(here[0]):
            found.append(f"{path}:{line} imports {name}, which is above {here[0]}")
        elif here[0] == there[0] == "ops" and here[1] != "__init__" and not deferred and not in_order(here, there):
            found.append(f"{path}:{line} imports {name}, which is not before {here[1]} in OPS_LAYERS")
    return found


def in_order(here: tuple[str, ...], there: list[str]) -> bool:
    if len(there) < 2 or there[1] not in OPS_LAYERS or here[1] not in OPS_LAYERS:
        return False
    return OPS_LAYERS.index(there[1]) < OPS_LAYERS.index(here[1])


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_only_go_down(path):
    assert upward(path, path.read_text()) == []


def test_upward_imports_are_noticed():
    here = PACKAGE / "ops" / "elementwise.py"
    assert len(upward(here, "from ..nn import Linear")) == 1
    assert len(upward(here, "def f():\n    from ..autodiff.gradients import grad")) == 1
    assert len(upward(here, "from .losses import mse")) == 1
    assert len(upward(here, "import tinygrad_lite.train.loop")) == 1
    assert len(upward(here, "from tinygrad_lite import nn")) == 1
    assert upward(here, "from .comparison import where\nfrom ..core.op import primitive\nimport math") == []


def past_a_package(path: Path, source: str) -> list[str]:
    """The imports of a file of another package that is imported on first use, and may be importing that file.

    Python locks the file and then the package; a thread that is importing the package has them the other way round,
    and one of the two fails with a deadlock. From the package itself, names are imported in one order by all threads.
    """
    here = path.relative_to(PACKAGE).parts[0]
    names = [name.split(".")[1:] for name, _, _ in imports(path, source) if name.startswith(".")]
    return [".".join(name) for name in names if len(name) > 1 and name[0] in ON_FIRST_USE - {here}]


ON_FIRST_USE = {"batching", "data", "io", "nn", "optim", "plots", "regularizers", "testing", "train"}
"""The packages that are not imported with the whole; the others are complete when threads begin."""


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__main__.py"], ids=relative)
def test_names_of_a_package_are_imported_from_it(path):
    assert past_a_package(path, path.read_text()) == []


def test_imports_past_a_package_are_noticed():
    here = PACKAGE / "optim" / "optimizer.py"
    assert past_a_package(here, "from ..nn.module import Module\nfrom ..core.op import OPS") == ["nn.module"]
    assert past_a_package(here, "from ..nn import Module\nfrom .flat import Flat") == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_cupy_is_imported_only_where_it_belongs(path):
    names = {name.partition(".")[0] for name, _, _ in imports(path, path.read_text())}
    home = path.relative_to(PACKAGE).as_posix().startswith(CUPY_HOMES)
    assert home or "cupy" not in names


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_extras_are_not_imported_with_a_module(path):
    allowed = {"hypothesis"} if path.name == "strategies.py" else set()
    allowed |= {"cupy"} if path.relative_to(PACKAGE).as_posix().startswith(CUPY_HOMES) else set()
    at_once = {name.partition(".")[0] for name, _, deferred in imports(path, path.read_text()) if not deferred}
    assert at_once.isdisjoint(set(EXTRAS) - allowed)


def test_importing_all_of_the_package_imports_no_extra():
    code = f"""
import sys, tinygrad_lite.testing
from tinygrad_lite import *
print(len(OPS) > 300, [m for m in {EXTRAS} if m in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


FOLDERS = ("tinygrad_lite", "tests", "benchmarks", "examples")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_no_file_is_longer_than_400_lines():
    lengths = {relative(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_say_what_they_are_and_what_they_offer(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module has no docstring"
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    assigned = {ast.unparse(target) for n in tree.body if isinstance(n, ast.Assign) for target in n.targets}
    annotated = {ast.unparse(n.target) for n in tree.body if isinstance(n, ast.AnnAssign)}
    if public and path.name != "__main__.py":
        assert "__all__" in assigned | annotated, f"the module defines {', '.join(public)} and has no __all__"
