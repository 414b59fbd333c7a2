"""The registry and the samples cover each other; declarations are documented and ask for nothing in vain."""

import dis

import pytest

from tests.samples import SAMPLES, samples_of
from tinygrad_lite import OPS, ops
from tinygrad_lite.testing.samples import UNCLAIMED

NAMES = list(OPS)


def unsampled(name):
    """What is wrong with the samples of an operation, or None."""
    found = samples_of(name)
    if not found:
        return f"{name} has no sample: it is not elementwise, so it needs an entry in tests/samples/"
    for one in found:
        try:
            one.expected()
        except KeyError as error:
            return str(error)
    return None


def undocumented(name):
    """What is wrong with the docstring of an operation, or None."""
    doc = OPS[name].function.__doc__ or ""
    if not doc.partition("\n")[0].endswith((".", "0.")) and "\n\n" not in doc:
        return f"{name} has no first line that says what it is"
    if name in dir(ops) and ">>> " not in doc:
        return f"{name} is public and has no example"
    return None


def asked_in_vain(name):
    """The arguments that the rules of an operation ask for and never use, which would be kept for nothing."""
    found = []
    for array, rule in OPS[name].rules.items():
        code = rule.__code__
        used = {one.argval for one in dis.get_instructions(code) if one.opname.startswith("LOAD_")}
        used |= set(code.co_cellvars)
        found += [f"{array}: {want}" for want in code.co_varnames[: code.co_argcount] if want not in used]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_a_sample_with_a_reference(name):
    assert unsampled(name) is None


def test_every_sample_is_of_an_operation():
    assert set(SAMPLES) | set(UNCLAIMED) <= set(OPS)


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_documented(name):
    assert undocumented(name) is None


@pytest.mark.parametrize("name", NAMES)
def test_rules_ask_only_for_what_they_use(name):
    # A rule that ignores even g is a zero gradient: it must still say so with g's shape.
    assert asked_in_vain(name) == []
