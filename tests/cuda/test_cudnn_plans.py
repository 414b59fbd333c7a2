"""cuDNN itself takes the graphs of our kernels, and what is left out leaves a plan; no GPU is needed.

cuDNN makes its plans for devices that are described to it, with the engines' kernels compiled, in a process of its own
(`cudnn_without_gpu.py`). Results and times are not seen so.
"""

from __future__ import annotations

import ctypes
import json
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy.emulator import compiler
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.cuda import cudnn as binding
from tinygrad_lite.kernels.cupy import cudnn_attention
from tinygrad_lite.kernels.cupy.attention import Attention

pytest.importorskip(
    "cudnn", exc_type=ImportError,
    reason="there is no cuDNN: pip install 'tinygrad-lite[cudnn]' nvidia-cudnn-cu13, about 1 GB",
)  # fmt: skip

HALVES = ("float16", "bfloat16")

DRIVER = """
#define FAILS(name) extern "C" int name() { return 100; }
#define LOADS(name) extern "C" int name(void** handle) { *handle = (void*)4096; return 0; }
#define DOES(name) extern "C" int name() { return 0; }
LOADS(cuLibraryLoadData) LOADS(cuLibraryLoadFromFile) LOADS(cuLibraryGetKernel) LOADS(cuKernelGetFunction)
LOADS(cuModuleLoadData) LOADS(cuModuleGetFunction) DOES(cuLibraryUnload) DOES(cuModuleUnload) DOES(cuKernelSetAttribute)
FAILS(cuKernelGetAttribute) FAILS(cuGetErrorString) FAILS(cuGetErrorName) FAILS(cuTensorMapEncodeIm2col)
FAILS(cuTensorMapEncodeTiled) FAILS(cuCtxGetCurrent) FAILS(cuCtxGetLimit) FAILS(cuCtxPopCurrent)
FAILS(cuCtxPushCurrent) FAILS(cuStreamGetCtx) FAILS(cuDriverGetVersion) FAILS(cuLinkCreate) FAILS(cuLinkAddData)
FAILS(cuLinkComplete) FAILS(cuLinkDestroy) FAILS(cuLaunchKernel) FAILS(cuLaunchCooperativeKernel)
FAILS(cuLaunchKernelEx) FAILS(cuDeviceGetCount) FAILS(cuDeviceGet) FAILS(cuOccupancyMaxPotentialClusterSize)
"""
"""Stands for the driver's library where there is none: it says that there is no device."""


class Asked(Exception):
    """A kernel has described its call."""


@pytest.fixture(scope="module")
def described():
    """A function that returns the call as which cuDNN is told of a kernel's, without computing it."""

    def find(self, call, *arrays):
        raise Asked(call)

    with fake_cupy.installed(), pytest.MonkeyPatch.context() as patch:
        binding.plans.cache_clear()
        binding.open_library = object
        patch.setattr(binding.Plans, "find", find)
        device_backend("cuda")

        def told(function, *arrays, **statics):
            with pytest.raises(Asked) as asked:
                function(*arrays, **statics)
            return asked.value.args[0]

        yield told
        binding.plans.cache_clear()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The driver's library."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        if compiler() is None:
            pytest.skip("a stand-in for the driver is compiled with g++, which is not installed")
        folder = tmp_path_factory.mktemp("driver")
        path = folder / "libcuda.so.1"
        (folder / "driver.cpp").write_text(DRIVER)
        flags = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(path), str(folder / "driver.cpp")]
        subprocess.run([compiler(), *flags], check=True)
        return path
    return "libcuda.so.1"


@pytest.fixture(scope="module")
def plans(driver):
    """A function: the plans for pairs of an architecture and a call."""
    roots = [] if find_spec("nvidia") is None else find_spec("nvidia").submodule_search_locations
    if not any(Path(root).glob("*/lib/libcublasLt.so.*") for root in roots):
        pytest.skip("cuDNN needs cuBLAS, of which there is no package")  # and ends the process without it

    def made(pairs):
        script = [sys.executable, "-m", "tests.cuda.cudnn_without_gpu", str(driver)]
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(script, input=pickle.dumps(pairs), capture_output=True, cwd=root)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout.splitlines()[-1])

    return made


def empty(shape, dtype):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return fake_cupy.arrays.from_numpy(np.zeros(shape, kind))


CONVOLUTIONS = {  # image, filters, stride, padding, dilation
    "3 x 3": ((32, 64, 56, 56), (64, 64, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "1 x 1": ((8, 64, 14, 14), (128, 64, 1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "first of a ResNet": ((4, 3, 224, 224), (64, 3, 7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    "of one channel": ((32, 1, 28, 28), (6, 1, 5, 5), (1, 1), ((2, 2), (2, 2)), (1, 1)),
    "odd": ((3, 7, 9, 11), (5, 7, 3, 2), (3, 2), ((0, 1), (2, 1)), (1, 2)),
    "groups": ((8, 16, 30, 30), (32, 8, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "depthwise": ((8, 16, 30, 30), (16, 1, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    "1 axis": ((8, 16, 100), (32, 16, 5), (1,), ((2, 2),), (1,)),
    "3 axes": ((4, 16, 8, 16, 16), (32, 16, 3, 3, 3), (1, 1, 1), ((1, 1),) * 3, (1, 1, 1)),
}


def convolutions(described, dtype, case):
    """The calls of a convolution and its two gradients."""
    image, filters, stride, padding, dilation = CONVOLUTIONS[case]
    statics = {"stride": stride, "padding": padding, "dilation": dilation, "groups": image[1] // filters[1]}
    x, w = empty(image, dtype), empty(filters, dtype)
    forward = described(tl.convolve_nd, x, w, **statics)
    y = empty(forward.outputs[0].shape, dtype)
    of_image = described(tl.convolve_nd_input, y, w, image=image[2:], **statics)
    return [forward, of_image, described(tl.convolve_nd_weight, y, x, kernel=filters[2:], **statics)]


@pytest.mark.parametrize("dtype", [*HALVES, "float32", "tf32"])
def test_there_is_a_plan_for_each_convolution(described, plans, dtype):
    tl.set_matmul_precision("high" if dtype == "tf32" else "highest")
    try:
        kind = "float32" if dtype == "tf32" else dtype
        calls = [call for case in CONVOLUTIONS for call in convolutions(described, kind, case)]
    finally:
        tl.set_matmul_precision("highest")
    found = plans([(architecture, call) for architecture in (80, 90, 100) for call in calls])
    assert len(found) == 9 * len(CONVOLUTIONS) and not [why for why in found if isinstance(why, str)]


def test_exact_products_have_other_engines_than_tf32(described, plans):
    exact = convolutions(described, "float32", "3 x 3")
    rounded = [call._replace(exact=False) for call in exact]
    found = [name.partition("_")[0] for name, _ in plans([(90, call) for call in (*exact, *rounded)])]
    assert not set(found[:3]) & set(found[3:]), found


def test_channels_that_lie_innermost_need_no_copies(described, plans):
    calls = convolutions(described, "bfloat16", "3 x 3")

    def public(spec):
        return spec._replace(strides=binding.contiguous(spec.shape))

    copied = [call._replace(inputs=tuple(map(public, call.inputs)), outputs=tuple(map(public, call.outputs)))
              for call in calls]  # fmt: skip
    found = [size for _, size in plans([(90, call) for call in (*calls, *copied)])]
    assert max(found[:3]) < 1 << 20 and min(found[3:]) > 24 << 20, found


ATTENTIONS = {  # queries, keys, columns, statics
    "of a GPT": ((8, 12, 1024, 64), (8, 12, 1024, 64), 64, {"is_causal": True}),
    "heads that share keys": ((2, 8, 100, 128), (2, 2, 77, 128), 128, {"enable_gqa": True}),
    "few queries": ((4, 9, 64), (4, 300, 64), 32, {"is_causal": True, "scale": 0.5}),
    "more queries than keys": ((65, 8), (40, 8), 8, {"is_causal": True}),
}


def attentions(described, dtype, case):
    """The calls of attention and of its gradients."""
    q, k, columns, statics = ATTENTIONS[case]
    arrays = [empty(shape, dtype) for shape in (q, k, (*k[:-1], columns))]
    forward = described(tl.scaled_dot_product_attention, *arrays, **statics)
    made = Attention(*arrays, None, statics.get("is_causal", False), statics.get("scale"))
    out = empty(forward.outputs[0].shape, dtype)
    logs = empty((out.size // columns,), "float32")
    return [forward, described(cudnn_attention.backward, made, out, out, logs)]


@pytest.mark.parametrize(
    ("architecture", "dtype"), [(80, "bfloat16"), (90, "float16"), (90, "bfloat16"), (100, "bfloat16")]
)
def test_there_is_a_plan_for_attention(described, plans, architecture, dtype):
    calls = [call for case in ATTENTIONS for call in attentions(described, dtype, case)]
    found = plans([(architecture, call) for call in calls])
    assert not [why for why in found if isinstance(why, str)]
    assert all(name.startswith("eng") and size <= binding.LARGEST_WORKSPACE for name, size in found)


def test_what_cudnn_refuses(described, plans):
    forward, backward = attentions(described, "float16", "of a GPT")
    wide = [spec._replace(dtype="float32") for spec in backward.inputs]
    long = [
        spec._replace(shape=(8, 12, 2048, spec.shape[3]), strides=binding.contiguous((8, 12, 2048, spec.shape[3])))
        for spec in (*backward.inputs, *backward.outputs)
    ]
    refused = [
        backward._replace(inputs=tuple(wide)),
        backward._replace(inputs=tuple(long[:6]), outputs=tuple(long[6:])),
        forward._replace(inputs=tuple([spec._replace(strides=(1, 1, 1, 2)) for spec in forward.inputs])),
    ]
    assert [isinstance(found, str) for found in plans([(90, call) for call in refused])] == [True] * 3
