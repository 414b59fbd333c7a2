"""Every function and option of torch.nn.functional is here, under a known name, or left out for a reason."""

import inspect
import re

import pytest

import tinygrad_lite as tl

torch = pytest.importorskip("torch", reason="PyTorch is not installed, so its names are not known")
F = torch.nn.functional

LOSSES = {
    f"{name}_loss": name
    for name in (
        "cosine_embedding", "ctc", "gaussian_nll", "hinge_embedding", "huber", "l1", "margin_ranking", "mse",
        "multi_margin", "multilabel_margin", "multilabel_soft_margin", "nll", "poisson_nll", "smooth_l1", "soft_margin",
        "triplet_margin", "triplet_margin_with_distance",
    )
}  # fmt: skip

RENAMED = {**LOSSES, "native_channel_shuffle": "channel_shuffle"}

NO_FUNCTIONS = {
    "Optional", "assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic",
}  # fmt: skip

ABSENT = {
    "conv_tbc": "conv1d of permuted axes",
    "grouped_mm": "a product of low precision for one kind of GPU",
    "linear_cross_entropy": "cross_entropy(linear(x, weight), target)",
    "multi_head_attention_forward": "scaled_dot_product_attention between linear maps: a layer",
    "scaled_grouped_mm": "a product of low precision for one kind of GPU",
    "scaled_mm": "a product of low precision for one kind of GPU",
    "upsample": "deprecated: interpolate",
    "upsample_bilinear": "deprecated: interpolate",
    "upsample_nearest": "deprecated: interpolate",
}
"""Functions left out, and what does their work."""

OPTIONS = {
    "dim": "axis", "keepdim": "keepdims", "attn_mask": "mask", "pad": "pad_width", "normalized_shape": "axis",
    "_random_samples": "samples", "running_mean": "mean", "running_var": "var",
}  # fmt: skip

EVERYWHERE = {
    "inplace": "no operation changes an array",
    "out": "no operation changes an array",
    "size_average": "deprecated: reduction",
    "reduce": "deprecated: reduction",
    "_stacklevel": "of warnings",
    "return_indices": "the functions with _with_indices",
    "sparse": "gradients are dense",
}
"""Options that no function has, and why."""

LEFT_OUT = {
    "batch_norm": {"training", "momentum"},  # batch_statistics
    "instance_norm": {"running_mean", "running_var", "use_input_stats", "momentum"},  # batch_norm
    "gumbel_softmax": {"eps"},  # deprecated
    "log_softmax": {"dtype"},  # astype
    "softmax": {"dtype"},
    "softmin": {"dtype"},
    "softplus": {"threshold"},  # it does not overflow
}
"""Options that a function does not have, and what does their work."""


def functions():
    for name, function in sorted(vars(F).items()):
        module = getattr(function, "__module__", None) or ""
        if name.startswith("_") or name.endswith("_") or not callable(function) or inspect.isclass(function):
            continue
        if name not in NO_FUNCTIONS and module.startswith("torch"):
            yield name


def own_name(name):
    """Ours for a function of PyTorch."""
    return RENAMED.get(name, name)


def parameters(name):
    """The parameters of a function of PyTorch, also of one in C and of one that chooses between two."""
    function = getattr(F, f"{name}_with_indices", None) or getattr(F, name)
    try:
        found = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        text = re.search(rf"{name}\((.*?)\)", function.__doc__, re.DOTALL)
        found = [part.split("=")[0].strip(" *\n") for part in text[1].split(",")]
    return [name for name in found if name and name not in ("args", "kwargs")]


def missing(name):
    """The options of a function of PyTorch that ours does not have, and nothing explains."""
    known = inspect.signature(getattr(tl, own_name(name))).parameters
    arrays = ("input", "tensor", "theta", "x1", "input1", "query", "anchor", "logits", "log_probs", "mat_a")
    options = [option for option in parameters(name) if option not in arrays]
    allowed = EVERYWHERE.keys() | LEFT_OUT.get(name, set())
    arrays = {"weight": "w", "input2": "y", "x2": "y"}
    return [
        option
        for option in options
        if option not in allowed
        and not {option, OPTIONS.get(option, option), arrays.get(option, option)} & known.keys()
    ]


def test_every_function_is_here_or_left_out_for_a_reason():
    names = set(functions())
    assert len(names) > 100
    assert {name for name in names if not hasattr(tl, own_name(name))} == set(ABSENT) & names
    assert not [name for name in ABSENT if hasattr(tl, name)]


@pytest.mark.parametrize("name", [name for name in functions() if hasattr(tl, own_name(name))])
def test_every_option_is_here_or_left_out_for_a_reason(name):
    assert missing(name) == []
