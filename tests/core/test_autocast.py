"""`autocast`: which operations compute in which dtype, where it holds, and what is cast once."""

import asyncio
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.laws.cases import CASES
from tinygrad_lite import OPS, nn
from tinygrad_lite.core import autocast as module
from tinygrad_lite.core.tree import leaves, map_leaves
from tinygrad_lite.testing.laws.calls import called

pytest.importorskip("ml_dtypes")
LOW = ["float16", "bfloat16"]


@pytest.fixture
def net():
    tl.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3))


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 8)).astype("float32"), np.array([0, 1, 2, 0, 1])


@pytest.fixture
def casts(monkeypatch):
    """The dtypes and shapes of what the policies cast."""
    made = []
    real = module._cast

    def noted(x, dtype):
        made.append((str(dtype), tuple(x.shape)))
        return real(x, dtype)

    monkeypatch.setattr(module, "_cast", noted)
    return made


def gradients(net, loss):
    loss.backward()
    found = [parameter.grad.numpy() for parameter in net.parameters()]
    for parameter in net.parameters():
        parameter.grad = None
    return found


# What is declared

DECLARED = [case for case in CASES if case.values[0].autocast in ("low", "float32")]


@pytest.mark.parametrize(("op", "sample"), DECLARED)
def test_declared_operations_compute_in_their_dtype(op, sample):
    kind = op.autocast
    given, wanted = ("float32", "bfloat16") if kind == "low" else ("bfloat16", "float32")
    dtype = tl.bfloat16 if given == "bfloat16" else given
    from hypothesis import given as drawn
    from hypothesis import settings

    @settings(max_examples=2)
    @drawn(sample.strategy)
    def check(example):
        arrays, statics = example
        if statics.get("dtype") is not None:
            return
        floats = [x for x in leaves(arrays) if getattr(x, "dtype", None) == np.float64]
        if not floats:
            return
        arrays = map_leaves(lambda x: x.astype(dtype) if getattr(x, "dtype", None) == np.float64 else x, arrays)
        for values in (arrays, map_leaves(lambda x: tl.tensor(x) if isinstance(x, np.ndarray) else x, arrays)):
            with np.errstate(all="ignore"), tl.autocast("bfloat16"):
                outs = leaves(called(op.function, values, statics))
            assert [str(out.dtype) for out in outs if str(out.dtype) in [*LOW, "float32"]] == [wanted] * len(outs)

    check()


def test_lists_are_pytorchs():
    torch = pytest.importorskip("torch")
    text = (Path(torch.__file__).parent / "include/ATen/autocast_mode.h").read_text()
    kinds = {"LOWER_PRECISION_FP": "low", "FP32": "float32", "FP32_SET_OPT_DTYPE": "float32", "PROMOTE": "widest"}
    names = {
        "pow": "power", "cumsum": "cumulative_sum", "cumprod": "cumulative_prod", "grid_sampler": "grid_sample",
        "linalg_vector_norm": "vector_norm", "linalg_matrix_norm": "matrix_norm", "linalg_vecdot": "vecdot",
        "linalg_multi_dot": "chain_product", "einsum": "contract", "upsample_bilinear2d": "interpolate",
    }  # fmt: skip
    seen = {}
    for macro, kind in kinds.items():
        body = re.search(rf"#define AT_FORALL_{macro}\(_\)((?:.*\\\n)*.*\n)", text)[1]
        for name in re.findall(r"_\((\w+)", body):
            ours = names.get(name, name.removesuffix("_loss"))
            if ours in OPS:
                seen[ours] = kind
    assert len(seen) > 50
    assert {name: OPS[name].autocast for name in seen} == seen


@pytest.mark.parametrize("low", LOW)
def test_what_is_not_listed_keeps_or_promotes(low):
    x = tl.ones((2, 3), dtype=low)
    with tl.autocast(low):
        assert tl.silu(x).dtype == tl.tanh(x).dtype == x.mean().dtype == x.dtype
        assert (x + 1.0).dtype == x.dtype and (x + tl.ones(3)).dtype == tl.float32
        assert tl.atan2(x, tl.ones(3)).dtype == tl.float32 and tl.atan2(x, x).dtype == x.dtype
        assert tl.tensordot(x, tl.ones((2, 3)), axes=2).dtype == tl.float32
        assert (tl.ones((2, 3), dtype="float64") @ tl.ones((3, 1), dtype="float64")).dtype == tl.float64
        assert (tl.ones((2, 3), dtype="int64") @ tl.ones((3, 1), dtype="int64")).dtype == tl.int64
        assert x.sum(dtype="float64").dtype == tl.float64
        assert np.asarray(tl.matmul(np.ones((2, 2), "float32"), np.ones((2, 2), "float32"))).dtype == x.dtype


def test_sums_are_long():
    x = tl.ones(3000, dtype="bfloat16")
    with tl.autocast():
        assert x.sum().item() == 3000.0 and x.sum().dtype == tl.float32
        assert x.sum(axis=0, keepdims=True).shape == (1,)


# Where it holds


def test_contexts_nest_and_end():
    x = tl.ones((2, 2))
    with tl.autocast("bfloat16"):
        assert (x @ x).dtype == tl.bfloat16
        with tl.autocast("float16"):
            assert (x @ x).dtype == tl.float16
            with tl.autocast(enabled=False):
                assert (x @ x).dtype == tl.float32
        assert (x @ x).dtype == tl.bfloat16
        with pytest.raises(ZeroDivisionError), tl.autocast("float16"):
            raise ZeroDivisionError
        assert (x @ x).dtype == tl.bfloat16
    assert (x @ x).dtype == tl.float32


def test_decorated_functions():
    context = tl.autocast("float16")

    @context
    def product(x, again=True):
        return product(x, again=False) if again else x @ x

    assert product(tl.ones((2, 2))).dtype == tl.float16
    assert (tl.ones((2, 2)) @ tl.ones((2, 2))).dtype == tl.float32


def test_threads_and_tasks_have_their_own():
    x, seen = tl.ones((2, 2)), []
    with tl.autocast("float16"):
        thread = threading.Thread(target=lambda: seen.append((x @ x).dtype))
        thread.start()
        thread.join()

    async def low(steps):
        with tl.autocast("float16"):
            for _ in range(steps):
                await asyncio.sleep(0)
                seen.append((x @ x).dtype)

    async def both():
        task = asyncio.create_task(low(2))
        for _ in range(2):
            await asyncio.sleep(0)
            seen.append((x @ x).dtype)
        await task

    asyncio.run(both())
    assert seen.count(tl.float16) == 2 and seen.count(tl.float32) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "nothing", None])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(tl.DTypeError, match="autocast: dtype is .*; it must be 'bfloat16' or 'float16'"):
        tl.autocast(dtype)


def test_a_wrong_kind_is_refused():
    with pytest.raises(tl.DeclarationError, match="f: autocast is 'half'; it must be one of 'low', 'float32'"):

        @tl.composite(autocast="half")
        def f(x):
            return x


def test_nothing_looks_for_a_policy_before_the_first():
    code = """
import numpy as np, tinygrad_lite as tl
from tinygrad_lite.core.codegen import source
x = tl.tensor(np.ones((2, 2), "float32"), requires_grad=True)
before = source(tl.matmul); (x @ x).sum().backward()
assert "active_policy" not in before
with tl.autocast("float16"):
    assert (x @ x).dtype == tl.float16 and "active_policy" in source(tl.matmul)
    assert "active_policy" not in source(tl.add)
assert (x @ x).dtype == tl.float32
import sys; print("ml_dtypes" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


# Gradients


@pytest.mark.parametrize("low", LOW)
def test_gradients_are_those_of_pytorch(net, batch, low):
    torch = pytest.importorskip("torch")
    x, target = batch
    twin = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.LayerNorm(16), torch.nn.Linear(16, 3))
    twin.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in net.state_dict().items()})
    with torch.autocast("cpu", getattr(torch, low)):
        loss = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)).float(), torch.from_numpy(target))
    loss.backward()
    with tl.autocast(low):
        outputs = net(tl.tensor(x))
        ours = tl.cross_entropy(outputs, target)
    assert str(outputs.dtype) == low and ours.dtype == tl.float32
    eps = tl.finfo(low).eps
    np.testing.assert_allclose(ours.item(), loss.item(), rtol=2 * eps)
    for mine, theirs in zip(gradients(net, ours), twin.parameters(), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs.grad.numpy(), atol=4 * eps * float(theirs.grad.abs().max()))


def test_a_backward_pass_inside_computes_what_one_outside_does(net, batch):
    x, target = batch
    with tl.autocast():
        inside = gradients(net, tl.cross_entropy(net(tl.tensor(x)), target))
        loss = tl.cross_entropy(net(tl.tensor(x)), target)
    for a, b in zip(inside, gradients(net, loss), strict=True):
        np.testing.assert_array_equal(a, b)


def test_second_derivatives():
    x = tl.tensor([[0.5, -1.0]], requires_grad=True)
    w = tl.tensor([[1.0], [2.0]], requires_grad=True)
    with tl.autocast("float16"):
        y = (tl.exp(x @ w)).sum()
        (gradient,) = tl.autograd.grad([y], [x], create_graph=True)
        (again,) = tl.autograd.grad([gradient.sum()], [w])
    slope = np.exp(-1.5)
    assert gradient.dtype == again.dtype == tl.float32
    np.testing.assert_allclose(gradient.detach().numpy(), slope * np.array([[1.0, 2.0]]), rtol=2e-3)
    np.testing.assert_allclose(again.numpy(), slope * (1 + 3 * np.array([[0.5], [-1.0]])), rtol=4e-3)


# Parameters are cast once


def test_a_parameter_is_cast_once_a_step(casts):
    w = nn.Parameter(np.ones((4, 4), "float32"))
    optimizer, x = tl.optim.SGD([w], lr=0.5), tl.ones((3, 4))
    with tl.autocast():
        for step in range(3):
            optimizer.zero_grad()
            (x @ w + x @ w).sum().backward()
            assert casts.count(("bfloat16", (4, 4))) == step + 1
            optimizer.step()
        assert (x @ w)[0, 0].item() == pytest.approx(4 * w[0, 0].item())
    with tl.autocast():
        x @ w
    assert casts.count(("bfloat16", (4, 4))) == 5


def test_a_parameter_that_is_bound_anew_is_cast_anew():
    w, x = nn.Parameter(np.ones((2, 2), "float32")), tl.ones((1, 2))
    with tl.autocast():
        assert (x @ w)[0, 0].item() == 2.0
        w.data = np.full((2, 2), 3.0, "float32")
        assert (x @ w)[0, 0].item() == 6.0


def test_gradients_of_two_passes_add_up(casts):
    w, x = nn.Parameter(np.ones((2, 2), "float32")), tl.ones((1, 2))
    with tl.autocast():
        for _ in range(2):
            (x @ w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.full((2, 2), 2.0))
    assert casts.count(("bfloat16", (2, 2))) == 1


def test_a_cast_without_a_graph_does_not_cut_a_later_one():
    w, x = nn.Parameter(np.ones((2, 2), "float32")), tl.ones((1, 2))
    with tl.autocast():
        with tl.no_grad():
            assert not (x @ w).requires_grad
        y = x @ w
        with tl.no_grad():
            assert not (x @ w).requires_grad
    y.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.ones((2, 2)))


def test_casts_are_forgotten_with_their_parameters():
    with tl.autocast():
        policy = module.active_policy()
        w = nn.Parameter(np.ones((2, 2), "float32"))
        tl.ones((1, 2)) @ w
        assert len(policy._held) == 1
        del w
        assert len(policy._held) == 0


# Beside everything else


def test_checkpoints_compute_again_in_the_same_precision(net, batch):
    x, target = batch
    with tl.autocast():
        plain = gradients(net, tl.cross_entropy(net(tl.tensor(x)), target))
        net(tl.tensor(x))  # the parameters are cast already
        loss = tl.cross_entropy(tl.checkpoint(net)(tl.tensor(x)), target)
    for a, b in zip(gradients(net, loss), plain, strict=True):
        np.testing.assert_array_equal(a, b)
    loss = tl.cross_entropy(tl.checkpoint(net)(tl.tensor(x)), target)
    with tl.autocast():
        later = gradients(net, loss)
    for a, b in zip(later, gradients(net, tl.cross_entropy(net(tl.tensor(x)), target)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_and_transforms(batch):
    x, _ = batch
    w = np.random.default_rng(2).normal(size=(8, 3)).astype("float32")
    with tl.autocast():
        rows = tl.vmap(lambda row: row @ tl.tensor(w))(tl.tensor(x))
        assert rows.dtype == tl.bfloat16
        np.testing.assert_array_equal(
            rows.numpy().astype("float32"), (tl.tensor(x) @ tl.tensor(w)).numpy().astype("float32")
        )
        slopes = tl.vmap(tl.grad(lambda row: tl.exp(row @ tl.tensor(w) * 0.1).sum()))(tl.tensor(x))
        one = tl.grad(lambda row: tl.exp(row @ tl.tensor(w) * 0.1).sum())(tl.tensor(x[1]))
    assert slopes.dtype == tl.float32
    np.testing.assert_allclose(slopes.numpy()[1], one.numpy(), rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("low", LOW)
def test_captured_steps_are_the_steps(batch, low):
    x, target = batch
    results = []
    for wrap in (lambda f: f, tl.jit):
        tl.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = tl.optim.Adam(model, lr=0.01)

        @wrap
        def step(x, target, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            with tl.autocast(low):
                loss = tl.cross_entropy(model(tl.tensor(x)), target)
            loss.backward()
            optimizer.step()
            return loss

        results.append([float(step(x, target)) for _ in range(4)])
    assert results[0] == results[1] and results[0][0] != results[0][3]


def test_a_step_is_captured_anew_within_autocast():
    product = tl.jit(lambda x: x @ x)
    x = np.ones((2, 2), "float32")
    assert product(x).dtype == product(x).dtype == tl.float32
    with tl.autocast():
        assert product(x).dtype == product(x).dtype == tl.bfloat16
    assert product(x).dtype == tl.float32


def test_compiled_functions_of_users():
    @tl.fuse
    def f(x):
        return x * tl.exp(x)

    x = tl.ones(4, dtype="bfloat16")
    assert f(x).dtype == tl.bfloat16
    with tl.autocast():
        assert f(x).dtype == tl.bfloat16
