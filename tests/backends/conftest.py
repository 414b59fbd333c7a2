"""A backend to test on: the least that one can be."""

from __future__ import annotations

import array_api_strict
import pytest

from tinygrad_lite.batching.backend import batched_class
from tinygrad_lite.core import backend as core


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
