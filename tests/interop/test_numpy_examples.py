"""The examples of NumPy's documentation, on Tensors. All of them: `python -m tests.interop.numpy_examples`."""

import random

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.interop.numpy_examples import DIFFERENT, VERSION, WITHOUT_EXAMPLES, run, supported
from tinygrad_lite.interop.functions import TABLE

SLOW = ("einsum", "linalg.multi_dot")

FUNCTIONS = supported()
NAMES = [name for name in FUNCTIONS if name not in WITHOUT_EXAMPLES]
SAMPLE = sorted({*random.Random(0).sample([name for name in NAMES if name not in SLOW], 60), *DIFFERENT} & set(NAMES))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLE)
def test_examples_agree_with_numpy(name):
    examples = run(name, FUNCTIONS[name])
    assert examples.wrong == []
    assert examples.calls, "no example was on Tensors"
    if np.__version__.startswith(VERSION):
        assert not examples.needless, "listed as different, and is not"


def test_most_of_numpy_is_there():
    assert len(FUNCTIONS) > 330
    assert set(WITHOUT_EXAMPLES) <= set(FUNCTIONS)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda m: tl.flip(m, axis=0).detach().numpy(), "no Tensor"),
        (lambda m: tl.flip(m, axis=0).detach(), "requires no gradient"),
        (lambda m: tl.flip(m, axis=1), "Not equal"),
        (lambda m: tl.flip(m, axis=0)[:1], "instead of"),
        (lambda m: None.flip, "AttributeError"),
    ],
    ids=["an array", "a constant", "another value", "another shape", "an error"],
)
def test_a_wrong_entry_is_noticed(monkeypatch, made, message):
    assert run("flipud", np.flipud).wrong == []
    monkeypatch.setitem(TABLE, "flipud", made)
    wrong = run("flipud", np.flipud).wrong
    assert wrong and message in wrong[0]
