"""The CuPy backend, on the stand-in and, where there is one, on a GPU."""

from __future__ import annotations

import pytest

from tests.backends import fake_cupy
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError


@pytest.fixture(scope="module")
def gpu():
    """The CuPy backend on a real GPU."""
    try:
        return device_backend("cuda")
    except BackendError:
        pytest.skip("needs CuPy and a GPU")


@pytest.fixture(scope="module", params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request):
    """The backend of the device "cuda"."""
    if request.param == "gpu":
        yield request.getfixturevalue("gpu")
        return
    with fake_cupy.installed():
        yield device_backend("cuda")
