"""Containers: lists and dicts of modules and parameters."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import DTypeError, IndexingError


def layers(count):
    return [nn.Linear(i + 1, 1, bias=False) for i in range(count)]


def paths(module):
    return [(name, parameter.shape) for name, parameter in module.named_parameters()]


@pytest.mark.parametrize("kind", [nn.ModuleList, lambda entries=(): nn.Sequential(*entries)])
def test_lists_of_modules_work_as_lists(kind):
    first, second, third, fourth = layers(4)
    made = kind([first, second]).append(third).extend([fourth])
    assert len(made) == 4 and list(made) == [first, second, third, fourth]
    assert paths(made) == [(f"{i}.weight", (1, i + 1)) for i in range(4)]
    assert made[-1] is fourth and list(made[1:3]) == [second, third] and type(made[1:3]) is type(made)
    assert made.pop() is fourth and made.pop(0) is first
    assert paths(made) == [("0.weight", (1, 2)), ("1.weight", (1, 3))]
    made.insert(1, first)
    assert list(made) == [second, first, third]
    made[1] = fourth
    assert list(made) == [second, fourth, third]
    del made[0]
    assert list(made) == [fourth, third] and paths(made) == [("0.weight", (1, 4)), ("1.weight", (1, 3))]
    longer = made + layers(1)
    assert list(longer)[:2] == [fourth, third] and len(longer) == 3 and len(made) == 2
    made += [first]
    assert len(made) == 3
    del made[1:]
    assert list(made) == [fourth]
    with pytest.raises(IndexingError, match=r"index 1 is outside; there are 1 entries"):
        made[1]
    with pytest.raises(IndexError):
        made.pop(3)


def test_a_slice_of_a_sequential_keeps_names():
    model = nn.Sequential(*layers(3))
    assert [name for name, _ in model[1:].named_parameters()] == ["1.weight", "2.weight"]


def test_dicts_of_modules():
    first, second, third = layers(3)
    heads = nn.ModuleDict({"a": first})
    heads["b"] = second
    heads.update([("c", third), ("a", second)])
    assert list(heads) == list(heads.keys()) == ["a", "b", "c"] and heads.values() == [second, second, third]
    assert heads.items()[2] == ("c", third) and "b" in heads and "d" not in heads and len(heads) == 3
    assert heads.get("d") is None and heads.get("c") is third
    assert heads.pop("b") is second
    assert [name for name in heads.state_dict()] == ["a.weight", "c.weight"]
    del heads["c"]
    other = nn.ModuleDict(heads)
    assert other["a"] is second
    heads.clear()
    assert len(heads) == 0 and len(other) == 1
    for missing in (lambda: heads["a"], lambda: heads.pop("a")):
        with pytest.raises(KeyError, match="a"):
            missing()


def test_parameters_in_lists_and_dicts():
    tensor = tl.tensor([1.0])
    values = nn.ParameterList([np.ones(2), tensor]).append(nn.Parameter([3.0]))
    assert all(isinstance(value, nn.Parameter) for value in values)
    assert [name for name, _ in values.named_parameters()] == ["0", "1", "2"]
    scales = nn.ParameterDict({"left": np.ones(2), "nothing": None})
    scales["right"] = values[0]
    assert scales["right"] is values[0] and scales["nothing"] is None
    assert list(scales.state_dict()) == ["left", "right"]


def test_containers_are_copied_and_pickled():
    model = nn.Module()
    model.list, model.dict = nn.ModuleList(layers(2)), nn.ModuleDict({"a": nn.Linear(2, 2)})
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert list(made.state_dict()) == ["list.0.weight", "list.1.weight", "dict.a.weight", "dict.a.bias"]
        assert made.list[0] is not model.list[0]
        made.list.append(nn.Linear(1, 1))
        assert len(model.list) == 2
    assert repr(model.list) == "ModuleList(\n  0: Linear(1, 1, bias=False)\n  1: Linear(2, 1, bias=False)\n)"


def test_what_cannot_be_kept():
    with pytest.raises(DTypeError, match="ModuleList: entry '0' is a float; a Module is required"):
        nn.ModuleList([2.0])
    with pytest.raises(DTypeError, match="ModuleDict: entry 'a' is a float; a Module is required"):
        nn.ModuleDict({"a": 2.0})
    with pytest.raises(DTypeError, match="ModuleDict: an entry cannot be called 'keys'; the module has an attribute"):
        nn.ModuleDict({"keys": nn.ReLU()})
    with pytest.raises(DTypeError, match="ModuleDict: the name 3 is a int; a str is required"):
        nn.ModuleDict({3: nn.ReLU()})
