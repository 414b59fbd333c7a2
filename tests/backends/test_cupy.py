"""The CuPy backend: the same results as NumPy's, devices, and errors that say what to do.

Each test that takes `cuda` runs on a strict stand-in for CuPy, and on a GPU where there is one.
"""

from __future__ import annotations

import types

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.samples import samples_of
from tinygrad_lite.core.backend import backend_of, device_backend
from tinygrad_lite.testing.laws import backends_agree

CASES = [
    pytest.param(sample, id=sample.op)
    for name in sorted(tl.OPS)
    for sample in samples_of(name)
    if name not in ("to_device", "transfer")  # their results belong to another backend
]


# Operations


def agree(backend, sample, examples, device="cuda"):
    @settings(max_examples=examples)
    @given(sample.strategy)
    def agrees(arguments):
        backends_agree(backend, tl.OPS[sample.op], sample, *arguments, device)

    agrees()


@pytest.mark.parametrize("sample", CASES)
def test_operations_agree_with_numpy_on_the_stand_in(sample):
    with fake_cupy.installed():
        agree(device_backend("cuda"), sample, examples=4)


@pytest.mark.parametrize("sample", CASES)
def test_operations_are_done_on_the_device_of_their_arrays_whichever_is_the_current_one(sample):
    with fake_cupy.installed() as cupy:
        agree(device_backend("cuda"), sample, examples=2, device="cuda:1")
        assert cupy.cuda.Device().id == 0


@pytest.mark.gpu
def test_operations_agree_with_numpy_on_a_gpu(gpu):
    failures = []
    for case in CASES:
        try:
            agree(gpu, case.values[0], examples=10)
        except Exception as error:
            failures.append(f"{case.id}: {error}")
    assert not failures, "\n".join(failures)


# Arrays and devices


def test_arrays_move_between_devices_and_keep_their_dtype(cuda):
    here = np.arange(6, dtype="float32").reshape(2, 3)[:, ::-1]
    there = cuda.asarray(here)
    assert isinstance(there, cuda.array_types) and there.dtype == np.float32
    assert cuda.asarray(there) is there
    assert cuda.asarray(there, dtype=np.float64).dtype == np.float64
    assert isinstance(cuda.to_numpy(there), np.ndarray)
    np.testing.assert_array_equal(cuda.to_numpy(there), here)
    np.testing.assert_array_equal(cuda.to_numpy(cuda.asarray(2.5)), 2.5)


def test_names_of_devices(cuda):
    array = cuda.xp.zeros(3)
    assert cuda.device_of(array) == "cuda:0"
    assert tl.Tensor(array).device == "cuda:0"
    assert all(cuda.owns_device(name) for name in ("cuda", "cuda:0", "cuda:12"))
    assert not any(cuda.owns_device(name) for name in ("cpu", "cuda:", "cuda:x", "cuda:-1", "cudafoo"))
    assert "device='cuda:0'" in repr(tl.Tensor(array))


def test_a_device_that_is_not_there(cuda):
    with pytest.raises(tl.BackendError, match=r"device 'cuda:99': there (is|are) \d+ GPUs?; the last is 'cuda:\d+'"):
        tl.tensor([1.0], device="cuda:99")
    with pytest.raises(tl.BackendError, match=r"unknown device 'cuda:first'"):
        cuda.asarray(1.0, device="cuda:first")


def test_arrays_of_the_second_device_stay_there():
    with fake_cupy.installed() as cupy:
        cuda = device_backend("cuda")
        array = cuda.asarray(np.ones(3), device="cuda:1")
        assert cuda.device_of(array) == "cuda:1"
        assert cuda.device_of(cuda.asarray(array, dtype=np.float32)) == "cuda:1"
        assert cuda.device_of(cuda.copy(array)) == "cuda:1"
        there = tl.Tensor(array)
        assert there.to("cuda:1") is there and there.to("cuda").device == there.cuda().device == "cuda:0"
        assert cuda.device_of(cuda.asarray(array, device="cuda")) == "cuda:0"
        assert cupy.cuda.Device().id == 0


def test_memory(cuda):
    array = cuda.asarray(np.arange(6.0))
    copy = cuda.copy(array)
    assert cuda.may_share_memory(array, array[2:]) and not cuda.may_share_memory(array, copy)
    assert cuda.owns_memory(copy) and not cuda.owns_memory(copy[1:])
    cuda.synchronize()


# Indexing: what CuPy does differently


def test_the_last_of_several_assigned_values_remains(cuda):
    target = cuda.asarray(np.zeros((2, 4), dtype="float32"))
    index = (slice(None), np.array([1, 3, 1]))
    cuda.assign(target, index, cuda.asarray(np.array([[5.0, 6.0, 7.0], [0.0, 1.0, 0.0]])))
    np.testing.assert_array_equal(cuda.to_numpy(target), [[0, 7, 0, 6], [0, 0, 0, 1]])
    cuda.assign(target, np.array([True, False]), 9.0)
    np.testing.assert_array_equal(cuda.to_numpy(target), [[9, 9, 9, 9], [0, 0, 0, 1]])
    cuda.assign(target, np.zeros(0, dtype="int64"), cuda.asarray(np.zeros((0, 4))))
    np.testing.assert_array_equal(cuda.to_numpy(target), [[9, 9, 9, 9], [0, 0, 0, 1]])


def test_indices_from_main_memory_are_checked(cuda):
    x = cuda.asarray(np.arange(4.0))
    with pytest.raises(tl.ShapeError, match="getitem: .*index 4 is out of range"):
        tl.Tensor(x)[np.array([0, 4])]
    for method in (cuda.assign, cuda.scatter_add):
        with pytest.raises(IndexError):
            method(x, np.array([0, -5]), cuda.asarray(np.ones(2)))


# Tensors


def test_moving_a_tensor_is_differentiable(cuda):
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.to("cuda")
    assert isinstance(y.data, cuda.array_types)
    assert y.to("cuda") is y and x.to("cpu") is x
    back = (y * y).to("cpu")
    assert isinstance(back.data, np.ndarray)
    back.sum().backward()
    assert isinstance(x.grad.data, np.ndarray) and x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 4.0, 6.0])


def test_arrays_of_two_libraries_in_one_call(cuda):
    here, there = np.ones(3), cuda.asarray(np.ones(3))
    for call in (lambda: tl.add(here, there), lambda: tl.Tensor(there) * here, lambda: tl.Tensor(here) - there):
        with pytest.raises(tl.BackendError, match=r"got arrays of \w+ and of \w+; .* for example with x.to\('c\w+'\)"):
            call()


def test_tensors_beside_arrays_and_numbers(cuda):
    x, array = tl.Tensor(cuda.asarray(np.array([1.0, 2.0]))), cuda.asarray(np.array([3.0, 5.0]))
    for result in (x * array, array * x, 2.0 + x, x - np.float64(1.0), array > x, array @ x):
        assert isinstance(result, tl.Tensor) and isinstance(result.data, cuda.array_types)
    np.testing.assert_array_equal((array - x).numpy(), [2.0, 3.0])
    np.testing.assert_array_equal((2.0**x).numpy(), [2.0, 4.0])
    assert x.sum().item() == 3.0 and x.tolist() == [1.0, 2.0]


def test_functions_of_numpy_on_tensors_of_the_device(cuda):
    x = tl.Tensor(cuda.asarray(np.array([1.0, 2.0])), requires_grad=True)
    y = np.exp(x)
    assert isinstance(y.data, cuda.array_types)
    (gradient,) = tl.autograd.grad(y.sum(), [x])
    np.testing.assert_allclose(gradient.numpy(), np.exp([1.0, 2.0]))


def test_random_numbers_are_equal_on_every_device(cuda):
    for draw in (tl.Generator.uniform, tl.Generator.normal):
        here, there = (draw(tl.Generator(3), (4, 5), device=device) for device in ("cpu", "cuda"))
        assert isinstance(there.data, cuda.array_types)
        np.testing.assert_allclose(there.numpy(), here.numpy(), rtol=0 if draw is tl.Generator.uniform else 1e-6)


def test_a_training_step_stays_on_the_device(cuda):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, 5)).astype("float32"), rng.integers(0, 3, 8)

    def trained(device):
        rng = tl.Generator(0)
        hidden, out = (tl.nn.Linear(n, m, rng=rng) for n, m in ((5, 7), (7, 3)))
        model = tl.nn.Sequential(hidden, tl.nn.GELU(), out)
        model.to(device)
        optimizer = tl.optim.SGD(model, lr=0.1, momentum=0.9)
        inputs, targets = tl.tensor(x, device=device), tl.tensor(labels, device=device)
        copies = fake_cupy.state.host_copies
        for _ in range(3):
            optimizer.zero_grad()
            tl.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        assert fake_cupy.state.host_copies == copies
        return model.state_dict()

    here, there = trained("cpu"), trained("cuda")
    for name, expected in here.items():
        np.testing.assert_allclose(cuda.to_numpy(there[name]), expected, rtol=1e-4, atol=1e-6)


def test_a_target_that_is_no_class_gives_nan(cuda):
    logits = cuda.asarray(np.zeros((3, 2), dtype="float32"))
    losses = tl.cross_entropy(logits, cuda.asarray(np.array([1, 2, -100])), reduction="none")
    np.testing.assert_array_equal(cuda.to_numpy(losses), np.array([np.log(2.0), np.nan, 0.0], dtype="float32"))
    assert np.isnan(cuda.to_numpy(tl.cross_entropy(logits, cuda.asarray(np.array([1, -1, 0])))))


# What is missing, and what to do


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_without_cupy_the_error_names_what_to_install(device):
    with fake_cupy.installed(None), pytest.raises(tl.BackendError) as raised:
        tl.tensor([1.0]).to(device)
    message = str(raised.value)
    assert message.startswith("device 'cuda': CuPy cannot be imported")
    assert "pip install 'tinygrad-lite[cuda13]'" in message and "tinygrad-lite[cuda12]" in message


def without_gpu(count):
    """The stand-in with another function in place of getDeviceCount."""
    module = types.ModuleType("cupy")
    module.__dict__.update(vars(fake_cupy.cupy))
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))
    return module


def test_versions_that_are_too_old():
    for version, cuda, message in (
        (
            "12.3.0",
            12020,
            r"CuPy 12\.3\.0 is installed; 13 or later is required\. Install it with pip install --upgrade",
        ),
        ("13.6.0", 11080, r"CuPy 13\.6\.0 is built for CUDA 11\.8; CUDA 12 or 13 is required\. Replace the package by"),
    ):
        module = without_gpu(lambda: 1)
        module.cuda.runtime.runtimeGetVersion, module.__version__ = (lambda cuda=cuda: cuda), version
        with fake_cupy.installed(module), pytest.raises(tl.BackendError, match=f"device 'cuda': {message}"):
            tl.zeros(3, device="cuda")


def test_cupy_13_has_no_bfloat16(monkeypatch):
    with fake_cupy.installed() as cupy:
        monkeypatch.setattr(cupy, "__version__", "13.6.0")
        x = tl.ones(3, device="cuda")
        with pytest.raises(tl.DTypeError, match=r"bfloat16: CuPy 13\.6\.0 .*; 14 or later .* or compute in float16"):
            x.astype("bfloat16")
        assert x.astype("float16").dtype == np.float16


def test_on_a_machine_with_one_gpu_nothing_looks_for_the_device(monkeypatch):
    with fake_cupy.installed() as cupy:
        monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 1)
        cuda = device_backend("cuda")
        assert not cuda.several_devices and cuda.place("add", tl.add) is tl.add
        assert cuda.xp.add is cupy.add and cuda.on("cuda") is cuda.on(cuda.xp.zeros(3))
        x = tl.tensor([1.0, 2.0], device="cuda", requires_grad=True)
        tl.silu(x).sum().backward()
        assert x.grad.device == "cuda:0"
        with pytest.raises(tl.BackendError, match="device 'cuda:1': there is 1 GPU; the last is 'cuda:0'"):
            tl.zeros(3, device="cuda:1")


def no_driver():
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")


@pytest.mark.parametrize(
    ("count", "reason"), [(no_driver, "cudaErrorInsufficientDriver: .*"), (lambda: 0, "the driver reports no device")]
)
def test_without_a_gpu_the_error_says_so(count, reason):
    expected = rf"CuPy 14\.2\.0 is installed, but no GPU can be used \({reason}\)\. Check that nvidia-smi lists one"
    with fake_cupy.installed(without_gpu(count)):
        for _ in range(2):  # the second time as the first: nothing is half loaded
            with pytest.raises(tl.BackendError, match=expected):
                tl.zeros(3, device="cuda")


# CuPy 13


def test_the_namespace_of_cupy_13_gets_the_names_of_14():
    with fake_cupy.installed() as cupy:
        device_backend("cuda")
        from tinygrad_lite.backends.cupy import namespace

        new = {
            "acos", "acosh", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_invert", "bool", "concat",
            "bitwise_left_shift", "bitwise_right_shift", "cumulative_prod", "cumulative_sum", "isdtype",
            "matrix_transpose", "pow", "permute_dims", "unique_all", "unique_values",
        }  # fmt: skip
        xp = namespace(types.SimpleNamespace(**{name: value for name, value in vars(cupy).items() if name not in new}))
        x = cupy.asarray(np.array([[0.3, -0.5, np.nan], [0.0, 2.0, 1.0]]))
        for call in (
            lambda xp, x: xp.permute_dims(x, (1, 0)),
            lambda xp, x: xp.matrix_transpose(x),
            lambda xp, x: xp.concat([x, x], axis=1),
            lambda xp, x: xp.astype(x, np.float32),
            lambda xp, x: xp.cumulative_sum(x, axis=-1),
            lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True),
            lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True),
            lambda xp, x: xp.sort(xp.unique_values(x)),
            lambda xp, x: xp.unique_all(x)[3],
            lambda xp, x: xp.pow(x, 2),
            lambda xp, x: xp.sign(x),
            lambda xp, x: xp.var(x, axis=0, correction=1),
            lambda xp, x: xp.atan2(x, x),
            lambda xp, x: xp.zeros(2, dtype=xp.bool),
            lambda xp, x: xp.exp(x),
        ):
            np.testing.assert_array_equal(call(xp, x).get(), call(np, x.get()))
        assert xp.isdtype(np.dtype("float32"), "real floating")
        assert backend_of(x).name == "cupy"


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64", "bool", "float16", "complex64"])
def test_elements_of_all_dtypes_are_added_up(cuda, dtype):
    """CuPy's own addition takes few of them."""
    target, index = np.array([1, 0, 3]).astype(dtype), np.array([2, 0, 2, 2])
    values = np.array([5, -1, 7, 2]).astype(dtype) * (1j if dtype == "complex64" else np.ones(1, dtype)[0])
    expected = target.copy()
    np.add.at(expected, index, values)
    got = cuda.scatter_add(cuda.asarray(target), cuda.asarray(index), cuda.asarray(values))
    assert got.dtype == dtype
    np.testing.assert_array_equal(cuda.to_numpy(got), expected)


@pytest.mark.parametrize("function", [tl.tril, tl.triu])
def test_triangles_keep_bfloat16(cuda, function):
    """CuPy's `where`, which makes them, has no bfloat16."""
    x = np.arange(9.0).reshape(3, 3)
    got = function(tl.tensor(x, dtype="bfloat16", device="cuda"))
    assert got.dtype == "bfloat16"
    np.testing.assert_array_equal(got.numpy().astype(float), function(x))
