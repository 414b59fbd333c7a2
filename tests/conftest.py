"""What the whole test-suite shares: Hypothesis draws the same few examples in every run; CuPy's backend to test on."""

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.backends import fake_cupy
from tests.backends.fake_cupy.emulator import compiler
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError

settings.register_profile(
    "laws",
    max_examples=15,
    derandomize=True,
    deadline=None,
    report_multiple_bugs=False,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("laws")


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


@pytest.fixture
def emulated(request):
    """Skips a test on the stand-in, but not on a GPU, where kernels cannot be emulated."""
    if compiler() is None and request.node.get_closest_marker("gpu") is None:
        pytest.skip("kernels are emulated with g++, which is not installed")
