"""Every class of torch.nn and each of its options is here, or left out for a reason; order and defaults are equal."""

import inspect

import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed, so its names are not known")

ABSENT = {
    "Container": "deprecated: Module",
    "CrossMapLRN2d": "an old name: LocalResponseNorm",
    "DataParallel": "one process per device",
    "LinearCrossEntropyLoss": "CrossEntropyLoss after Linear",
    "LinearCrossEntropyOptions": "of LinearCrossEntropyLoss",
    "NLLLoss2d": "deprecated: NLLLoss",
    "RNNBase": "RNN, LSTM and GRU",
    "RNNCellBase": "RNNCell, LSTMCell and GRUCell",
    "SyncBatchNorm": "one process per device",
    "UninitializedBuffer": "of lazy modules",
    "UninitializedParameter": "of lazy modules",
}
"""Classes left out, and what does their work."""

LAZY = "the number of inputs is written down: no layer waits for its first input to be complete"

RENAMED = {"dim": "axis", "keepdim": "keepdims"}

EVERYWHERE = {
    "inplace": "no operation changes an array",
    "size_average": "deprecated: reduction",
    "reduce": "deprecated: reduction",
    "args": "in place of a signature",
    "kwargs": "in place of a signature",
}
"""Options that no class has, and why."""

LEFT_OUT = {
    "AdaptiveMaxPool1d": {"return_indices"},  # adaptive_max_pool1d_with_indices
    "AdaptiveMaxPool2d": {"return_indices"},
    "AdaptiveMaxPool3d": {"return_indices"},
    "Embedding": {"sparse", "_weight", "_freeze"},  # gradients are dense; embedding.weight.data
    "EmbeddingBag": {"sparse", "_weight"},
    "Hardtanh": {"min_value", "max_value"},  # deprecated: min_val, max_val
    "Softplus": {"threshold"},  # it does not overflow
    "TransformerEncoder": {"enable_nested_tensor", "mask_check"},  # no nested tensors
    "Upsample": {"recompute_scale_factor"},
}
"""Options that a class does not have, and what does their work."""

OTHER_DEFAULTS = {
    *((name, "axis") for name in ("Softmax", "LogSoftmax", "Softmin")),  # PyTorch guesses from the axes, and warns
    ("Parameter", "data"),
    ("Buffer", "data"),  # one without data is of no use
    *((f"Transformer{part}", "activation") for part in ("", "EncoderLayer", "DecoderLayer")),  # "relu", the function
}

OWN = {"Perceptron", "PerceptronFit", "Step", "Summary", "SummaryRow"}
"""Modules that PyTorch does not have."""

RECURRENT = {
    "input_size": inspect.Parameter.empty, "hidden_size": inspect.Parameter.empty, "num_layers": 1, "bias": True,
    "batch_first": False, "dropout": 0.0, "bidirectional": False,
}  # fmt: skip
"""What torch.nn.modules.rnn.RNNBase takes, whose subclasses show no signature."""


def classes():
    for name, kind in sorted(vars(torch.nn).items()):
        if inspect.isclass(kind) and not name.startswith("_") and name not in ABSENT and "Lazy" not in name:
            yield name


def theirs(name):
    """Parameters, by our names, and defaults of a class of PyTorch."""
    if name in ("RNN", "LSTM", "GRU"):
        extra = {"RNN": {"nonlinearity": "tanh"}, "LSTM": {"proj_size": 0}}.get(name, {})
        given = inspect.signature(torch.nn.RNNBase.__init__).parameters
        assert RECURRENT.items() <= {each: parameter.default for each, parameter in given.items()}.items()
        return RECURRENT | extra
    own, given = inspect.signature(getattr(nn, name)).parameters, inspect.signature(getattr(torch.nn, name)).parameters
    names = {each: each if each in own else RENAMED.get(each, each) for each in given}
    return {names[each]: parameter.default for each, parameter in given.items()}


SHARED = [name for name in nn.__all__ if name in set(classes()) - {"Module"}]


def test_every_class_is_here_or_left_out_for_a_reason():
    names = set(classes())
    assert len(names) > 130
    assert not {name for name in names if not hasattr(nn, name)}
    known = {name for name in ABSENT if hasattr(torch.nn, name)}
    assert not [name for name in known if hasattr(nn, name)]
    assert not [name for name in vars(torch.nn) if name.startswith("Lazy") and hasattr(nn, name)], LAZY


@pytest.mark.parametrize("name", SHARED)
def test_every_option_is_here_or_left_out_for_a_reason(name):
    own = inspect.signature(getattr(nn, name)).parameters
    allowed = EVERYWHERE.keys() | LEFT_OUT.get(name, set())
    assert [each for each in theirs(name) if each not in own.keys() | allowed] == []


@pytest.mark.parametrize("name", SHARED)
def test_every_shared_default_is_the_same(name):
    other = theirs(name)
    for argument, parameter in inspect.signature(getattr(nn, name)).parameters.items():
        if argument not in other:
            assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL), (name, argument)
        elif (name, argument) not in OTHER_DEFAULTS:
            assert parameter.default == other[argument], (name, argument)


@pytest.mark.parametrize("name", SHARED)
def test_positional_arguments_come_in_the_same_order(name):
    if name in ("RNN", "LSTM", "GRU"):
        return  # their order is that of the comparisons with PyTorch
    own = inspect.signature(getattr(nn, name)).parameters.values()
    positional = [parameter.name for parameter in own if parameter.kind == parameter.POSITIONAL_OR_KEYWORD]
    assert positional == [each for each in theirs(name) if each in positional]


def test_what_pytorch_does_not_have():
    modules = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name)) and not hasattr(torch.nn, name)}
    assert modules == OWN
    assert tl.nn is nn


UTILITIES = {
    "utils": {
        "clip_grad_norm": "deprecated", "clip_grad_norm_": "optim.clip_grad_norm",
        "clip_grad_value_": "optim.clip_grad_value", "clip_grads_with_norm_": "optim.clip_grad_norm",
        "convert_conv2d_weight_memory_format": "weights have one layout",
        "convert_conv3d_weight_memory_format": "weights have one layout", 
        "fuse_conv_bn_eval": "for inference only", "fuse_conv_bn_weights": "for inference only",
        "fuse_linear_bn_eval": "for inference only", "fuse_linear_bn_weights": "for inference only",
        "get_total_norm": "optim.clip_grad_norm", 
        "remove_spectral_norm": "deprecated: parametrize.remove_parametrizations",
        "remove_weight_norm": "deprecated: parametrize.remove_parametrizations",
        "skip_init": "initial values are cheap", "spectral_norm": "deprecated: parametrizations.spectral_norm",
        "weight_norm": "deprecated: parametrizations.weight_norm",
    },
    "utils.rnn": {"PackedSequence_": "a base class", "bind": "a helper", "invert_permutation": "argsort"},
    "utils.parametrizations": {"orthogonal": "a penalty does: regularizers"},
    "utils.parametrize": {
        "cached": "weights are computed at each use", "transfer_parametrizations_and_params": "a helper",
        "type_before_parametrizations": "a module keeps its type",
    },
}  # fmt: skip
"""Functions of torch.nn.utils left out, and what does their work."""


@pytest.mark.parametrize("place", UTILITIES)
def test_every_utility_is_here_or_left_out_for_a_reason(place):
    theirs, ours = torch.nn, nn
    for part in place.split("."):
        theirs, ours = getattr(theirs, part), getattr(ours, part)
    names = {
        name
        for name, value in vars(theirs).items()
        if callable(value) and not name.startswith("_") and value.__module__.startswith("torch.nn.utils")
    }
    assert {name for name in names if not hasattr(ours, name)} == set(UTILITIES[place]) & names
    assert not [name for name in UTILITIES[place] if hasattr(ours, name)]
