"""Optimizers, learning-rate schedules, and limits on gradients."""

from typing import TYPE_CHECKING

from ..core.later import later
from .adam import Adam, AdamW
from .clip import clip_grad_norm, clip_grad_value
from .optimizer import Optimizer
from .sgd import SGD

if TYPE_CHECKING:
    from .schedules import (
        ChainedScheduler,
        ConstantLR,
        CosineAnnealingLR,
        CosineAnnealingWarmRestarts,
        CyclicLR,
        ExponentialLR,
        LambdaLR,
        LinearLR,
        MultiplicativeLR,
        MultiStepLR,
        OneCycleLR,
        PolynomialLR,
        ReduceLROnPlateau,
        Schedule,
        SequentialLR,
        StepLR,
        WarmUp,
    )
else:
    __getattr__, __dir__ = later(
        __name__,
        {
            "schedules": "ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR "
            "ExponentialLR LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR PolynomialLR ReduceLROnPlateau "
            "Schedule SequentialLR StepLR WarmUp",
        },
    )

__all__ = [
    "SGD", "Adam", "AdamW", "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "Optimizer",
    "PolynomialLR", "ReduceLROnPlateau", "Schedule", "SequentialLR", "StepLR", "WarmUp", "clip_grad_norm",
    "clip_grad_value",
]  # fmt: skip
