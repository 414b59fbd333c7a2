"""Memory shared with other libraries, and tensors in files."""

import copy
import io
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import BackendError, DTypeError, GradientError


def test_numpy_shares_memory_both_ways():
    a = np.arange(6.0).reshape(2, 3)
    x = tl.from_dlpack(a)
    assert isinstance(x, tl.Tensor)
    assert np.shares_memory(x.numpy(), a)
    assert np.shares_memory(np.from_dlpack(x), a)
    assert x.__dlpack_device__() == a.__dlpack_device__()


def test_torch_shares_memory_both_ways():
    torch = pytest.importorskip("torch")
    t = torch.arange(6.0).reshape(2, 3).T
    x = tl.from_dlpack(t)
    assert x.shape == (3, 2) and x.dtype == np.float32
    t[0, 0] = 7.0
    assert x[0, 0].item() == 7.0
    y = tl.tensor(np.zeros(2))
    torch.from_dlpack(y)[1] = 3.0
    assert y.tolist() == [0.0, 3.0]
    with pytest.raises(DTypeError, match="from_dlpack: the array has dtype torch.float8_e5m2"):
        tl.from_dlpack(torch.zeros(2, dtype=torch.float8_e5m2))


@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2), (7,)])
def test_bfloat16_shares_memory_with_torch_both_ways(shape):
    torch = pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    values = torch.linspace(-3, 1e30, int(np.prod(shape))).reshape(shape)
    t = values.to(torch.bfloat16).T if len(shape) == 2 else values.to(torch.bfloat16)
    x = tl.from_dlpack(t)
    assert x.dtype == "bfloat16" and x.shape == tuple(t.shape)
    np.testing.assert_array_equal(x.numpy().astype("float32"), t.float().numpy())
    back = torch.from_dlpack(x)
    assert back.dtype == torch.bfloat16 and back.data_ptr() == t.data_ptr()
    assert back.stride() == t.stride() or not t.numel()
    np.testing.assert_array_equal(tl.from_dlpack(x).numpy(), x.numpy())
    t += 1
    np.testing.assert_array_equal(x.numpy().astype("float32"), t.float().numpy())


def test_copies_of_bfloat16():
    torch = pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    t = torch.ones(3, dtype=torch.bfloat16)
    own, shared = tl.from_dlpack(t, copy=True), tl.from_dlpack(t, copy=False)
    t.zero_()
    assert own.tolist() == [1.0] * 3 and shared.tolist() == [0.0] * 3
    x = tl.ones(2, dtype="bfloat16")
    x.requires_grad = True
    with pytest.raises(GradientError, match=r"__dlpack__: this tensor requires a gradient.*x.detach\(\)"):
        torch.from_dlpack(x)


def test_a_capsule_of_something_else_is_not_taken_for_bfloat16():
    pytest.importorskip("ml_dtypes")

    class Wrong:
        dtype = "bfloat16"

        def __dlpack__(self, **given):
            return np.ones(2).__dlpack__(**given)

        def __dlpack_device__(self):
            return 1, 0

    with pytest.raises(DTypeError, match="exported with the code 2 and 64 bits in 1 lanes; its dtype asks for 4, 16 a"):
        tl.from_dlpack(Wrong())


@pytest.mark.gpu
def test_bfloat16_of_a_gpu(gpu):
    x = tl.tensor([1.0, -2.5], dtype="bfloat16", device="cuda")
    y = tl.from_dlpack(x)
    assert y.dtype == "bfloat16" and y.device == x.device and y.data.data.ptr == x.data.data.ptr
    assert y.tolist() == [1.0, -2.5]


def test_jax():
    jnp = pytest.importorskip("jax.numpy")
    x = tl.from_dlpack(jnp.arange(3.0))
    assert x.tolist() == [0.0, 1.0, 2.0]
    assert jnp.from_dlpack(tl.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_scalars_and_copies():
    a = np.array(2.0)
    assert tl.from_dlpack(a).shape == ()
    b = np.ones(3)
    assert not np.shares_memory(tl.from_dlpack(b, copy=True).numpy(), b)
    assert np.shares_memory(tl.from_dlpack(b, copy=False, device="cpu").numpy(), b)
    assert tl.from_dlpack(tl.tensor([1.0])).tolist() == [1.0]


def test_a_gradient_does_not_leave():
    x = tl.tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError, match=r"__dlpack__: this tensor requires a gradient.*x.detach\(\)"):
        np.from_dlpack(x)
    with pytest.raises(GradientError, match="__dlpack__"):
        tl.from_dlpack(x)
    np.from_dlpack(x.detach())


def test_what_cannot_be_taken():
    with pytest.raises(DTypeError, match="from_dlpack: got a list; an array with the methods __dlpack__"):
        tl.from_dlpack([1.0])

    class Elsewhere:
        def __dlpack__(self, **options):
            raise AssertionError

        def __dlpack_device__(self):
            return 8, 0

    with pytest.raises(BackendError, match="from_dlpack: the array is on a device of kind 8"):
        tl.from_dlpack(Elsewhere())


def test_cuda_array_interface_is_only_for_gpus():
    assert not hasattr(tl.tensor([1.0]), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="__cuda_array_interface__: this tensor requires a gradient"):
        _ = tl.tensor([1.0], requires_grad=True).__cuda_array_interface__


def test_files(tmp_path):
    x = tl.tensor([1.0, 2.0])
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x.numpy())
    for write in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        write(buffer, x, y=x)
        buffer.seek(0)
        assert sorted(np.load(buffer)) == ["arr_0", "y"]
    np.savetxt(tmp_path / "x.txt", x)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "x.txt"), x.numpy())
    with pytest.raises(GradientError, match="detach"):
        np.save(tmp_path / "x.npy", tl.tensor([1.0], requires_grad=True))


def test_pickle_and_deepcopy():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.tolist() == [1.0, 2.0] and y.requires_grad
