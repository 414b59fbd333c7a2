"""bfloat16 as a dtype: creation, casts, promotion, printing, gradients, on NumPy and on a device."""

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn

ml_dtypes = pytest.importorskip("ml_dtypes")
BF16 = np.dtype(ml_dtypes.bfloat16)


def test_creation():
    made = [
        tl.tensor([1.0, 2.5], dtype="bfloat16"), tl.tensor(np.array([1.0, 2.5], BF16)), tl.zeros(2, dtype=tl.bfloat16),
        tl.ones((1, 2), dtype=ml_dtypes.bfloat16), tl.full(2, 0.5, dtype=BF16), tl.eye(2, dtype="bfloat16"),
        tl.arange(3, dtype="bfloat16"), tl.linspace(0.0, 1.0, 3, dtype="bfloat16"), tl.empty(2, dtype="bfloat16"),
        tl.zeros_like(tl.ones(2), dtype="bfloat16"), tl.ones_like(tl.zeros(2, dtype="bfloat16")),
        tl.asarray(np.zeros(2), dtype="bfloat16"), tl.Generator(0).normal((2,), dtype="bfloat16"),
        tl.Generator(0).uniform((2,), dtype="bfloat16"),
    ]  # fmt: skip
    assert {x.dtype for x in made} == {BF16} == {tl.bfloat16}
    assert nn.Linear(2, 3).to("bfloat16").weight.dtype == BF16


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_casts():
    x = tl.tensor([1.0, 1.00390625, 1e39, np.nan], dtype="float64")
    with np.errstate(over="ignore"):
        low = x.astype("bfloat16")
    np.testing.assert_array_equal(low.astype("float32").numpy(), np.array([1.0, 1.0, np.inf, np.nan], "float32"))
    for dtype in ("float16", "float32", "float64", "int32", "bool"):
        assert tl.ones(2, dtype="bfloat16").astype(dtype).dtype == dtype
        assert tl.astype(np.ones(2, BF16), dtype).dtype == dtype
        assert tl.ones(2, dtype=dtype).astype("bfloat16").dtype == BF16
    raw = np.ones(2, BF16)
    assert tl.reshape(raw, (2, 1)).base is raw and tl.flatten(raw).dtype == BF16


def test_promotion():
    x = tl.tensor([1.0, 2.0], dtype="bfloat16")
    weak = [x + 1, x * 2.0, 1.0 / x, x**2, x**0.5, 2.0**x, tl.maximum(x, 0.0), tl.where(x > 1.0, x, 0.0), x + True]
    weak += [tl.clip(x, 0.0, 1.5), x - x, -x, x @ x, x.sum(), x.mean(), x.var(), tl.exp(x), tl.cumulative_sum(x)]
    assert {y.dtype for y in weak} == {BF16}
    raw = np.ones(2, BF16)
    assert {np.asarray(y).dtype for y in (tl.multiply(raw, 2.0), tl.power(raw, 2), tl.silu(raw), tl.sum(raw))} == {BF16}
    wider = {"float16": "float32", "float32": "float32", "float64": "float64", "complex64": "complex64"}
    wider |= {"int64": "float64", "int8": "bfloat16", "bool": "bfloat16"}
    for other, expected in wider.items():
        assert str((x * tl.ones(2, dtype=other)).dtype) == expected == str((tl.ones(2, dtype=other) * x).dtype)
        assert str(tl.result_type("bfloat16", other)) == expected
    assert tl.concat([x, tl.ones(2)]).dtype == tl.float32 and tl.concat([x, x]).dtype == BF16
    assert tl.where(x > 1.0, x, tl.ones(2)).dtype == tl.float32
    assert tl.result_type(x, 1.0) == BF16 and tl.can_cast("bfloat16", "float32")
    assert tl.isdtype(tl.bfloat16, "real floating") and not tl.isdtype("bfloat16", ("integral", "complex floating"))


def test_limits():
    limits = tl.finfo("bfloat16")
    assert (limits.bits, limits.eps, limits.dtype) == (16, 2.0**-7, BF16)
    assert limits.max == float(ml_dtypes.finfo(BF16).max) and limits.smallest_normal == 2.0**-126


@pytest.mark.numpy_only("a text that names no device")
def test_printing():
    assert repr(tl.tensor([1.1, -2.0], dtype="bfloat16")) == "Tensor([ 1.1016, -2.    ], dtype=bfloat16)"
    assert repr(tl.tensor(0.1, dtype="bfloat16")) == "Tensor(0.1001, dtype=bfloat16)"


def test_sums_keep_what_bfloat16_does_not():
    assert np.ones(1000, BF16).sum() == 256  # NumPy's
    x = tl.ones((2, 1000), dtype="bfloat16")
    assert x.sum(axis=1).tolist() == [1000.0, 1000.0] and (x @ x[0]).tolist() == [1000.0, 1000.0]
    assert x.mean().item() == 1.0


def test_gradients():
    x = tl.tensor([0.5, -1.5], dtype="bfloat16", requires_grad=True)
    w = tl.tensor([2.0, 4.0], requires_grad=True)
    (tl.gelu(x) * w + x * 3.0).sum().backward()
    assert x.grad.dtype == BF16 and w.grad.dtype == tl.float32
    second = tl.grad(tl.grad(lambda y: (y**3).sum() * 1.0))(tl.tensor(2.0, dtype="bfloat16"))
    assert second.dtype == BF16 and second.item() == 12.0
    rows = tl.vmap(tl.grad(lambda y: (y * y).sum()))(tl.ones((3, 2), dtype="bfloat16"))
    assert rows.dtype == BF16 and rows.tolist() == [[2.0, 2.0]] * 3


def test_a_step_is_captured():
    x = np.array([[1.0, 2.0]], BF16)
    f = tl.jit(lambda x: tl.softmax(x * 2.0) @ tl.tensor(np.ones((2, 1), BF16)))
    assert f(x).dtype == BF16
    np.testing.assert_array_equal(f(x).numpy(), (tl.softmax(tl.tensor(x) * 2.0) @ tl.ones((2, 1), dtype=BF16)).numpy())


def test_results_on_a_device_are_those_of_the_cpu(cuda):
    def program(device):
        x = tl.tensor([[0.5, -1.25, 2.0], [1.0, 0.0, -3.0]], dtype="bfloat16", device=device, requires_grad=True)
        w = tl.tensor([[1.0, 2.0], [0.5, -1.0], [0.25, 3.0]], dtype="bfloat16", device=device)
        y = tl.layer_norm(tl.silu(x * 2.0) @ w) + tl.softmax(x)[:, :2]
        loss = (y * y).sum() + tl.where(x > 0.0, x, 0.0).mean()
        loss.backward()
        return [loss.detach(), y.detach(), x.grad]

    for here, there in zip(program("cpu"), program("cuda"), strict=True):
        assert here.dtype == there.dtype == BF16
        np.testing.assert_allclose(
            there.to("cpu").numpy().astype("float32"), here.numpy().astype("float32"), rtol=0.03, atol=0.03
        )


def test_without_ml_dtypes_an_error_says_what_to_install():
    code = """
import sys
sys.modules["ml_dtypes"] = None
import tinygrad_lite as tl
for make in (lambda: tl.bfloat16, lambda: tl.zeros(2, dtype="bfloat16"), lambda: tl.autocast()):
    try:
        make()
    except tl.DTypeError as error:
        print(error)
with tl.autocast("float16"):
    print((tl.ones((1, 1)) @ tl.ones((1, 1))).dtype)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *errors, last = done.stdout.splitlines()
    assert last == "float16" and len(errors) == 3
    for error in errors:
        assert error.startswith("bfloat16: ml_dtypes, which adds it to NumPy, cannot be imported (")
        assert error.endswith("Install it with pip install 'tinygrad-lite[bf16]'; or use float16 or float32.")
