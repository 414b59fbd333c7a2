"""Optimizers, learning-rate schedules, and limits on gradients."""

from typing import TYPE_CHECKING

from ..core.later import later

if TYPE_CHECKING:
    from .adafactor import Adafactor
    from .adagrad import Adadelta, Adagrad, RMSprop
    from .adam import Adam, AdamW
    from .adam_variants import Adamax, NAdam, RAdam
    from .averaging import EMA, AveragedModel, update_bn
    from .clip import clip_grad_norm, clip_grad_value
    from .grad_scaler import GradScaler
    from .layerwise import LAMB, LARS
    from .lbfgs import LBFGS
    from .lookahead import Lookahead
    from .muon import Muon
    from .optimizer import Optimizer
    from .schedule_free import AdamWScheduleFree, SGDScheduleFree
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
    from .sgd import ASGD, SGD
    from .signs import Lion, Rprop
    from .sophia import SophiaG
else:
    __getattr__, __dir__ = later(
        __name__,
        {
            "adafactor": "Adafactor",
            "adagrad": "Adadelta Adagrad RMSprop",
            "adam": "Adam AdamW",
            "adam_variants": "Adamax NAdam RAdam",
            "averaging": "EMA AveragedModel update_bn",
            "clip": "clip_grad_norm clip_grad_value",
            "grad_scaler": "GradScaler",
            "layerwise": "LAMB LARS",
            "lbfgs": "LBFGS",
            "lookahead": "Lookahead",
            "muon": "Muon",
            "optimizer": "Optimizer",
            "schedule_free": "AdamWScheduleFree SGDScheduleFree",
            "schedules": "ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR "
            "ExponentialLR LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR PolynomialLR "
            "ReduceLROnPlateau Schedule SequentialLR StepLR WarmUp",
            "sgd": "ASGD SGD",
            "signs": "Lion Rprop",
            "sophia": "SophiaG",
        },
    )

__all__ = [
    "ASGD", "EMA", "LAMB", "LARS", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW",
    "AdamWScheduleFree", "Adamax", "AveragedModel", "ChainedScheduler", "ConstantLR", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "GradScaler", "LambdaLR", "LinearLR", "Lion",
    "Lookahead", "MultiStepLR", "MultiplicativeLR", "Muon", "NAdam", "OneCycleLR", "Optimizer", "PolynomialLR", "RAdam",
    "RMSprop", "ReduceLROnPlateau", "Rprop", "SGDScheduleFree", "Schedule", "SequentialLR", "SophiaG", "StepLR",
    "WarmUp", "clip_grad_norm", "clip_grad_value", "update_bn",
]  # fmt: skip
