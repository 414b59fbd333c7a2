"""What tests of kernels share."""

import pytest

from tests.backends import fake_cupy
from tests.backends.fake_cupy.cudnn import FakeCudnn
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError
from tinygrad_lite.cuda import cudnn as graphs
from tinygrad_lite.cuda.module import Module


@pytest.fixture
def launches(monkeypatch):
    """The kernels that are launched, by name."""
    names, launch = [], Module.launch

    def counted(self, name, *args, **kwargs):
        names.append(name)
        return launch(self, name, *args, **kwargs)

    monkeypatch.setattr(Module, "launch", counted)
    return names


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
