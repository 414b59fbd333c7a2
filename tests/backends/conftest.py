"""Backends to test on: the least that one can be, CuPy's on the stand-in and, where there is one, on a GPU."""

from __future__ import annotations

import array_api_strict
import pytest

from tests.backends import fake_cupy
from tinygrad_lite.batching.backend import batched_class
from tinygrad_lite.core import backend as core
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError


class StrictBackend(core.Backend):
    """The least that a backend can be."""

    name = "strict"
    default_device = "strict"
    xp = array_api_strict
    array_types = (type(array_api_strict.zeros(0)),)


@pytest.fixture(scope="module")
def strict():
    """The backend of the Array API's strict reference implementation."""
    batched_class(core.BACKENDS["numpy"])  # known before, so that it is not forgotten afterwards
    registries = [(registry, registry.copy()) for registry in (core.BACKENDS, core._BY_TYPE)]
    yield core.register_backend(StrictBackend())
    for registry, contents in registries:
        registry.clear()
        registry.update(contents)


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
