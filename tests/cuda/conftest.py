"""What tests of kernels share."""

import pytest

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
