"""What values of a recipe cannot be meant, alone or together."""

import dataclasses
import math
import typing

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.choices import row_of
from tf_pseudolabel.lab.recipes.image_size import one_form


class Checked:
    """One experiment; each field is a flag of `bin/train`.

    Raises:
        InputError: If a value breaks its rule.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        # Runs are the same whose recipes are equal.
        object.__setattr__(self, "image_size", one_form(self.image_size))
        if self.resize != "stretch" and self.image_size is None:
            raise InputError(
                "resize says how images come to image_size; got "
                f"resize={self.resize} and no image_size. Give both or neither."
            )
        if self.split and self.num_labeled is None:
            raise InputError(
                "split says how num_labeled examples are drawn; got "
                f"split={self.split} and no num_labeled. Give both or neither."
            )
        self._check_network()
        self._check_choices()
        self._check_epochs()
        self._check_ramp()

    def _check_network(self):
        """Refuses networks that there cannot be, and backbones that are not."""
        if self.network is not None:
            networks.check_name(self.network)
        if self.freeze not in ("all", "none") and not self.freeze.isdecimal():
            raise InputError(
                "freeze is all, none, or a number of layers; got "
                f"{self.freeze!r}."
            )
        if (
            self.freeze != "none"
            and self.weights == "none"
            and networks.is_application(self.network or "")
        ):
            raise InputError(
                "What is frozen must have been learned; got "
                f"freeze={self.freeze} and weights=none. Give --weights=PATH."
            )
        if self.backbone_learning_rate is not None and not self.learning_rate:
            raise InputError(
                "backbone_learning_rate follows learning_rate, which is above "
                f"0 then; got {self.backbone_learning_rate} and 0. Set it."
            )

    def _check_ramp(self):
        """Refuses an alpha that rises where there are labels alone."""
        if self.t2 < self.t1:
            raise InputError(
                f"t2 must be at least t1; got t1={self.t1} and t2={self.t2}."
            )
        ramp = row_of(self, "schedule")
        if self.labeled_epochs and "t1" not in [f.name for f in ramp.flags]:
            raise InputError(
                "labeled_epochs end at t1, which this ramp has none of; got "
                f"labeled_epochs={self.labeled_epochs} and ramp={self.ramp}. "
                "Set it to 0."
            )
        if self.labeled_epochs > self.epochs:
            raise InputError(
                "labeled_epochs counts the first of the epochs; got "
                f"labeled_epochs={self.labeled_epochs} and "
                f"epochs={self.epochs}."
            )
        if self.labeled_epochs > self.t1:
            raise InputError(
                "alpha must not rise in epochs that pass over the labels "
                f"alone; got labeled_epochs={self.labeled_epochs} and "
                f"t1={self.t1}. Raise t1, or lower labeled_epochs."
            )

    def _check_choices(self):
        """Refuses ways to make pseudo-labels that do not go together."""
        if self.mixup and self.selection != "all":
            raise InputError(
                "mixup mixes every row with any other, and needs "
                f"selection=all; got selection={self.selection}."
            )
        if self.target == "sharpened" and self.output == "sigmoid":
            raise InputError(
                "sharpened pseudo-labels need outputs that sum to 1; got "
                "output=sigmoid. Use output=softmax, or target=soft."
            )
        if self.target == "multi_hot" and self.output != "sigmoid":
            raise InputError(
                "multi_hot pseudo-labels need an output for every class on its "
                f"own; got output={self.output}. Use output=sigmoid."
            )
        if self.target == "multi_hot" and self.class_prior:
            raise InputError(
                "class_prior needs rows of one class; got "
                f"class_prior={self.class_prior} with target=multi_hot. Set it "
                "to 0."
            )
        if self.selection == "two_sided" and self.target != "multi_hot":
            raise InputError(
                "selection=two_sided needs outputs that are yes or no each; "
                f"got target={self.target}. Use target=multi_hot."
            )
        if self.stream == "alternating" and self.batch_norm == "joint":
            raise InputError(
                "batch_norm=joint needs both streams in one update; got "
                "stream=alternating. Use stream=merged."
            )

    def _check_epochs(self):
        """Refuses epochs of two lengths where one length counts."""
        if self.restart_epochs and self.lag_epochs > 1:
            raise InputError(
                "With restart_epochs, labels are made anew once a round; got "
                f"lag_epochs={self.lag_epochs} and restart_epochs="
                f"{self.restart_epochs}. Leave lag_epochs at 1."
            )
        if self.steps_per_epoch and self.stream == "alternating":
            raise InputError(
                "steps_per_epoch is for stream=merged; alternating epochs are "
                f"passes over both streams; got {self.steps_per_epoch}."
            )
        cosine = self.learning_rate_schedule == "cosine"
        scheduled = (
            self.optimizer == "lee2013"
            or self.learning_rate_decay < 1
            or cosine
        )
        if cosine and self.learning_rate_decay < 1:
            raise InputError(
                "learning_rate_schedule=cosine says the whole course; got "
                f"learning_rate_decay={self.learning_rate_decay} besides. "
                "Leave one out."
            )
        if scheduled and self.labeled_epochs:
            raise InputError(
                "optimizer=lee2013, learning_rate_decay and "
                "learning_rate_schedule count epochs of one "
                f"length; got labeled_epochs={self.labeled_epochs}. Set it to "
                "0: while alpha is 0, unlabeled rows cost next to nothing."
            )
        if scheduled and self.first_learning_rate is not None:
            raise InputError(
                "first_learning_rate goes with a constant learning rate; got "
                f"optimizer={self.optimizer} and learning_rate_decay="
                f"{self.learning_rate_decay}. Use sgd or adam, without decay."
            )
        if self.dae_epochs and self.network != "mlp":
            raise InputError(
                "dae_epochs is for a network that begins with a dense layer; "
                f"got network={self.network}. Use network=mlp."
            )


def _check(field, value):
    kinds = typing.get_args(field.type) or (field.type,)
    if float in kinds:
        kinds = (*kinds, int)
    if type(value) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"{field.name} must be {names}; got {value!r}.")
    rule = field.metadata
    if not rule or value is None:
        return
    if rule["choices"] and value not in rule["choices"]:
        raise InputError(
            f"{field.name} is one of {', '.join(rule['choices'])}; "
            f"got {value!r}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{field.name} must be finite; got {value}.")
    if rule["least"] is not None and not value >= rule["least"]:
        raise InputError(
            f"{field.name} must be at least {rule['least']}; got {value}."
        )
    if rule["most"] is not None and not value <= rule["most"]:
        raise InputError(
            f"{field.name} must be at most {rule['most']}; got {value}."
        )
    if rule["below"] is not None and not value < rule["below"]:
        raise InputError(
            f"{field.name} must be below {rule['below']}; got {value}."
        )
