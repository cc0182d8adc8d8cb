"""Pseudo-Label training (Lee 2013) for Keras classifiers on TensorFlow.

Few labels and much unlabeled data:

    model = tf_pseudolabel.PseudoLabelModel(classifier)
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    model.fit(
        tf_pseudolabel.merge_streams(labeled, unlabeled),
        callbacks=[
            tf_pseudolabel.AlphaScheduler(
                tf_pseudolabel.LinearRamp(t1=100, t2=700, alpha_f=3.0)
            )
        ],
    )

On a CPU, TF_ENABLE_ONEDNN_OPTS=1 in the environment, before TensorFlow is first
imported, halves the time of a step where it is not the default. The programs
set it; a library must not.
"""

import importlib
import sys

__version__ = "0.2.0"

_MODULES = {
    "AlphaScheduler": "callbacks",
    "Averaged": "labels.teachers",
    "Brier": "losses",
    "ClassPrior": "losses",
    "ConditionalEntropy": "losses",
    "Consistency": "losses",
    "Constant": "schedules",
    "CosineRamp": "schedules",
    "Curriculum": "labels.selections",
    "DebiasedAlignment": "labels.alignments",
    "DebiasedLoss": "losses",
    "DistributionAlignment": "labels.alignments",
    "Fairness": "losses",
    "Flag": "registry",
    "Frozen": "labels.teachers",
    "Gaussian": "labels.selections",
    "Inliers": "labels.selections",
    "Lagged": "labels.teachers",
    "LinearRamp": "schedules",
    "LogitAdjusted": "losses",
    "LossThreshold": "labels.selections",
    "MinimumEntropy": "losses",
    "Mixup": "update.mixup",
    "MultiHot": "labels.targets",
    "PseudoLabelModel": "model",
    "PseudoLabelMonitor": "monitoring.pseudo_label_monitor",
    "PseudoLabelWarning": "monitoring.pseudo_label_monitor",
    "Relative": "labels.selections",
    "RelativeAlignment": "labels.alignments",
    "Schedule": "schedules",
    "ScheduledMomentum": "optimizers",
    "SelfAdaptive": "labels.selections",
    "ShareScheduler": "callbacks",
    "SelfTraining": "self_training",
    "Sharpened": "labels.targets",
    "SigmoidRamp": "schedules",
    "StartOver": "callbacks",
    "SummedBinaryCrossentropy": "losses",
    "Threshold": "labels.selections",
    "UniformAlignment": "labels.alignments",
    "Unmixed": "losses",
    "Views": "views",
    "TopShare": "labels.selections",
    "TwoSided": "labels.selections",
    "VirtualAdversarial": "losses",
    "alternate_streams": "streams.alternating",
    "from_arrays": "streams.arrays",
    "get_strategy": "distribution.strategies",
    "labeled_alone": "streams.merging",
    "merge_streams": "streams.merging",
    "register": "registry",
    "split_partially_labeled": "streams.partially_labeled",
}

_ROOMS = ("presets", "serving", "views")

__all__ = [*_MODULES, *_ROOMS]


def __getattr__(name):
    """Loads the names at first use: `--help` must not load TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _load()
    return globals()[name]


def __dir__():
    return sorted([*globals(), *__all__])


def _load():
    for room in _ROOMS:
        globals()[room] = importlib.import_module(f"{__name__}.{room}")
    for name, module in _MODULES.items():
        found = importlib.import_module(f"{__name__}.{module}")
        globals()[name] = getattr(found, name)


if "keras" in sys.modules:
    # keras.saving.load_model must find our classes without a first use.
    _load()
