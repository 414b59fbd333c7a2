"""What the whole test-suite shares: Hypothesis draws the same few examples in every run; CuPy's backend to test on."""

from collections import Counter
from functools import cache, partial
from types import FunctionType

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import on_device
from tests.backends import fake_cupy
from tests.backends.fake_cupy.emulator import compiler
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import BackendError
from tinygrad_lite.machine import MachineCode

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
settings.register_profile("device", settings.get_profile("laws"), max_examples=3)  # a stand-in takes its time


_ON_A_GPU = []


def pytest_addoption(parser):
    parser.addoption("--device", help="run the suite on this device, cuda, or on a stand-in where there is no GPU")
    parser.addoption("--no-machine-code", action="store_true", help="programs of NumPy's calls only")


def pytest_configure(config):
    MachineCode.wanted = not config.getoption("no_machine_code")
    device = config.getoption("device")
    if device is None:
        return
    settings.load_profile("device")
    try:
        device_backend(device)
        _ON_A_GPU.append(device)
    except BackendError:
        stand_in = fake_cupy.installed()
        stand_in.__enter__()
        config.add_cleanup(partial(stand_in.__exit__, None, None, None))
    on_device.install(device)


NUMPY_ONLY = {
    "backends": "chooses its devices itself",
    "benchmarks": "benchmarks choose their devices themselves",
    "cuda": "chooses its devices itself",
    "fusion": "programs of NumPy's loops; tests/cuda has those of CUDA C++",
    "interop": "NumPy's functions of Tensors",
    "io": "files are read and written in main memory",
    "kernels": "kernels of NumPy's",
    "plots": "figures are drawn of arrays in main memory",
    "testing": "checks of operations compute with NumPy's arrays",
}
"""Folders whose tests are left out on another device, and why; single tests have the marker `numpy_only`."""


def pytest_collection_modifyitems(config, items):
    if config.getoption("device") is None:
        return
    for item in items:
        folder = item.nodeid.split("/")[1]
        marker = item.get_closest_marker("numpy_only")
        reason = marker.args[0] if marker else NUMPY_ONLY.get(folder)
        moves = getattr(getattr(item, "callspec", None), "id", None) in ("to_device", "transfer")
        if moves or "cuda" in getattr(item, "fixturenames", ()):
            reason = NUMPY_ONLY["cuda"]
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"numpy_only: {reason}"))


def pytest_terminal_summary(terminalreporter, config):
    device = config.getoption("device")
    if device is None:
        return
    skipped = [report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", ())]
    terminalreporter.section(f"on {device}, {'a GPU' if _ON_A_GPU else 'the stand-in for CuPy'}")
    for reason, count in Counter(reason for reason in skipped if reason.startswith("numpy_only: ")).most_common():
        terminalreporter.line(f"{count} left out, {reason}")


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


@cache
def _generators(module):
    """The random generators of a module and of those whose functions it uses, with their states."""
    spaces = [vars(module), *(x.__globals__ for x in vars(module).values() if isinstance(x, FunctionType))]
    found = {id(x): x for space in spaces for x in space.values() if isinstance(x, np.random.Generator)}
    return [(x, _state(x)) for x in found.values()]


@cache
def _state(generator):
    return generator.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers_whatever_ran_before(request):
    """Tests that share a module's generator draw the same numbers in every order and process."""
    for generator, state in _generators(request.module):
        generator.bit_generator.state = state
