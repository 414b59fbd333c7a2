"""Convolutions and attention through cuDNN: plans, what is told to it, and what is left to our own kernels.

On the stand-in; `test_cudnn_plans.py` shows graphs to cuDNN itself.
"""

from __future__ import annotations

import inspect
import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy import cudnn as stand_in
from tests.backends.fake_cupy.cudnn import FakeCudnn
from tests.cuda.test_cudnn_values import HALVES, attended, attention_agrees, close, draw, leaves, names
from tinygrad_lite.core.errors import BackendError
from tinygrad_lite.cuda import cudnn as binding
from tinygrad_lite.cuda.graphs import GraphMemory


@pytest.fixture
def tf32():
    tl.set_matmul_precision("high")
    yield
    tl.set_matmul_precision("highest")


def convolved(dtype="float32", image=(2, 8, 6, 6), seed=0):
    x, w = (fake_cupy.arrays.from_numpy(draw(s, dtype, seed + i)) for i, s in enumerate((image, (4, image[1], 3, 3))))
    out = tl.convolve_nd(x, w, stride=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=1)
    return x, w, out


def engine(fake):
    return fake.calls[-1][1].engine.name


def channels_last(x):
    return fake_cupy.cupy.moveaxis(x, 1, -1).flags.c_contiguous


def test_float32_is_exact_and_lies_in_the_public_order(cudnn):
    _, _, out = convolved()
    assert engine(cudnn) == "eng5_k2=1" and out.flags.c_contiguous


def test_tf32_is_used_where_it_was_asked_for(cudnn, tf32):
    _, _, out = convolved()
    assert engine(cudnn) == "eng4_k2=1" and channels_last(out)


@pytest.mark.parametrize("dtype", HALVES)
def test_16_bits_have_their_channels_innermost(cudnn, dtype):
    _, _, out = convolved(dtype)
    assert engine(cudnn) == "eng8_k2=1" and channels_last(out)
    following = fake_cupy.arrays.from_numpy(draw((3, 4, 1, 1), dtype))
    tl.conv2d(tl.relu(tl.Tensor(out)), tl.Tensor(following))
    assert cudnn.calls[-1][1].inputs["image"].stride == [144, 1, 24, 4]


def test_autocast_convolves_in_16_bits(cudnn):
    x, w = leaves("cuda", (2, 3, 5, 5), (4, 3, 3, 3))
    with tl.autocast("bfloat16"):
        out = tl.conv2d(x, w, padding=1)
    out.sum().backward()
    assert x.grad.dtype == w.grad.dtype == np.float32
    assert {graph.inputs[name].data_type for _, graph in cudnn.calls for name in graph.inputs} == {
        stand_in.DataType.BFLOAT16
    }
    assert len(cudnn.calls) == 3


# What is left to this package's own kernels


@pytest.mark.usefixtures("emulated")
def test_without_cudnn_one_line_is_logged(cudnn, monkeypatch, caplog):
    def missing():
        raise BackendError("cuDNN: no module")

    monkeypatch.setattr(binding, "open_library", missing)
    with caplog.at_level(logging.DEBUG, "tinygrad_lite.cuda.cudnn"):
        for _ in range(2):
            x, w, out = convolved()
    assert [record.message for record in caplog.records] == [
        "convolutions and attention are left to this package's own kernels: cuDNN: no module"
    ]
    close(out, tl.conv2d(x._host, w._host, padding=1), "float32")
    assert binding.version() is None


@pytest.mark.usefixtures("emulated")
def test_what_cudnn_refuses_is_logged_once_and_computed(cudnn, caplog):
    cudnn.refuse = lambda graph: True
    with caplog.at_level(logging.DEBUG, "tinygrad_lite.cuda.cudnn"):
        for _ in range(2):
            x, w, out = convolved()
            q = fake_cupy.arrays.from_numpy(draw((4, 8), "float16"))
            attended([q, q, q], q)
    messages = [record.message for record in caplog.records]
    assert [re.findall(r"operation='(\w+)'", message) for message in messages] == [
        ["conv_fprop"], ["sdpa"], ["sdpa_backward"]
    ]  # fmt: skip
    ending = "is left to this package's own kernels: cuDNN: refused by the test"
    assert all(message.endswith(ending) for message in messages)
    close(out, tl.conv2d(x._host, w._host, padding=1), "float32")
    assert cudnn.calls == []


@pytest.mark.usefixtures("emulated")
def test_gradients_of_convolutions_that_cudnn_refuses(cudnn):
    cudnn.refuse = lambda graph: graph.operation != "conv_fprop"

    def found(device):
        x, w = leaves(device, (2, 3, 5, 5), (4, 3, 3, 3))
        return tl.autograd.grad(tl.sum(tl.sin(tl.conv2d(x, w))), [x, w])

    for here, there in zip(found("cpu"), found("cuda"), strict=True):
        close(there.data, here.numpy(), "float32")
    assert names(cudnn) == ["conv_fprop"]


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(("refused", "computed"), [("sdpa_backward", ["sdpa"]), ("sdpa", ["sdpa_backward"])])
@pytest.mark.parametrize("causal", [False, True])
def test_either_may_compute_the_gradients_of_the_other(cudnn, refused, computed, causal):
    cudnn.refuse = lambda graph: graph.operation == refused
    arrays = [draw(s, "bfloat16", i) for i, s in enumerate(((2, 4, 17, 16), (2, 2, 20, 16), (2, 2, 20, 8)))]
    g, more = draw((2, 4, 17, 8), "bfloat16", 3), {"is_causal": causal, "enable_gqa": True, "scale": 0.5}
    attention_agrees(arrays, g, "bfloat16", **more)
    assert names(cudnn) == computed


@pytest.mark.usefixtures("emulated")
def test_a_workspace_that_is_too_large_is_declined(cudnn, monkeypatch):
    monkeypatch.setattr(binding, "LARGEST_WORKSPACE", 2 * 64 * 128 - 1)
    arrays = [draw((8, 8), "float16", i) for i in range(4)]
    attention_agrees(arrays[:3], arrays[3], "float16")
    assert names(cudnn) == ["sdpa"]
    binding.plans.cache_clear()
    monkeypatch.setattr(binding, "LARGEST_WORKSPACE", 2 * 64 * 128)
    attention_agrees(arrays[:3], arrays[3], "float16")
    assert names(cudnn) == ["sdpa", "sdpa", "sdpa_backward"]


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("kind", ["mask", "float32", "odd rows", "odd strides", "misaligned"])
def test_attention_that_is_not_for_cudnn(cudnn, kind):
    dtype = "float32" if kind == "float32" else "float16"
    columns = 12 if kind == "odd rows" else 8
    arrays, more = [draw((4, columns), dtype, i) for i in range(4)], {}
    if kind == "mask":
        more = {"mask": fake_cupy.arrays.from_numpy(np.eye(4, dtype=bool))}
        arrays_there = [fake_cupy.arrays.from_numpy(x) for x in arrays]
        out = tl.scaled_dot_product_attention(*arrays_there[:3], more["mask"])
        close(out, tl.scaled_dot_product_attention(*[x.astype("float64") for x in arrays[:3]], np.eye(4) > 0), dtype)
    else:
        views = {"odd strides": lambda x: wider(x, 1), "misaligned": misaligned}
        attention_agrees(arrays[:3], arrays[3], dtype, view=views.get(kind, lambda x: x))
    assert cudnn.calls == []


def wider(x, more):
    """The same values in rows that lie further apart."""
    y = fake_cupy.cupy.empty((*x.shape[:-1], x.shape[-1] + more), dtype=x.dtype)
    y[..., : x.shape[-1]] = x
    return y[..., : x.shape[-1]]


def misaligned(x):
    """A copy that begins one element behind a whole address."""
    y = fake_cupy.cupy.empty(x.size + 1, dtype=x.dtype)[1:].reshape(x.shape)
    y[...] = x
    return y


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("kind", ["float64", "misaligned", "another device"])
def test_convolutions_that_are_not_for_cudnn(cudnn, kind):
    x, w = draw((1, 2, 4, 4)), draw((2, 2, 3, 3), seed=1)
    if kind == "float64":
        x, w = x.astype("float64"), w.astype("float64")
    there = [fake_cupy.arrays.from_numpy(a) for a in (x, w)]
    if kind == "misaligned":
        there[0] = misaligned(there[0])
    if kind == "another device":
        with fake_cupy.cupy.cuda.Device(1):
            assert binding.plans(fake_cupy.cupy).find(None, *there) is None
        return
    close(tl.conv2d(*there), tl.conv2d(x, w), "float32")
    assert cudnn.calls == []


# Plans, handles, memory


def test_a_plan_is_made_once(cudnn):
    for seed in range(3):
        convolved(seed=seed)
    assert cudnn.built == 1 and len(cudnn.calls) == 3
    convolved(image=(3, 8, 6, 6))
    convolved("float16")
    assert cudnn.built == 3


def test_precisions_have_plans_of_their_own(cudnn):
    convolved()
    tl.set_matmul_precision("high")
    try:
        convolved()
        convolved("float16")
    finally:
        tl.set_matmul_precision("highest")
    convolved("float16")
    assert cudnn.built == 3


def test_the_oldest_plans_go(cudnn, monkeypatch):
    monkeypatch.setattr(binding, "LARGEST_CACHE", 2)
    for n in (1, 2, 3, 3, 1):
        convolved(image=(n, 8, 6, 6))
    assert cudnn.built == 4 and len(binding.plans(fake_cupy.cupy).plans) == 2


def test_each_thread_and_device_has_a_handle_which_follows_the_stream(cudnn):
    stream = fake_cupy.cupy.cuda.Stream()
    convolved()
    with stream:
        convolved()
    assert len(cudnn.handles) == 1
    with ThreadPoolExecutor(1) as pool:
        pool.submit(convolved).result()
    with fake_cupy.cupy.cuda.Device(1):
        convolved()
    assert [handle.device for handle in cudnn.handles] == [0, 0, 1]
    assert len({handle.thread for handle in cudnn.handles}) == 2 and len(cudnn.calls) == 4


def test_plans_are_captured_and_their_memory_is_the_graph_s(cudnn):
    x, w, _ = convolved("float16")
    q = fake_cupy.arrays.from_numpy(draw((8, 8), "float16"))
    attended([q, q, q], q)
    built, memory = cudnn.built, GraphMemory()
    statics = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    with memory.captured() as made:
        out = tl.convolve_nd(x, w, **statics)
        rest = attended([q, q, q], q)
    assert cudnn.built == built and memory.size > 0
    x *= 2.0
    q *= 0.5
    for _ in range(3):
        made[0].launch()
    close(out, np.asarray(tl.convolve_nd(x, w, **statics)._host, "float64"), "float16")
    for mine, theirs in zip(rest, attended([q, q, q], q), strict=True):
        close(mine, np.asarray(theirs._host, "float64"), "float16")


def test_captured_steps_equal_eager_ones(cudnn):
    def trained(compiled):
        tl.manual_seed(0)
        model = tl.nn.Sequential(tl.nn.Conv2d(2, 4, 3, padding=1), tl.nn.ReLU(), tl.nn.Conv2d(4, 2, 3)).to("cuda")
        optimizer = tl.optim.SGD(model.parameters(), lr=0.01)

        def step(x):
            optimizer.zero_grad()
            loss = tl.mean(model(x) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        step = tl.jit(step) if compiled else step
        return [step(tl.tensor(draw((2, 2, 5, 5), seed=i), device="cuda")).detach().numpy() for i in range(5)]

    captured, calls = trained(True), len(cudnn.calls)
    np.testing.assert_allclose(captured, trained(False), rtol=1e-6)
    assert 5 < calls < len(cudnn.calls) - calls == 25  # two layers forward, their filters, and the second one's images


def test_versions_are_told(cudnn):
    assert binding.version() == "9.28.1, frontend 1.32.0"


# The package


def test_what_is_missing_or_too_old_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "cudnn", None)
    with pytest.raises(BackendError, match=r"cuDNN: .*; pip install 'tinygrad-lite\[cudnn\]' nvidia-cudnn-cu13 \(or"):
        binding.open_library()
    fake = FakeCudnn()
    monkeypatch.setitem(sys.modules, "cudnn", fake)
    assert binding.open_library() is fake
    fake.__version__ = "1.9.0"
    with pytest.raises(BackendError, match=r"nvidia-cudnn-frontend is 1\.9\.0; 1\.32 or later is required\."):
        binding.open_library()

    def none():
        raise RuntimeError("Unable to find symbol cudnnGetVersion")

    fake.backend_version = none
    with pytest.raises(BackendError, match="cuDNN: Unable to find symbol cudnnGetVersion; pip install"):
        binding.open_library()


METHODS = (
    "tensor validate build_operation_graph create_execution_plans deselect_engines deselect_numeric_notes "
    "deselect_workspace_greater_than check_support build_plans get_workspace_size execute __init__"
)


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name not in ("self", "args", "kwargs")]


def told(function):
    """The parameters of a function of the package that is written in C++, which its documentation begins with."""
    lines = [line for line in function.__doc__.splitlines() if line.startswith(f"{function.__name__}(self")]
    return {name for line in lines for name in re.findall(r"(\w+): ", line)}


def test_the_stand_in_has_only_what_the_package_has():
    real = pytest.importorskip("cudnn", reason="nvidia-cudnn-frontend is not installed", exc_type=ImportError)
    fake, graph = FakeCudnn(), stand_in.Pygraph
    for name in METHODS.split():
        assert set(parameters(getattr(graph, name))) <= set(parameters(getattr(real.pygraph, name))), name
    for name, inputs in binding.OPERATIONS.items():
        known = told(getattr(real._pybind_module.backend_graph, name))
        assert set(inputs) <= set(parameters(getattr(graph, name))) <= known, name
    for name in ("create_handle", "set_stream"):
        assert parameters(getattr(fake, name)) == parameters(getattr(real, name))
    for name in ("set_output", "set_uid", "set_data_type", "set_dim", "set_stride"):
        assert len(parameters(getattr(real.Tensor, name))) == 1
    for name in ("data_type", "heur_mode", "numerical_note"):
        assert set(getattr(fake, name).__members__) <= set(getattr(real, name).__members__)
    assert issubclass(real.cudnnGraphNotSupportedError, Exception) and callable(real.backend_version_string)
    assert tuple(map(int, real.__version__.split(".")[:2])) >= binding.OLDEST
