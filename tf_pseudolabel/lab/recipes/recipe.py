"""What a recipe says: everything that is needed to run an experiment again."""

import dataclasses
import json
import math
import pathlib
import typing

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import NETWORKS


def _field(default, text, *, choices=None, least=None, below=None, most=None):
    """A field with its help text and its rule, which flags take from here."""
    return dataclasses.field(
        default=default,
        metadata={
            "help": text,
            "choices": choices,
            "least": least,
            "below": below,
            "most": most,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment; each field is a flag of `bin/train`.

    Raises:
        InputError: If a value breaks its rule.
    """

    name: str = "custom"
    description: str = ""

    dataset: str = _field(
        "digits", "digits, folders, or the name of a TFDS image data set"
    )
    data_dir: str | None = _field(None, "where TFDS keeps prepared data sets")
    labeled_dir: str | None = _field(
        None, "folders: labeled images, one sub-folder per class"
    )
    unlabeled_dir: str | None = _field(None, "folders: unlabeled images")
    test_dir: str | None = _field(
        None,
        "folders: test images, one sub-folder per class; without it they are "
        "held out of the labeled ones",
    )
    validation_dir: str | None = _field(
        None,
        "folders: validation images, one sub-folder per class; without it "
        "they are held out of the labeled ones",
    )
    image_size: int | None = _field(
        None, "height and width that images are resized to", least=1
    )
    num_labeled: int | None = _field(
        None,
        "labeled examples to draw; default of one's own data: all, as they "
        "are. Those that are left over serve as unlabeled ones",
        least=2,
    )
    split: str | None = _field(
        None,
        "how num_labeled are drawn: balanced (as many of every class) or "
        "stratified (in proportion to the classes); default: balanced",
        choices=("balanced", "stratified"),
    )
    num_unlabeled: int | None = _field(
        None, "unlabeled examples; default: all that remain", least=1
    )
    num_validation: int | None = _field(
        None,
        "validation examples; default: the whole validation_dir, else a tenth "
        "of the labeled ones, 200 at most",
        least=2,
    )
    num_test: int | None = _field(
        None,
        "test examples; default: the whole test set, else a fifth of the "
        "labeled ones",
        least=1,
    )

    network: str = _field("conv", "the classifier", choices=tuple(NETWORKS))
    hidden_units: int = _field(150, "units of the hidden layer", least=1)
    dropout: float = _field(0.5, "dropout rate", least=0, below=1)
    input_scale: float = _field(
        1.0, "what a white pixel becomes for the network", least=1e-6
    )
    input_dropout: float = _field(
        0.0, "dropout rate of the pixels", least=0, below=1
    )
    initial_std: float | None = _field(
        None,
        "standard deviation of the initial weights; default: as Keras has it",
        least=1e-6,
    )
    output: str = _field(
        "softmax",
        "softmax with cross-entropy, or sigmoid with binary cross-entropy "
        "summed over the classes (Lee)",
        choices=("softmax", "sigmoid"),
    )

    teacher: str = _field(
        "inference",
        "network that makes the pseudo-labels: inference (a pass of its own, "
        "dropout off), training (the pass of the loss) or lagged (as it was "
        "when the epoch began)",
        choices=("inference", "training", "lagged"),
    )
    target: str = _field(
        "hard",
        "what pseudo-labels are: hard (one class), soft (probabilities) or "
        "sharpened (to the power 1/temperature)",
        choices=("hard", "soft", "sharpened"),
    )
    temperature: float = _field(
        0.5, "sharpened: below 1 is sharper", least=0.01, most=1
    )
    selection: str = _field(
        "all",
        "rows that count: all, threshold (confidence at least --threshold) or "
        "top_share (the surest share of every class)",
        choices=("all", "threshold", "top_share"),
    )
    threshold: float = _field(0.95, "threshold: confidence", least=0, most=1)
    top_share: float = _field(
        0.2, "top_share: share at t1, rising to all at t2", least=0.01, most=1
    )
    mean: str = _field(
        "all",
        "rows that the pseudo-label loss is averaged over: all, or those "
        "accepted",
        choices=("all", "accepted"),
    )
    unlabeled_loss: str = _field(
        "pseudo_label",
        "what is minimized on unlabeled rows: pseudo_label (the loss of the "
        "labels, with pseudo-labels) or entropy (of the outputs)",
        choices=("pseudo_label", "entropy"),
    )
    restart_epochs: int | None = _field(
        None,
        "self-training: epochs after which training starts over from the "
        "initial weights; with teacher=lagged, labels are made anew only then",
        least=1,
    )
    batch_norm: str = _field(
        "separate",
        "batch normalization: separate (each stream on its own), labeled (so, "
        "but moving statistics of the labels alone) or joint (one pass)",
        choices=("separate", "labeled", "joint"),
    )
    mixup: float = _field(0.0, "strength of mixup; 0: none", least=0)
    class_prior: float = _field(
        0.0, "weight of the class prior; 0: none", least=0
    )
    minimum_entropy: float = _field(
        0.0, "weight of the entropy of all outputs; 0: none", least=0
    )
    stream: str = _field(
        "merged",
        "merged: every update has labeled and unlabeled rows (Lee); "
        "alternating: passes over the labels between runs of unlabeled batches",
        choices=("merged", "alternating"),
    )
    unlabeled_batches: int = _field(
        50, "alternating: unlabeled batches between two passes", least=1
    )
    t1: float = _field(100, "epoch at which alpha starts to rise", least=0)
    t2: float = _field(600, "epoch at which alpha reaches alpha_f", least=0)
    ramp: str = _field(
        "linear",
        "shape of alpha's rise: linear (Lee) or sigmoid",
        choices=("linear", "sigmoid"),
    )
    alpha_f: float = _field(3.0, "final weight of pseudo-labels", least=0)

    labeled_epochs: int = _field(
        0,
        "of the epochs, the first ones that only pass over the labels",
        least=0,
    )
    epochs: int = _field(
        100,
        "epochs in all; after the labeled ones, each a pass over the "
        "unlabeled examples",
        least=1,
    )
    steps_per_epoch: int | None = _field(
        None,
        "merged: updates per epoch; default: a pass over the unlabeled "
        "examples",
        least=1,
    )
    labeled_batch: int = _field(32, "labeled rows per batch", least=1)
    unlabeled_batch: int = _field(256, "unlabeled rows per batch", least=1)
    optimizer: str = _field(
        "sgd",
        "optimizer; lee2013 has a momentum that rises and averages gradients",
        choices=("sgd", "adam", "adamw", "rmsprop", "lee2013"),
    )
    learning_rate: float = _field(0.1, "learning rate", least=0)
    learning_rate_decay: float = _field(
        1.0, "what an epoch makes of the learning rate", least=0.01, most=1
    )
    momentum: float = _field(
        0.0, "momentum of sgd; of lee2013, at the beginning", least=0, below=1
    )
    final_momentum: float = _field(
        0.99, "lee2013: momentum at the end", least=0, below=1
    )
    momentum_epochs: float = _field(
        500, "lee2013: epochs until the final momentum", least=1e-3
    )
    dae_epochs: int = _field(
        0,
        "epochs of training the first layer as a denoising auto-encoder on all "
        "training images beforehand; 0: none",
        least=0,
    )
    dae_learning_rate: float = _field(
        0.001, "learning rate of the auto-encoder (Adam)", least=0
    )

    seed: int = _field(
        0, "seed of the split and of training", least=0, below=2**32
    )
    strategy: str = _field(
        "default",
        "default: one device; mirrored: every local GPU; multi_worker: the "
        "machines of TF_CONFIG or of a SLURM step; tpu: the TPU of TPU_NAME",
        choices=("default", "mirrored", "multi_worker", "tpu"),
    )
    data_service: str | None = _field(
        None, "tf.data service that makes the batches, as grpc://host:port"
    )
    deterministic: bool = _field(
        False,
        "only operations that give the same bits in every run; on GPUs slower",
    )
    mixed_precision: str | None = _field(
        None,
        "compute in half precision: float16 (GPU) or bfloat16",
        choices=("float16", "bfloat16"),
    )
    on_alarm: str = _field(
        "warn",
        "what to do when pseudo-labels go wrong: warn, or stop training",
        choices=("warn", "stop"),
    )
    baseline: bool = _field(True, "train the supervised arm, too")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        if self.split and self.num_labeled is None:
            raise InputError(
                "split says how num_labeled examples are drawn; got "
                f"split={self.split} and no num_labeled. Give both or neither."
            )
        self._check_choices()
        self._check_epochs()
        if self.t2 < self.t1:
            raise InputError(
                f"t2 must be at least t1; got t1={self.t1} and t2={self.t2}."
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
        if self.mixup and (self.teacher, self.selection) not in (
            ("inference", "all"),
            ("lagged", "all"),
        ):
            raise InputError(
                "mixup needs teacher=inference or lagged, and selection=all; "
                f"got teacher={self.teacher} and selection={self.selection}."
            )
        if self.target == "sharpened" and self.output == "sigmoid":
            raise InputError(
                "sharpened pseudo-labels need outputs that sum to 1; got "
                "output=sigmoid. Use output=softmax, or target=soft."
            )
        if self.stream == "alternating" and self.batch_norm == "joint":
            raise InputError(
                "batch_norm=joint needs both streams in one update; got "
                "stream=alternating. Use stream=merged."
            )

    def _check_epochs(self):
        """Refuses epochs of two lengths where one length counts."""
        if self.steps_per_epoch and self.stream == "alternating":
            raise InputError(
                "steps_per_epoch is for stream=merged; alternating epochs are "
                f"passes over both streams; got {self.steps_per_epoch}."
            )
        scheduled = self.optimizer == "lee2013" or self.learning_rate_decay < 1
        if scheduled and self.labeled_epochs:
            raise InputError(
                "optimizer=lee2013 and learning_rate_decay count epochs of one "
                f"length; got labeled_epochs={self.labeled_epochs}. Set it to "
                "0: while alpha is 0, unlabeled rows cost next to nothing."
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


def read_recipe(path, as_run=False):
    """Reads the recipe of a run.

    Args:
        path: A run's `recipe.json`.
        as_run: Bool: with the batch sizes that the number of examples lowered,
            instead of those asked for.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If the file is missing or does not hold a recipe.
    """
    try:
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        lowered = content.get("lowered", {}) if as_run else {}
        return Recipe(**{**content["recipe"], **lowered})
    except OSError as error:
        problem = error.strerror
    except (
        AttributeError,
        KeyError,
        TypeError,
        UnicodeDecodeError,
        json.JSONDecodeError,
    ) as error:
        problem = error
    raise InputError(
        f"{path} must be the recipe.json of a run; got: {problem}. Give the "
        "directory or file that bin/train wrote."
    )
