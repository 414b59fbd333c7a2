"""What tests of kernels share."""

import pytest

from tests.backends import fake_cupy
from tests.backends.fake_cupy.cudnn import FakeCudnn
from tests.cuda import agreement
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError
from tinygrad_lite.cuda import cudnn as graphs
from tinygrad_lite.fusion import updates


@pytest.fixture(scope="module")
def cupy():
    """The stand-in, which is what `import cupy` gives meanwhile."""
    with fake_cupy.installed() as module:
        yield module


@pytest.fixture
def launches():
    """The kernels that are launched, by name."""
    with agreement.launches() as names:
        yield names


@pytest.fixture
def fresh():
    """No programs of updates of other tests, nor for others."""
    updates._programs.clear()
    yield
    updates._programs.clear()


@pytest.fixture
def cudnn():
    """A cuDNN of the stand-in, and no plans; within, `import cupy` gives the stand-in."""
    with fake_cupy.installed():
        graphs.plans.cache_clear()
        fake = FakeCudnn()
        graphs.open_library = lambda: fake  # until the end of the block
        device_backend("cuda")
        yield fake
        graphs.plans.cache_clear()


@pytest.fixture
def without_cudnn(monkeypatch):
    """This package's own kernels compute, on a machine with cuDNN, too."""

    def missing():
        raise BackendError("cuDNN: left out by a test")

    monkeypatch.setattr(graphs, "open_library", missing)
    graphs.plans.cache_clear()
    yield
    graphs.plans.cache_clear()
