"""What `import tinygrad_lite` imports, and that the rest is there when it is first used, however it is asked for.

Each program runs in a process of its own, since this one has imported everything.
"""

import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import tinygrad_lite as tl
from tinygrad_lite import autograd, kernels, ops
from tinygrad_lite.core.kernels import KERNEL_FILES
from tinygrad_lite.core.later import later
from tinygrad_lite.core.registry import Registry

ROOT = Path(__file__).resolve().parents[1]

EAGER = {
    "autodiff": "gradients",
    "backends": "direct numpy products",
    "fusion": (
        "calls derive device_numbers emitter expressions halves kernels machine makers primitives programs recent "
        "symbols"
    ),
    "interop": "dlpack leaving names translation ufuncs",
    "kernels": "",
    "machine": "",
    "memory": "",
    "ops": (
        "activations bits comparison complex conversion creation elementwise indexing joining movement products "
        "reductions rounding"
    ),
    "tensor": "",
}
"""What importing the package may import of it, beside core/: what an operation on a Tensor needs."""

STANDARD = {"__future__", "threading"}
"""What it may import of the standard library that NumPy does not."""


def run(program):
    """What a program prints that has imported nothing yet."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def modules(*programs):
    """The modules that there are after the last of the programs and were not before it."""
    first, last = programs
    marked = f"import sys\n{first}\nbefore = set(sys.modules)\n{last}\nprint(*set(sys.modules) - before)"
    return set(run(marked).split())


def test_the_import_brings_in_what_every_program_needs_and_no_more():
    found = modules("import numpy", "import tinygrad_lite")
    own = {name for name in found if name.partition(".")[0] == "tinygrad_lite"}
    allowed = {f"tinygrad_lite.{folder}" for folder in EAGER} | {"tinygrad_lite", "tinygrad_lite.core"}
    allowed |= {f"tinygrad_lite.{folder}.{file}" for folder, files in EAGER.items() for file in files.split()}
    assert {name for name in own - allowed if not name.startswith("tinygrad_lite.core.")} == set()
    assert found - own <= STANDARD
    assert "tinygrad_lite.core.blas" not in own  # only kernels need it


WRITERS = ("tinygrad_lite.fusion.machine_loops", "tinygrad_lite.machine")
"""What writes machine code, for loops such as relu's, where the computer is one that it writes for."""


def test_operators_and_methods_of_tensors_import_kernels_and_what_writes_loops_at_most():
    found = modules(
        "import tinygrad_lite as tl",
        """
x = tl.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
y = ((x @ x + x**2 - x / 2) // 1).mT[0].reshape(2, 1).relu().tanh().sum(axis=0).mean()
(y + x.exp().max() + x.sigmoid().sum()).backward()
""",
    )
    own = {name for name in found if name.startswith("tinygrad_lite")}
    assert {name for name in own if not name.startswith(WRITERS)} == {
        "tinygrad_lite.kernels.numpy", "tinygrad_lite.kernels.numpy.activations",
        "tinygrad_lite.kernels.symbols", "tinygrad_lite.kernels.symbols.activations",
    }  # fmt: skip


@pytest.mark.parametrize(
    "ask",
    [
        "from tinygrad_lite import nn; Linear = nn.Linear",
        "import tinygrad_lite.nn; Linear = tinygrad_lite.nn.Linear",
        "import tinygrad_lite as tl; Linear = tl.nn.Linear",
        "from tinygrad_lite.nn import Linear",
        "from tinygrad_lite.nn.linear import Linear",
        "from tinygrad_lite import *; Linear = nn.Linear",
    ],
)
def test_modules_are_there_however_they_are_asked_for(ask):
    assert run(f"{ask}\nimport numpy\nprint(Linear(2, 3)(numpy.ones((1, 2))).shape)") == "(1, 3)"


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("tl.sort(tl.tensor([2.0, 1.0])).tolist()", "[1.0, 2.0]"),
        ("tl.ops.sorting.sort is tl.sort", "True"),
        ("tl.linalg.det(tl.tensor([[2.0, 0.0], [0.0, 1.0]])).item()", "2.0"),
        ("tl.grad(lambda x: x * x)(3.0)", "6.0"),
        ("tl.autograd.find_nan.__module__", "tinygrad_lite.autodiff.diagnosis"),
        ("tl.random.Generator is tl.Generator", "True"),
        ("tl.finfo('float32').bits, tl.pi > 3, tl.newaxis", "32 True None"),
        ("numpy.sort(tl.tensor([2.0, 1.0])).tolist()", "[1.0, 2.0]"),
        ("numpy.arctan(tl.tensor([0.0])).tolist()", "[0.0]"),
        ("callable(tl.tensor), tl.bool == numpy.bool, 'bool' in vars(tl)", "True True False"),
        ("tl.kernels.numpy.pooling.__name__", "tinygrad_lite.kernels.numpy.pooling"),
        ("'Linear' in dir(tl.nn), {'nn', 'sort', 'grad', 'sin', 'train'} <= set(dir(tl))", "True True"),
    ],
)
def test_the_first_use_of_a_name(expression, printed):
    assert run(f"import numpy, tinygrad_lite as tl\nprint({expression})") == printed


def test_a_name_that_was_asked_for_is_an_ordinary_one():
    assert (
        run("import tinygrad_lite as tl\na = 'sort' in vars(tl)\ntl.sort\nprint(a, 'sort' in vars(tl))") == "False True"
    )


def test_unknown_names_are_refused():
    for module in (tl, ops, kernels, kernels.numpy, autograd):
        with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute 'sorted'$"):
            module.sorted
    with pytest.raises(ImportError, match="cannot import name 'sorted'"):
        from tinygrad_lite import sorted  # noqa: F401


@pytest.mark.parametrize("module", [tl, ops, kernels, kernels.numpy, autograd], ids=lambda module: module.__name__)
def test_every_listed_name_is_there(module):
    assert {name for name in (*dir(module), *module.__all__) if not hasattr(module, name)} == set()


def test_the_lists_of_names_are_those_of_the_files():
    assert {file: names.split() for file, names in ops.LATER.items() if file != "fourier"} == {
        file: getattr(ops, file).__all__ for file in ops.LATER if file != "fourier"
    }
    for home, names in tl.LATER.items():
        assert set(names.split()) <= set(dir(import_module(f"tinygrad_lite.{home}"))), home


def test_no_file_hides_a_name():
    """Importing a file makes it an attribute of its package, under which nothing else may be asked for later."""
    for module, homes in ((tl, tl.LATER), (ops, ops.LATER)):
        files = {path.stem for path in Path(module.__file__).parent.iterdir()}
        assert files & {name for names in homes.values() for name in names.split()} <= {"random", "tensor"}
    assert ops.random.__name__ == "tinygrad_lite.ops.random" and tl.random is ops.random and tl.tensor is ops.tensor


def test_the_registry_knows_every_file_and_lists_it_in_its_place():
    assert list(dict.fromkeys(op.body.__module__ for op in tl.OPS.values()))[: len(tl.OPS.files)] == tl.OPS.files
    folder = Path(ops.__file__).parent
    declare = {path.stem for path in folder.glob("*.py") if "\n@primitive(" in path.read_text()}
    declare |= {path.stem for path in folder.glob("*.py") if "\n@composite(" in path.read_text()}
    assert {f"tinygrad_lite.ops.{stem}" for stem in declare} == set(tl.OPS.files)
    count = "import tinygrad_lite as tl\nprint({})"
    alike = {run(count.format(ask)) for ask in ("len(tl.OPS)", "len(list(tl.OPS))", "len(dict(tl.OPS))")}
    alike |= {run(count.format(ask)) for ask in ("len(tl.OPS.keys())", "len([*tl.OPS.items()])", "len({**tl.OPS})")}
    assert len(alike) == 1 and int(alike.pop()) > 300
    order = run("import tinygrad_lite as tl\ntl.linalg, tl.fft, tl.sort\nprint(*tl.OPS)")
    assert order == run("import tinygrad_lite as tl\nprint(*tl.OPS)")
    for ask in ("'det' in tl.OPS", "tl.OPS['det'].name == 'det'", "tl.OPS.get('det').name == 'det'"):
        assert run(count.format(ask)) == "True"
    assert "absent" not in tl.OPS and tl.OPS.get("absent", 3) == 3
    with pytest.raises(KeyError, match="absent"):
        tl.OPS["absent"]


def test_a_registry_imports_when_something_is_unknown(tmp_path, monkeypatch):
    (tmp_path / "declares_two.py").write_text(
        "import sys\nclass Two:\n    body = property(lambda self: type(self))\nsys.planted.update(b=Two(), a=Two())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    monkeypatch.setattr(sys, "planted", registry, raising=False)
    registry.files.append("declares_two")
    assert registry.declared("b") is None
    assert "b" in registry and list(registry) == ["b", "a"]
    sys.modules.pop("declares_two")


def test_a_program_s_operation_does_not_take_the_name_of_one_whose_file_is_not_imported():
    program = """
    import tinygrad_lite as tl

    @tl.composite()
    def median(x):
        return x

    print("tinygrad_lite" in tl.OPS["median"].body.__module__, "__main__.median" in tl.OPS)
    """
    assert run(program) == "True True"


def test_kernels_are_there_when_an_operation_is_first_called():
    declared = {}
    for name, op in tl.OPS.items():
        for backend in ("numpy", "symbols", "cupy"):
            for kernel in (kernel for kernel in op.kernels[backend] if not kernel.automatic):
                forward = getattr(kernel.forward, "func", kernel.forward)
                if forward.__module__.startswith("tinygrad_lite"):
                    declared.setdefault(name, {}).setdefault(backend, set()).add(forward.__module__)
    known = {name: {b: set(files) for b, files in by.items()} for name, by in KERNEL_FILES.items()}
    assert known == declared
    assert (
        run(
            """
        import sys, tinygrad_lite as tl
        file = "tinygrad_lite.kernels.numpy.reductions"
        before = file in sys.modules
        tl.softmax(tl.tensor([1.0, 2.0]))
        print(before, file in sys.modules)
        """
        )
        == "False True"
    )


def test_threads_may_use_names_for_the_first_time_together():
    program = """
    import sys, threading
    import numpy, tinygrad_lite as tl
    sys.setswitchinterval(1e-6)
    names = ["nn", "optim", "regularizers", "jit", "train", "io", "grad", "linalg", "vmap", "sort", "conv2d", "median"]
    start, found, failed = threading.Barrier(16), [], []

    def use(i):
        start.wait()
        try:
            order = names[i % 12 :] + names[: i % 12]
            got = {name: getattr(tl, name) for name in order}
            got |= {"ops": tuple(tl.OPS)} if i % 2 else {"ops": tuple(op.name for op in tl.OPS.values())}
            value = tl.softmax(numpy.float32([[0.0, 0.0]])).tolist(), tl.sigmoid(tl.tensor([0.0])).tolist()
            found.append((tuple(got[name] for name in [*names, "ops"]), value))
        except BaseException as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=use, args=(i,)) for i in range(16)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(failed, len(found), all(one == found[0] for one in found), found[0][1])
    """
    for _ in range(3):
        assert run(program) == "[] 16 True ([[0.5, 0.5]], [0.5])"


def test_what_comes_later_may_be_pickled(tmp_path):
    path = tmp_path / "pickled"
    save = "import pickle, tinygrad_lite as tl\nkept = tl.sort, tl.nn.Linear(1, 1), tl.tensor([1.0])\n"
    run(f"{save}\nwith open({str(path)!r}, 'wb') as file: pickle.dump(kept, file)")
    load = f"import pickle\nwith open({str(path)!r}, 'rb') as file: sort, linear, x = pickle.load(file)\n"
    shown = "import tinygrad_lite as tl\nprint(sort is tl.sort, type(linear) is tl.nn.Linear, x)"
    assert run(load + shown) == "True True Tensor([1.], dtype=float32)"


def test_a_failing_import_is_not_a_missing_name(tmp_path, monkeypatch):
    (tmp_path / "halfway").mkdir()
    (tmp_path / "halfway" / "__init__.py").write_text(
        "from tinygrad_lite.core.later import later\n"
        "__getattr__, __dir__ = later(__name__, {'broken': 'one', 'part': 'two'})\n"
    )
    (tmp_path / "halfway" / "broken.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "halfway" / "part.py").write_text("two = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    import halfway

    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        halfway.one
    assert halfway.two == 2 and vars(halfway)["two"] == 2
    assert {"one", "two", "broken", "part"} <= set(dir(halfway))
    attribute, _ = later("halfway.part", {"broken": "one"})  # a file's names are relative to its package
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        attribute("one")


@pytest.mark.parametrize("name", ["mse", "l1", "huber"])
def test_losses_have_no_suffix_and_the_error_says_so(name):
    with pytest.raises(AttributeError, match=f"PyTorch's {name}_loss is '{name}' here"):
        getattr(tl, f"{name}_loss")
