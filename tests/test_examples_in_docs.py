"""Every example in a docstring of the package and in the README runs and prints what it claims.

Docstrings: `>>>` examples, with `np`, the names of `tinygrad_lite` and what the module itself defines in scope.
README: the ```python blocks run in order in one namespace; a ```text block right after one holds exactly what it prints
(without one it prints nothing). A block that begins with ```python gpu is compiled only.
"""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite

README = Path(__file__).resolve().parents[1] / "README.md"
NOT_IMPORTED = ("cupy", "__main__")


def not_imported(name):
    """A package whose library is not installed is left out; any other that cannot be imported is an error."""
    if not set(name.split(".")) & set(NOT_IMPORTED):
        raise ImportError(name)


MODULES = [tinygrad_lite] + [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(tinygrad_lite.__path__, "tinygrad_lite.", onerror=not_imported)
    if not set(found.name.split(".")) & set(NOT_IMPORTED)
]


def docstrings(module):
    """The docstrings of a module, of its functions and classes, and of their methods, with their names."""
    seen = set()

    def walk(name, value):
        if id(value) in seen:
            return
        seen.add(id(value))
        yield name, inspect.cleandoc(value.__doc__ or "")
        if inspect.isclass(value):
            for key, member in vars(value).items():
                if isinstance(member, (staticmethod, classmethod)):
                    member = member.__func__
                if isinstance(member, property):
                    member = member.fget
                if inspect.isfunction(member) and member.__module__ == module.__name__:
                    yield from walk(f"{name}.{key}", member)

    yield module.__name__, module.__doc__
    for key, value in vars(module).items():
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__:
            yield from walk(f"{module.__name__}.{key}", value)


EXAMPLES = [
    pytest.param(module, name, text, id=name.removeprefix("tinygrad_lite."))
    for module in MODULES
    for name, text in docstrings(module)
    if text and ">>> " in text
]


@pytest.fixture(autouse=True)
def in_a_fresh_state(tmp_path, monkeypatch):
    """Examples may write files, draw random numbers and declare operations; nothing of it is left."""
    monkeypatch.chdir(tmp_path)
    before = dict(tinygrad_lite.OPS)
    tinygrad_lite.manual_seed(0)
    with np.printoptions(precision=8, suppress=False, threshold=1000, linewidth=75, floatmode="maxprec"):
        yield
    tinygrad_lite.OPS.clear()
    tinygrad_lite.OPS.update(before)


@pytest.mark.parametrize(("module", "name", "text"), EXAMPLES)
def test_docstring_example(module, name, text):
    own = {key: value for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    public = {key: getattr(tinygrad_lite, key) for key in dir(tinygrad_lite)}
    scope = {"np": np, **public, **own, "__name__": "__main__"}
    test = doctest.DocTestParser().get_doctest(text, scope, name, module.__file__, 0)
    report = io.StringIO()
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    assert not failed, report.getvalue()


def test_there_are_docstring_examples():
    assert len(EXAMPLES) >= 100


def readme_blocks(text):
    """The Python blocks of a README: source, what it prints, whether it is run."""
    pattern = re.compile(r"^```python( gpu)?\n(.*?)^```\n(?:\n*^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
    return [(source, printed, not gpu) for gpu, source, printed in pattern.findall(text)]


def run_readme(text):
    """Run the blocks; the claims that did not come true."""
    scope, wrong = {"__name__": "__main__"}, []
    for source, claimed, runs in readme_blocks(text):
        code = compile(source, "README.md", "exec")
        printed = io.StringIO()
        if runs:
            with contextlib.redirect_stdout(printed):
                exec(code, scope)
            if printed.getvalue().rstrip() != claimed.rstrip():
                wrong.append(f"the block\n{source}printed\n{printed.getvalue()}and the README says\n{claimed}")
    return wrong


def test_readme_examples_print_what_they_claim():
    text = README.read_text()
    assert len(readme_blocks(text)) >= 2, "the README has no examples"
    assert run_readme(text) == []


def test_a_wrong_readme_is_noticed():
    good = "Text\n\n```python\nx = 1\n```\n\nMore\n\n```python\nprint(x + 1)\n```\n\n```text\n2\n```\n"
    good += "\n```python gpu\nno()\n```\n"
    assert len(readme_blocks(good)) == 3 and run_readme(good) == []
    assert len(run_readme(good.replace("2", "3"))) == 1
    assert len(run_readme(good.replace("x = 1", "print(1); x = 1"))) == 1
