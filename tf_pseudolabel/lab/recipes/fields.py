"""The fields of a recipe that belong to no part: help, default and rule."""

import dataclasses

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.data import sources


def field(
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


def _sources(name):
    """What a field needs that some sources of data take."""
    return (("dataset", sources.takers(name)),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """The fields that belong to no part."""

    name: str = "custom"
    description: str = ""

    parts: str | None = field(
        None,
        "Python files with parts of your own, whose flags and choices are then "
        "listed here; separated by commas, or given several times",
    )

    dataset: str = field(
        "digits",
        f"{', '.join(sources.SOURCES)}, or the name or directory of a TFDS "
        "data set",
    )
    data_dir: str | None = field(None, "where TFDS keeps prepared data sets")
    labeled_dir: str | None = field(
        None,
        "folders, text: labeled images or texts, one sub-folder per class",
        needs=_sources("labeled_dir"),
    )
    unlabeled_dir: str | None = field(
        None,
        "folders, text: unlabeled images or texts",
        needs=_sources("unlabeled_dir"),
    )
    test_dir: str | None = field(
        None,
        "folders, text: those to test with, one sub-folder per class; else "
        "they are held out of the labeled ones",
        needs=_sources("test_dir"),
    )
    validation_dir: str | None = field(
        None,
        "folders, text: those to choose by, one sub-folder per class; else "
        "they are held out of the labeled ones",
        needs=_sources("validation_dir"),
    )
    image_size: str | int | None = field(
        None,
        "height and width that images are resized to, as 96,128, or one number "
        "for both; default: all must be of one size",
    )
    resize: str = field(
        "stretch",
        "folders: how images are resized to image_size: stretch (whatever "
        "becomes of proportions), crop (fill it, cut off the rest evenly) or "
        "pad (fit into it, black around)",
        choices=("stretch", "crop", "pad"),
        needs=_sources("resize"),
    )
    on_bad_file: str = field(
        "stop",
        "folders: what to do when image files cannot be read: stop, or skip "
        "them and list them in bad_files.txt of the run",
        choices=("stop", "skip"),
        needs=_sources("on_bad_file"),
    )
    cache: str = field(
        "auto",
        "folders, table, text: where decoded images, and rows as networks take "
        "them, are kept: memory, none (they are made whenever they are used) "
        "or auto (memory where they take less than a quarter of what is free)",
        choices=("auto", "memory", "none"),
        needs=_sources("cache"),
    )
    data_file: str | None = field(
        None,
        "table, text: rows with labels, as .csv, .tsv, .jsonl or .parquet; "
        "arrays: a .npz file; tfrecord: files, as FILE,FILE or data-*; rows "
        "without a label are unlabeled",
        needs=_sources("data_file"),
    )
    features_file: str | None = field(
        None,
        "tfrecord: JSON file that names the features of the input and the "
        "label (docs/guides/own-arrays.md)",
        needs=_sources("features_file"),
    )
    label_column: str | None = field(
        None, "data_file: its column of labels", needs=_sources("label_column")
    )
    text_column: str | None = field(
        None,
        "text: the column of data_file that is read",
        needs=_sources("text_column"),
    )
    unlabeled_file: str | None = field(
        None,
        "data_file: further rows, without labels",
        needs=_sources("unlabeled_file"),
    )
    validation_file: str | None = field(
        None,
        "data_file: validation rows; without it they are held out of data_file",
        needs=_sources("validation_file"),
    )
    test_file: str | None = field(
        None,
        "data_file: test rows; without it they are held out of data_file",
        needs=_sources("test_file"),
    )
    group_column: str | None = field(
        None,
        "data_file: its column that names a group; no group is both trained on "
        "and held out",
        needs=_sources("group_column"),
    )
    vocabulary_size: int | None = field(
        None,
        "text: words that are told apart, the commonest of training texts; "
        "default: 10000",
        least=3,
        needs=_sources("vocabulary_size"),
    )
    text_length: int | None = field(
        None,
        "text: words of a text that are read; default: all that 19 of 20 "
        "training texts have, 256 at most",
        least=1,
        needs=_sources("text_length"),
    )
    num_labeled: int | None = field(
        None,
        "labeled examples to draw; default of one's own data: all, as they "
        "are. Those that are left over serve as unlabeled ones",
        least=2,
    )
    split: str | None = field(
        None,
        "how num_labeled are drawn: balanced (as many of every class) or "
        "stratified (in proportion to the classes); default: balanced",
        choices=("balanced", "stratified"),
    )
    split_file: str | None = field(
        None,
        "JSON file of ids by set, as a run's split.json; sets that it leaves "
        "out are drawn from the rest",
    )
    group_level: int | None = field(
        None,
        "folders: which folder below that of the class, from 1, names a group; "
        "no group is both trained on and held out",
        least=1,
        needs=_sources("group_level"),
    )
    class_weight: str | None = field(
        None,
        "weights of labeled examples: balanced (every class counts as much); "
        "default: all alike",
        choices=("balanced",),
    )
    num_unlabeled: int | None = field(
        None, "unlabeled examples; default: all that remain", least=1
    )
    num_validation: int | None = field(
        None,
        "validation examples; default: the whole validation_dir, else a tenth "
        "of the labeled ones, 200 at most",
        least=2,
    )
    num_test: int | None = field(
        None,
        "test examples; default: the whole test set, else a fifth of the "
        "labeled ones",
        least=1,
    )

    imbalance: float = field(
        1.0,
        "for experiments: training rows of the first class for each of the "
        "last, those between in equal steps; with --split=stratified labels "
        "are as imbalanced",
        least=1,
    )
    known_classes: int | None = field(
        None,
        "for experiments: rows of classes after that many are unlabeled alone "
        "(open set)",
        least=2,
    )

    network: str | None = field(
        "conv",
        f"the classifier: {', '.join(networks.NETWORKS)}, a name of "
        "keras.applications (MobileNetV3Small, ...), FILE.py:FUNCTION or "
        "package.module:FUNCTION; default of your own data: one for their kind",
    )
    hidden_units: int | None = field(
        None,
        "units of the hidden layer, or kernels of convolutions; default: as "
        "the network has it",
        least=1,
        option=True,
    )
    dropout: float | None = field(
        None,
        "dropout rate; default: as the network has it",
        least=0,
        below=1,
        option=True,
    )
    input_scale: float = field(
        1.0,
        "what a white pixel becomes for the network",
        least=1e-6,
        option=True,
    )
    input_dropout: float = field(
        0.0, "dropout rate of the pixels", least=0, below=1, option=True
    )
    initial_std: float | None = field(
        None,
        "standard deviation of the initial weights; default: as Keras has it",
        least=1e-6,
        option=True,
    )
    weights: str = field(
        "none",
        "what the network begins with: none; a .keras or .weights.h5 file of "
        "the whole network or of its backbone; or imagenet, which is "
        "downloaded",
    )
    freeze: str = field(
        "none",
        "layers of the backbone that stay as they are: none, all, or how many "
        "of the first",
    )
    backbone_learning_rate: float | None = field(
        None,
        "learning rate of the backbone; default: learning_rate",
        least=0,
    )
    output: str = field(
        "softmax",
        "softmax with cross-entropy, or sigmoid with binary cross-entropy "
        "summed over the classes (Lee)",
        choices=("softmax", "sigmoid"),
    )

    restart_epochs: int | None = field(
        None,
        "self-training: epochs after which training starts over from the "
        "initial weights; with teacher=lagged, labels are made anew only then",
        least=1,
    )
    batch_norm: str = field(
        "auto",
        "batch normalization: separate (each stream on its own), labeled (so, "
        "but moving statistics of the labels alone), joint (one pass) or auto "
        "(joint in a network with batch normalization)",
        choices=("auto", "separate", "labeled", "joint"),
    )
    mixup: float = field(0.0, "strength of mixup; 0: none", least=0)
    mixup_form: str = field(
        "joint",
        "mixup of all rows (joint), of all but nearer to themselves (nearest), "
        "or of each batch (apart)",
        choices=("joint", "nearest", "apart"),
        needs=(("mixup", None),),
    )
    average: float = field(
        0.0,
        "decay of an average of the weights, as 0.999, that is evaluated, "
        "saved and exported in their place; 0: none",
        least=0,
        below=1,
    )
    stream: str = field(
        "merged",
        "merged: every update has labeled and unlabeled rows (Lee); "
        "alternating: passes over the labels between runs of unlabeled batches",
        choices=("merged", "alternating"),
    )
    unlabeled_batches: int = field(
        50,
        "alternating: unlabeled batches between two passes",
        least=1,
        needs=(("stream", ("alternating",)),),
    )
    labeled_epochs: int = field(
        0,
        "of the epochs, the first ones that only pass over the labels",
        least=0,
    )
    epochs: int = field(
        100,
        "epochs in all; after the labeled ones, each a pass over the "
        "unlabeled examples",
        least=1,
    )
    steps_per_epoch: int | None = field(
        None,
        "merged: updates per epoch; default: a pass over the unlabeled "
        "examples",
        least=1,
    )
    labeled_batch: int = field(32, "labeled rows per batch", least=1)
    unlabeled_batch: int = field(256, "unlabeled rows per batch", least=1)
    optimizer: str = field(
        "sgd",
        "optimizer; lee2013 has a momentum that rises and averages gradients",
        choices=("sgd", "adam", "adamw", "rmsprop", "lee2013"),
    )
    learning_rate: float = field(0.1, "learning rate", least=0)
    first_learning_rate: float | None = field(
        None,
        "learning rate until t1, while alpha is 0; default: learning_rate",
        least=0,
        needs=(("t1", None),),
    )
    learning_rate_decay: float = field(
        1.0, "what an epoch makes of the learning rate", least=0.01, most=1
    )
    learning_rate_schedule: str = field(
        "constant",
        "course of the learning rate: constant, or cosine (half a cosine from "
        "its value to 0 over all updates)",
        choices=("constant", "cosine"),
        needs=(("optimizer", ("sgd", "adam", "adamw", "rmsprop")),),
    )
    momentum: float = field(
        0.0,
        "momentum of sgd; of lee2013, at the beginning",
        least=0,
        below=1,
        needs=(("optimizer", ("sgd", "lee2013")),),
    )
    final_momentum: float = field(
        0.99,
        "lee2013: momentum at the end",
        least=0,
        below=1,
        needs=(("optimizer", ("lee2013",)),),
    )
    momentum_epochs: float = field(
        500,
        "lee2013: epochs until the final momentum",
        least=1e-3,
        needs=(("optimizer", ("lee2013",)),),
    )
    dae_epochs: int = field(
        0,
        "epochs of training the first layer as a denoising auto-encoder on all "
        "training images beforehand; 0: none",
        least=0,
    )
    dae_learning_rate: float = field(
        0.001,
        "learning rate of the auto-encoder (Adam)",
        least=0,
        needs=(("dae_epochs", None),),
    )

    seed: int = field(
        0, "seed of the split and of training", least=0, below=2**32
    )
    strategy: str = field(
        "default",
        "default: one device; mirrored: every local GPU; multi_worker: the "
        "machines of TF_CONFIG or of a SLURM step; tpu: the TPU of TPU_NAME",
        choices=("default", "mirrored", "multi_worker", "tpu"),
    )
    data_service: str | None = field(
        None, "tf.data service that makes the batches, as grpc://host:port"
    )
    deterministic: bool = field(
        False,
        "only operations that give the same bits in every run; on GPUs slower",
    )
    mixed_precision: str | None = field(
        None,
        "compute in half precision: float16 (GPU) or bfloat16",
        choices=("float16", "bfloat16"),
    )
    on_alarm: str = field(
        "warn",
        "what to do when pseudo-labels go wrong: warn, or stop training",
        choices=("warn", "stop"),
    )
    baseline: bool = field(True, "train the supervised arm, too")
