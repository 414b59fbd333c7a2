"""The backends to test on are those of `tests/backends`."""

import pytest

from tests.backends.conftest import cuda, gpu
from tests.backends.fake_cupy.emulator import compiler

__all__ = ["cuda", "emulated", "gpu"]


@pytest.fixture
def emulated(request):
    """Skips a test on the stand-in, but not on a GPU, where kernels cannot be emulated."""
    if compiler() is None and request.node.get_closest_marker("gpu") is None:
        pytest.skip("kernels are emulated with g++, which is not installed")
