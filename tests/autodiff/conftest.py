"""What the tests of differentiation share."""

import pytest

from tests.laws.planting import temporary


@pytest.fixture
def declared():
    """Operations declared in a test are forgotten after it."""
    with temporary():
        yield
