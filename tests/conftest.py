"""Settings of the whole test-suite: Hypothesis draws the same few examples in every run."""

from hypothesis import HealthCheck, Phase, settings

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
