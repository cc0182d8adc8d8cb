"""What a recipe says: everything that is needed to run an experiment again."""

import dataclasses
import functools
import math
import re
import typing

from tf_pseudolabel import registry
from tf_pseudolabel.lab import json_file, networks
from tf_pseudolabel.lab.data import sources
from tf_pseudolabel.lab.errors import InputError

# Rows per update, which few rows may lower.
BATCHES = ("labeled_batch", "unlabeled_batch")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A flag that names one part of a kind.

    Attributes:
        flag: Its name.
        help: What is chosen.
        default: The choice of a recipe that says nothing.
        without: What the default means where it is the name of no part.
        automatic: A choice that the kind of data makes; "": there is none.
    """

    flag: str
    help: str
    default: str
    without: str = ""
    automatic: str = ""

    def names(self, kind, rows):
        """The parts to choose from: a dict from name to a few words."""
        known = {row.name: row.help for row in rows if row.kind == kind}
        first = {self.default: known.get(self.default, self.without)}
        if self.automatic:
            first[self.automatic] = "as suits the data"
        return first | known


# By the registry's kind. Of terms there may be several: each has a weight.
CHOICES = {
    "teacher": Choice(
        "teacher", "network that makes the pseudo-labels", "inference"
    ),
    "alignment": Choice(
        "alignment", "what becomes of its probabilities", "none", "nothing"
    ),
    "selection": Choice("selection", "rows that count", "all"),
    "target": Choice("target", "what pseudo-labels are", "hard"),
    "views": Choice(
        "views",
        "what teacher and student see",
        "none",
        "the rows themselves",
        "auto",
    ),
    "unlabeled_loss": Choice(
        "unlabeled_loss",
        "what is minimized on unlabeled rows",
        "pseudo_label",
        "the loss of the labels, with pseudo-labels",
    ),
    "schedule": Choice("ramp", "shape of alpha's rise", "linear"),
}


def _field(
    default,
    text,
    *,
    choices=None,
    least=None,
    below=None,
    most=None,
    needs=(),
    option=False,
):
    """A field with its help text and its rule, which flags take from here.

    `needs` are pairs of another field and the values of it, None for any but 0,
    with which this one has an effect: one of the pairs must hold. An `option`
    is the network's: None leaves it as the network has it, and it has an effect
    where the network takes it.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": text,
            "choices": choices,
            "least": least,
            "below": below,
            "most": most,
            "needs": needs,
            "option": option,
        },
    )


def _sources(field):
    """What a field needs that some sources of data take."""
    return (("dataset", sources.takers(field)),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Written:
    """The fields that belong to no part."""

    name: str = "custom"
    description: str = ""

    parts: str | None = _field(
        None,
        "Python files with parts of your own, whose flags and choices are then "
        "listed here; separated by commas, or given several times",
    )

    dataset: str = _field(
        "digits",
        f"{', '.join(sources.SOURCES)}, or the name or directory of a TFDS "
        "data set",
    )
    data_dir: str | None = _field(None, "where TFDS keeps prepared data sets")
    labeled_dir: str | None = _field(
        None,
        "folders, text: labeled images or texts, one sub-folder per class",
        needs=_sources("labeled_dir"),
    )
    unlabeled_dir: str | None = _field(
        None,
        "folders, text: unlabeled images or texts",
        needs=_sources("unlabeled_dir"),
    )
    test_dir: str | None = _field(
        None,
        "folders, text: those to test with, one sub-folder per class; else "
        "they are held out of the labeled ones",
        needs=_sources("test_dir"),
    )
    validation_dir: str | None = _field(
        None,
        "folders, text: those to choose by, one sub-folder per class; else "
        "they are held out of the labeled ones",
        needs=_sources("validation_dir"),
    )
    image_size: str | int | None = _field(
        None,
        "height and width that images are resized to, as 96,128, or one number "
        "for both; default: all must be of one size",
    )
    resize: str = _field(
        "stretch",
        "folders: how images are resized to image_size: stretch (whatever "
        "becomes of proportions), crop (fill it, cut off the rest evenly) or "
        "pad (fit into it, black around)",
        choices=("stretch", "crop", "pad"),
        needs=_sources("resize"),
    )
    on_bad_file: str = _field(
        "stop",
        "folders: what to do when image files cannot be read: stop, or skip "
        "them and list them in bad_files.txt of the run",
        choices=("stop", "skip"),
        needs=_sources("on_bad_file"),
    )
    cache: str = _field(
        "auto",
        "folders, table, text: where decoded images, and rows as networks take "
        "them, are kept: memory, none (they are made whenever they are used) "
        "or auto (memory where they take less than a quarter of what is free)",
        choices=("auto", "memory", "none"),
        needs=_sources("cache"),
    )
    data_file: str | None = _field(
        None,
        "table, text: rows with labels, as .csv, .tsv, .jsonl or .parquet; "
        "arrays: a .npz file; tfrecord: files, as FILE,FILE or data-*; rows "
        "without a label are unlabeled",
        needs=_sources("data_file"),
    )
    features_file: str | None = _field(
        None,
        "tfrecord: JSON file that names the features of the input and the "
        "label (docs/guides/own-arrays.md)",
        needs=_sources("features_file"),
    )
    label_column: str | None = _field(
        None, "data_file: its column of labels", needs=_sources("label_column")
    )
    text_column: str | None = _field(
        None,
        "text: the column of data_file that is read",
        needs=_sources("text_column"),
    )
    unlabeled_file: str | None = _field(
        None,
        "data_file: further rows, without labels",
        needs=_sources("unlabeled_file"),
    )
    validation_file: str | None = _field(
        None,
        "data_file: validation rows; without it they are held out of data_file",
        needs=_sources("validation_file"),
    )
    test_file: str | None = _field(
        None,
        "data_file: test rows; without it they are held out of data_file",
        needs=_sources("test_file"),
    )
    group_column: str | None = _field(
        None,
        "data_file: its column that names a group; no group is both trained on "
        "and held out",
        needs=_sources("group_column"),
    )
    vocabulary_size: int | None = _field(
        None,
        "text: words that are told apart, the commonest of training texts; "
        "default: 10000",
        least=3,
        needs=_sources("vocabulary_size"),
    )
    text_length: int | None = _field(
        None,
        "text: words of a text that are read; default: all that 19 of 20 "
        "training texts have, 256 at most",
        least=1,
        needs=_sources("text_length"),
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
    split_file: str | None = _field(
        None,
        "JSON file of ids by set, as a run's split.json; sets that it leaves "
        "out are drawn from the rest",
    )
    group_level: int | None = _field(
        None,
        "folders: which folder below that of the class, from 1, names a group; "
        "no group is both trained on and held out",
        least=1,
        needs=_sources("group_level"),
    )
    class_weight: str | None = _field(
        None,
        "weights of labeled examples: balanced (every class counts as much); "
        "default: all alike",
        choices=("balanced",),
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

    imbalance: float = _field(
        1.0,
        "for experiments: training rows of the first class for each of the "
        "last, those between in equal steps; with --split=stratified labels "
        "are as imbalanced",
        least=1,
    )
    known_classes: int | None = _field(
        None,
        "for experiments: rows of classes after that many are unlabeled alone "
        "(open set)",
        least=2,
    )

    network: str | None = _field(
        "conv",
        f"the classifier: {', '.join(networks.NETWORKS)}, a name of "
        "keras.applications (MobileNetV3Small, ...), FILE.py:FUNCTION or "
        "package.module:FUNCTION; default of your own data: one for their kind",
    )
    hidden_units: int | None = _field(
        None,
        "units of the hidden layer, or kernels of convolutions; default: as "
        "the network has it",
        least=1,
        option=True,
    )
    dropout: float | None = _field(
        None,
        "dropout rate; default: as the network has it",
        least=0,
        below=1,
        option=True,
    )
    input_scale: float = _field(
        1.0,
        "what a white pixel becomes for the network",
        least=1e-6,
        option=True,
    )
    input_dropout: float = _field(
        0.0, "dropout rate of the pixels", least=0, below=1, option=True
    )
    initial_std: float | None = _field(
        None,
        "standard deviation of the initial weights; default: as Keras has it",
        least=1e-6,
        option=True,
    )
    weights: str = _field(
        "none",
        "what the network begins with: none; a .keras or .weights.h5 file of "
        "the whole network or of its backbone; or imagenet, which is "
        "downloaded",
    )
    freeze: str = _field(
        "none",
        "layers of the backbone that stay as they are: none, all, or how many "
        "of the first",
    )
    backbone_learning_rate: float | None = _field(
        None,
        "learning rate of the backbone; default: learning_rate",
        least=0,
    )
    output: str = _field(
        "softmax",
        "softmax with cross-entropy, or sigmoid with binary cross-entropy "
        "summed over the classes (Lee)",
        choices=("softmax", "sigmoid"),
    )

    restart_epochs: int | None = _field(
        None,
        "self-training: epochs after which training starts over from the "
        "initial weights; with teacher=lagged, labels are made anew only then",
        least=1,
    )
    batch_norm: str = _field(
        "auto",
        "batch normalization: separate (each stream on its own), labeled (so, "
        "but moving statistics of the labels alone), joint (one pass) or auto "
        "(joint in a network with batch normalization)",
        choices=("auto", "separate", "labeled", "joint"),
    )
    mixup: float = _field(0.0, "strength of mixup; 0: none", least=0)
    mixup_form: str = _field(
        "joint",
        "mixup of all rows (joint), of all but nearer to themselves (nearest), "
        "or of each batch (apart)",
        choices=("joint", "nearest", "apart"),
        needs=(("mixup", None),),
    )
    average: float = _field(
        0.0,
        "decay of an average of the weights, as 0.999, that is evaluated, "
        "saved and exported in their place; 0: none",
        least=0,
        below=1,
    )
    stream: str = _field(
        "merged",
        "merged: every update has labeled and unlabeled rows (Lee); "
        "alternating: passes over the labels between runs of unlabeled batches",
        choices=("merged", "alternating"),
    )
    unlabeled_batches: int = _field(
        50,
        "alternating: unlabeled batches between two passes",
        least=1,
        needs=(("stream", ("alternating",)),),
    )
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
    first_learning_rate: float | None = _field(
        None,
        "learning rate until t1, while alpha is 0; default: learning_rate",
        least=0,
        needs=(("t1", None),),
    )
    learning_rate_decay: float = _field(
        1.0, "what an epoch makes of the learning rate", least=0.01, most=1
    )
    learning_rate_schedule: str = _field(
        "constant",
        "course of the learning rate: constant, or cosine (half a cosine from "
        "its value to 0 over all updates)",
        choices=("constant", "cosine"),
        needs=(("optimizer", ("sgd", "adam", "adamw", "rmsprop")),),
    )
    momentum: float = _field(
        0.0,
        "momentum of sgd; of lee2013, at the beginning",
        least=0,
        below=1,
        needs=(("optimizer", ("sgd", "lee2013")),),
    )
    final_momentum: float = _field(
        0.99,
        "lee2013: momentum at the end",
        least=0,
        below=1,
        needs=(("optimizer", ("lee2013",)),),
    )
    momentum_epochs: float = _field(
        500,
        "lee2013: epochs until the final momentum",
        least=1e-3,
        needs=(("optimizer", ("lee2013",)),),
    )
    dae_epochs: int = _field(
        0,
        "epochs of training the first layer as a denoising auto-encoder on all "
        "training images beforehand; 0: none",
        least=0,
    )
    dae_learning_rate: float = _field(
        0.001,
        "learning rate of the auto-encoder (Adam)",
        least=0,
        needs=(("dae_epochs", None),),
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


class _Checked:
    """One experiment; each field is a flag of `bin/train`.

    Raises:
        InputError: If a value breaks its rule.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        # Runs are the same whose recipes are equal.
        object.__setattr__(self, "image_size", _one_form(self.image_size))
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


def _choice_fields(rows):
    """The fields of the parts: a choice of each kind, and the parts' flags."""
    fields, needs = {}, _needs(rows)
    for kind in registry.KINDS:
        of_kind = [row for row in rows if row.kind == kind]
        if of_kind and kind in CHOICES:
            choice = CHOICES[kind]
            names = choice.names(kind, rows)
            words = [
                f"{n} ({text})" if text else n for n, text in names.items()
            ]
            fields[choice.flag] = (
                str,
                _field(
                    choice.default,
                    f"{choice.help}: {_one_of(words)}",
                    choices=tuple(names),
                ),
            )
        for flag in (flag for row in of_kind for flag in row.flags):
            if flag.help:
                fields[flag.name] = (
                    type(flag.default),
                    _field(
                        flag.default,
                        flag.help,
                        choices=flag.choices,
                        least=flag.least,
                        below=flag.below,
                        most=flag.most,
                        needs=needs[flag.name],
                    ),
                )
    return fields


def _needs(rows):
    """From a part's flag to the fields that choose parts with this flag."""
    needs = {}
    for row in rows:
        for flag in row.flags:
            pairs = needs.setdefault(flag.name, {})
            if row.kind in CHOICES:
                choice = CHOICES[row.kind]
                automatic = [choice.automatic] * bool(choice.automatic)
                pairs.setdefault(choice.flag, automatic).append(row.name)
            elif flag.name != row.name:
                pairs[row.name] = None
    return {
        name: tuple((field, values and tuple(values)) for field, values in of)
        for name, of in ((n, pairs.items()) for n, pairs in needs.items())
    }


def _one_of(words):
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _check_flags(rows):
    """Refuses flags that are called like others, or that nobody explains."""
    written = {field.name for field in dataclasses.fields(_Written)}
    written.add("part_rows")
    choices = {choice.flag for choice in CHOICES.values()}
    for row in rows:
        if row not in registry.rows() and row.name == getattr(
            CHOICES.get(row.kind), "default", None
        ):
            raise InputError(
                f"{row.kind}={row.name} is what runs have that choose nothing; "
                f"got a part of that name in {row.path}. Rename it."
            )
        for flag in row.flags:
            if flag.name in choices or bool(flag.help) == (
                flag.name in written
            ):
                raise InputError(
                    "A part's flag has a name of its own and a help; got "
                    f"--{flag.name} in {row.path}. Rename it, or write its "
                    "help."
                )


# The fields of parts stand in front of this one.
_BEHIND_PARTS = "restart_epochs"


@functools.cache
def _made(rows):
    _check_flags(rows)
    fields = {
        field.name: (
            field.type,
            dataclasses.field(default=field.default, metadata=field.metadata),
        )
        for field in dataclasses.fields(_Written)
    }
    place = [*fields].index(_BEHIND_PARTS)
    ordered = [*fields.items()]
    ordered[place:place] = _choice_fields(rows).items()
    return dataclasses.make_dataclass(
        "Recipe",
        [(name, *field) for name, field in ordered],
        bases=(_Checked,),
        namespace={"__doc__": _Checked.__doc__, "part_rows": rows},
        frozen=True,
        kw_only=True,
    )


def recipe_class(parts=None):
    """Makes the class of recipes that know parts of a user's own.

    Args:
        parts: Paths of Python files, separated by commas; None: none.

    Returns:
        A dataclass like `Recipe`; the same for the same rows.

    Raises:
        InputError: If a file cannot be read, or its rows break a rule.
    """
    try:
        return _made(registry.rows(parts.split(",") if parts else ()))
    except ValueError as error:
        raise InputError(f"--parts: {error}" if parts else str(error)) from None


Recipe = recipe_class()


def with_parts(recipe, parts):
    """Returns a recipe that knows parts of a user's own.

    Args:
        recipe: A `Recipe`.
        parts: As for `recipe_class`.
    """
    cls = recipe_class(parts)
    known = {field.name for field in dataclasses.fields(cls)}
    values = dataclasses.asdict(recipe) | {"parts": parts}
    return cls(**{n: value for n, value in values.items() if n in known})


def row_of(recipe, kind):
    """Finds the part that a recipe chooses.

    Args:
        recipe: A `Recipe`.
        kind: One of `CHOICES`.

    Returns:
        A `registry.Row`, or None where the choice is that of no part.
    """
    name = getattr(recipe, CHOICES[kind].flag, None)
    return next(
        (r for r in recipe.part_rows if (r.kind, r.name) == (kind, name)), None
    )


def terms_of(recipe):
    """Lists the rows of the terms that a recipe weighs above 0.

    Args:
        recipe: A `Recipe`.
    """
    return [
        row
        for row in recipe.part_rows
        if row.kind == "term" and getattr(recipe, row.name)
    ]


def values_of(recipe):
    """Returns what the flags of parts come to, as a dict.

    Args:
        recipe: A `Recipe`.
    """
    values = dataclasses.asdict(recipe)
    if recipe.restart_epochs:
        # Self-training: labels last a round.
        values["lag_epochs"] = recipe.restart_epochs
    return values


def without_effect(recipe, name):
    """Says why a field changes nothing, and what would make it count.

    Args:
        recipe: A `Recipe`.
        name: Name of one of its fields.

    Returns:
        A string, a line; None for a field that has an effect.
    """
    metadata = type(recipe).__dataclass_fields__[name].metadata
    if metadata["option"]:
        return _without_network(recipe, name)
    needs = metadata["needs"]
    if not needs or any(_is_met(recipe, *need) for need in needs):
        return None
    wanted = [
        f"--{field}{' above 0' if values is None else f'={_one_of(values)}'}"
        for field, values in needs
    ]
    field, values = needs[0]
    example = 1 if values is None else values[0]
    return (
        f"--{name} is for {_one_of(wanted)}; got "
        f"--{field}={getattr(recipe, field)}. Add --{field}={example}."
    )


def _without_network(recipe, name):
    """Says why an option is not for the recipe's network; None: it is."""
    if recipe.network is None:  # The kind of data will say.
        return None
    parameters = networks.parameters(recipe.network)
    if parameters is None or name in parameters:
        return None
    takers = [n for n in networks.NETWORKS if name in networks.parameters(n)]
    return (
        f"--{name} is for --network={_one_of(takers)}, or a function that "
        f"names it; got --network={recipe.network}. Leave it out."
    )


def network_options(recipe):
    """Returns what a recipe says of its network's options, as a dict.

    Args:
        recipe: A `Recipe`.
    """
    return {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.metadata.get("option")
        and getattr(recipe, field.name) is not None
    }


def _is_met(recipe, field, values):
    value = getattr(recipe, field)
    return bool(value) if values is None else value in values


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


def size_of(recipe):
    """Returns the height and the width that images are resized to.

    Args:
        recipe: A `Recipe`.

    Returns:
        A pair of ints; None: they stay as they are.
    """
    if recipe.image_size is None:
        return None
    sides = [int(side) for side in str(recipe.image_size).split(",")]
    return (sides[0], sides[-1])


def _one_form(size):
    """A size as recipes hold it: an int if it is square, else "96,128"."""
    if size is None:
        return None
    if not re.fullmatch(r"-?[0-9]+(,-?[0-9]+)?", str(size)):
        raise InputError(
            "image_size is a number, or height and width as 96,128; got "
            f"{size!r}."
        )
    sides = [int(side) for side in str(size).split(",")]
    if min(sides) < 1:
        raise InputError(f"image_size must be at least 1; got {size}.")
    return sides[0] if sides[0] == sides[-1] else f"{sides[0]},{sides[1]}"


def read_recipe(path, as_run=False):
    """Reads the recipe of a run.

    Args:
        path: A run's `recipe.json`.
        as_run: Bool: with the network that the kind of data chose and the batch
            sizes that the number of examples lowered, where others were asked
            for.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If the file is missing or does not hold a recipe.
    """
    remedy = "Give the directory or file that bin/train wrote."
    content = json_file.read(path, "the recipe.json of a run", remedy)
    try:
        lowered = content.get("lowered", {}) if as_run else {}
        values = {**content["recipe"], **lowered}
        return recipe_class(values.get("parts"))(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} must be the recipe.json of a run; got: {error}. {remedy}"
        ) from None
