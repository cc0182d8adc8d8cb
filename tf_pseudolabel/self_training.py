"""Self-training offline: train, label, keep the surest, train anew."""

import functools
import hashlib
import json
import math
import os
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.callbacks import AlphaScheduler
from tf_pseudolabel.labels.teachers import Frozen
from tf_pseudolabel.model import PseudoLabelModel
from tf_pseudolabel.streams import arrays
from tf_pseudolabel.streams.array_labels import as_array

STARTS = ("scratch", "teacher")
_CHUNK = 8192  # Rows that are labeled at once.


class Round(typing.NamedTuple):
    """One training, and the pseudo-labels that it was given.

    Arrays have a place for each unlabeled row, in the order of the rows.

    Attributes:
        labels: Int64 array `(n,)`: the classes that the network of the round
            before gave the rows; -1 in the first round, which has no teacher.
        confidence: Float32 array `(n,)`: their probabilities.
        kept: Bool array `(n,)`: which rows were trained on.
        flipped: Bool array `(n,)`: which labels are others than a round before.
        accuracy: Float: the share of kept rows whose label is right, of those
            whose hidden label is known; NaN without.
        history: Dict of lists: what `fit` logged; of a round that went on, from
            there on.
    """

    labels: np.ndarray
    confidence: np.ndarray
    kept: np.ndarray
    flipped: np.ndarray
    accuracy: float
    history: dict


class SelfTrained(typing.NamedTuple):
    """What rounds of self-training come to.

    Attributes:
        classifier: The `keras.Model` of the last round.
        rounds: List of `Round`.
        rows: Int array `(n,)`: the numbers of the unlabeled rows.
        class_names: List of strings in the order of the class ids; None where
            labels came as numbers.
    """

    classifier: typing.Any
    rounds: list
    rows: np.ndarray
    class_names: typing.Any


class SelfTraining:
    """Rounds of self-training: train, label, keep the surest, train anew.

    The first round trains on the labels alone. In each that follows, the
    network of the round before labels all unlabeled rows, the surest of every
    class are kept, and a network is trained on both, from scratch or from where
    that one is. Where `build` gives models an `average`, it is the average that
    teaches, and that comes out. The student may be another network than the
    teacher, and see strong views (Xie et al., "Self-training with Noisy Student
    improves ImageNet classification", CVPR 2020); a share that rises is a
    curriculum (Cascante-Bonilla et al., "Curriculum Labeling", AAAI 2021).

        def build(teacher):
            model = tpl.PseudoLabelModel(new_classifier(), teacher=teacher)
            model.compile("adam", "sparse_categorical_crossentropy")
            return model

        trained = tpl.SelfTraining(build).fit(x, y, epochs=20)

    With all rows kept from scratch, rounds are the same computation as one
    `fit` of as many rounds times `epochs`, on `from_arrays` of the same seed,
    with the teacher `Lagged(every=epochs)`, `StartOver(every=epochs)`, alpha 0
    for the first round and `alpha` from then on; if only `build` makes
    networks of the same initial weights, without an `average`, and without
    dropout or other random numbers, whose generators one `fit` does not put
    back.

    Args:
        build: Callable from the round's `teacher` to a compiled
            `PseudoLabelModel` with it: a new network and a new optimizer. The
            teacher is a `Frozen`; in the first round "lagged", and not asked.
        student: The same for all rounds but the first, where students are
            other networks than the first teacher. Defaults to `build`.
        share: Sequence of floats above 0 and at most 1: the share of every
            class that each round after the first keeps. Defaults to five
            rounds, from 20 % to all.
        threshold: Float in [0, 1]: rows must be as sure, besides. Defaults to
            0.
        start: `"scratch"`: students begin as `student` makes them;
            `"teacher"`: with the weights of the round before, in a network like
            it. Defaults to `"scratch"`.
        alpha: Float above 0: weight of the pseudo-label loss. Defaults to 1.

    Raises:
        ValueError: If a share, the threshold, alpha or `start` is none.

    Example:
    >>> import keras
    >>> import numpy as np
    >>> import tf_pseudolabel as tpl
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> hidden = np.int64(x[:, 0] > 0)
    >>> y = np.where(np.arange(60) < 20, hidden, -1)
    >>> def build(teacher):
    ...     classifier = keras.Sequential(
    ...         [keras.Input((2,)), keras.layers.Dense(2)]
    ...     )
    ...     model = tpl.PseudoLabelModel(classifier, teacher=teacher)
    ...     model.compile(
    ...         keras.optimizers.Adam(0.3),
    ...         keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     )
    ...     return model
    >>> rounds = tpl.SelfTraining(build, share=(1.0, 1.0))
    >>> trained = rounds.fit(x, y, hidden=hidden, epochs=20, verbose=0)
    >>> [int(one.kept.sum()) for one in trained.rounds]
    [0, 40, 40]
    >>> bool(trained.rounds[-1].accuracy > 0.8)
    True
    """

    def __init__(
        self,
        build,
        student=None,
        *,
        share=(0.2, 0.4, 0.6, 0.8, 1.0),
        threshold=0.0,
        start="scratch",
        alpha=1.0,
    ):
        self.build = build
        self.student = student or build
        self.share = tuple(np.atleast_1d(share).tolist())
        self.threshold = threshold
        self.start = start
        self.alpha = alpha
        if not self.share or not all(0 < one <= 1 for one in self.share):
            raise ValueError(
                "`share` holds shares above 0 and at most 1, one for each "
                f"round after the first; got {share!r}."
            )
        if not 0 <= threshold <= 1:
            raise ValueError(
                f"`threshold` is a probability, in [0, 1]; got {threshold!r}."
            )
        if start not in STARTS:
            raise ValueError(
                f"`start` is one of {', '.join(STARTS)}; got {start!r}."
            )
        if not 0 < alpha < math.inf:
            raise ValueError(
                "`alpha` weighs the pseudo-label loss, and is above 0; got "
                f"{alpha!r}."
            )

    def fit(
        self,
        x,
        y,
        *,
        epochs=1,
        labeled_batch=32,
        unlabeled_batch=256,
        seed=0,
        sample_weight=None,
        hidden=None,
        directory=None,
        **kwargs,
    ):
        """Trains all rounds.

        An epoch has as many updates in every round: those of a pass over all
        unlabeled rows, however few of them are kept.

        Args:
            x: Inputs, as for `from_arrays`.
            y: Labels of rows, as for `from_arrays`; -1: unlabeled.
            epochs: Positive int: epochs of each round. Defaults to 1.
            labeled_batch: As for `from_arrays`.
            unlabeled_batch: As for `from_arrays`.
            seed: As for `from_arrays`.
            sample_weight: As for `from_arrays`.
            hidden: Labels `(rows,)` that `y` hides, for `Round.accuracy` alone:
                class ids, or names where `y` has names; -1 where unknown.
                Defaults to None.
            directory: Where finished rounds are written to, and found again
                when the same is trained once more; other data, arguments,
                networks and values of `compile()` are refused, as far as their
                config tells. Within a round,
                `keras.callbacks.BackupAndRestore` among the callbacks goes on.
                Defaults to None: rounds are not written.
            **kwargs: `callbacks`, `validation_data` and others of
                `PseudoLabelModel.fit`, which each round gets.

        Returns:
            A `SelfTrained`.

        Raises:
            ValueError: If the arrays do not fit together, rows have several
                labels each, a round keeps no row, `build` makes no such model,
                or `directory` holds other rounds.
        """
        batches = {
            "labeled_batch": labeled_batch,
            "unlabeled_batch": unlabeled_batch,
        }
        arrays.check_counts(epochs=epochs, **batches)
        _check_callbacks(kwargs.get("callbacks"))
        read = arrays.read(x, y, sample_weight)
        data = _Data(read, tuple(batches.values()), seed, hidden)
        told = self._told(read, epochs, batches, seed)
        finished = _Finished(directory, told)
        classifier, rounds = None, []
        for number, share in enumerate((None, *self.share)):
            model = self._model(classifier, data)
            labeled = data.unasked if share is None else data.labeled_by(model)
            this = self._round(labeled, share, rounds, data)
            model.alpha.assign(self.alpha if rounds else 0.0)
            stream = data.stream(this.kept if rounds else None, number, epochs)
            fit = functools.partial(
                _fitted, model, stream, epochs=epochs, **kwargs
            )
            history = finished.trained(number + 1, model, fit)
            rounds.append(this._replace(history=history))
            classifier = model.classifier
        return SelfTrained(classifier, rounds, data.rows, read.labels.names)

    def _told(self, read, epochs, batches, seed):
        """What rounds that go on must have in common, as plain values."""
        return {
            "share": list(self.share),
            "threshold": self.threshold,
            "start": self.start,
            "alpha": self.alpha,
            "epochs": epochs,
            **batches,
            "seed": seed,
            "labels": _digest(read.labels.values),
            "inputs": _digest(read.inputs),
            "sample_weight": _digest(read.weights),
        }

    def _model(self, classifier, data):
        """A new model, which has the classifier of the round before teach."""
        first = classifier is None
        teacher = "lagged" if first else Frozen(classifier)
        model = (self.build if first else self.student)(teacher)
        if not isinstance(model, PseudoLabelModel) or not model.compiled:
            raise ValueError(
                "`build` must return a compiled PseudoLabelModel; got "
                f"{type(model).__name__}. End it with model.compile(...) and "
                "return model."
            )
        if not first and model.teacher is not teacher:
            raise ValueError(
                "`build` must give the model its teacher; got "
                f"{model.teacher!r}. Say PseudoLabelModel(classifier, "
                "teacher=teacher)."
            )
        data.build(model.classifier)
        if self.start == "teacher" and not first:
            _begin_with(model.classifier, classifier)
        return model

    def _round(self, labeled, share, rounds, data):
        """What a round trains on, before it has a history."""
        labels, confidence = labeled
        kept = np.zeros(len(labels), bool)
        flipped = kept
        if rounds:
            kept = surest(labels, confidence, share)
            kept &= confidence >= self.threshold
            if not kept.any():
                raise ValueError(
                    f"Round {len(rounds) + 1} must keep some rows; got none, "
                    f"as the surest is {confidence.max():.3g} sure. Lower "
                    f"`threshold`, which is {self.threshold}."
                )
            before = rounds[-1].labels
            flipped = (labels != before) & (before >= 0)
        accuracy = data.accuracy(labels, kept)
        return Round(labels, confidence, kept, flipped, accuracy, {})


def _digest(arrays):
    """Tells arrays from others, by at most some 1,000 rows of large ones."""
    digest = hashlib.sha256()
    for array in tf.nest.flatten(arrays):
        rows = array if array.ndim < 2 else array[:: -(-len(array) // 1000)]
        digest.update(f"{array.shape} {rows.dtype}".encode())
        held = rows.dtype.kind == "O"
        digest.update(repr(rows.tolist()).encode() if held else rows.tobytes())
    return digest.hexdigest()


def surest(labels, confidence, share):
    """Finds the surest rows of every class.

    Args:
        labels: Int array `(n,)`: the classes of the rows.
        confidence: Float array `(n,)`: how sure they are.
        share: Float above 0 and at most 1; of `k` rows, `ceil(share * k)`. Of
            rows that are as sure, the first.

    Returns:
        Bool array `(n,)`.
    """
    found = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = np.argsort(-confidence[rows], kind="stable")
        # 0.1 * 30 is above 3 in floating point.
        count = math.ceil(round(share * len(rows), 9))
        found[rows[order[:count]]] = True
    return found


def _load(classifier, weights):
    try:
        classifier.load_weights(weights)
    except ValueError as error:
        raise ValueError(
            f"{weights} holds the weights of another network than that of "
            "`build`. Name another `directory`, or bring that one back. It "
            f"says: {compat.told(error)}"
        ) from error


def _check_callbacks(callbacks):
    for callback in keras.tree.flatten(callbacks):
        if isinstance(callback, AlphaScheduler):
            raise ValueError(
                "The first round trains on the labels alone, and the others "
                "with one alpha; got an AlphaScheduler among the callbacks. "
                "Leave it out, and give SelfTraining(alpha=...)."
            )


def _fitted(model, stream, **kwargs):
    """Trains a model, leaves its classifier as it is evaluated; its history."""
    history = model.fit(stream, **kwargs).history
    if model.averaged is not None:
        model.averaged.assign_to(model.classifier)
    return history


def _begin_with(classifier, before):
    """Gives a network the weights of another one like it."""
    shapes = [[w.shape for w in c.weights] for c in (classifier, before)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "start='teacher' takes a student whose network is the teacher's; "
            "got weights of other shapes. Use start='scratch'."
        )
    classifier.set_weights(before.get_weights())


class _Data:
    """The rows of all rounds.

    Args:
        read: `Arrays`.
        batches: Pair of ints.
        seed: Int.
        hidden: As for `SelfTraining.fit`.
    """

    def __init__(self, read, batches, seed, hidden):
        known = read.labels.is_known
        self.rows = np.flatnonzero(~known)
        self._labeled = np.flatnonzero(known)
        self._arrays, self._batches, self._seed = read, batches, seed
        self._steps = -(-len(self.rows) // min(batches[1], len(self.rows)))
        self._hidden = _hidden(hidden, read.labels.names, known)[self.rows]

    @property
    def unasked(self):
        """Labels and confidence of rows that nobody has labeled."""
        count = len(self.rows)
        return np.full(count, -1), np.zeros(count, np.float32)

    def build(self, classifier):
        """Builds a network that is not."""
        if not classifier.built:
            classifier(arrays.take(self._arrays.inputs, self.rows[:1]))

    def labeled_by(self, model):
        """Labels and confidence of all unlabeled rows, by a model's teacher."""
        chunks = np.split(self.rows, range(_CHUNK, len(self.rows), _CHUNK))
        found = [
            model.label(arrays.take(self._arrays.inputs, chunk))
            for chunk in chunks
        ]
        labels, confidence = map(np.concatenate, zip(*found, strict=True))
        if labels.shape[1:] not in ((), (1,)):
            raise ValueError(
                "SelfTraining keeps rows by how sure their one label is; got "
                f"labels of shape {labels.shape}. Train with the teacher "
                "Lagged and the callback StartOver instead."
            )
        return labels.reshape(-1), confidence.reshape(-1)

    def accuracy(self, labels, kept):
        """The share of kept labels that are right, where that is known."""
        known = kept & (self._hidden >= 0)
        right = labels[known] == self._hidden[known]
        return float(right.mean()) if known.any() else math.nan

    def stream(self, kept, number, epochs):
        """The merged streams of a round; `kept` None: of all rows."""
        rows = self.rows if kept is None else self.rows[kept]
        return arrays.of_rows(
            self._arrays,
            (self._labeled, rows),
            self._batches,
            self._seed,
            self._steps,
            number * epochs * self._steps,
        )


def _hidden(given, names, known):
    """Hidden labels as ids of all rows; -1 where they are unknown."""
    if given is None:
        return np.full(len(known), -1)
    array = as_array(given).reshape(-1)
    if names is not None:
        ids = {name: number for number, name in enumerate(names)}
        array = np.array([_id_of(name, ids) for name in array.tolist()])
    if array.shape != known.shape or array.dtype.kind not in "iub":
        raise ValueError(
            "`hidden` must hold a class id for every row of `y`, or a name "
            f"where `y` has names, -1 where it is unknown; got {array.dtype} "
            f"{array.shape}."
        )
    return array.astype(np.int64)


def _id_of(name, ids):
    """The class of a name; -1 where it is unknown."""
    name = name.decode() if isinstance(name, bytes) else name
    if name in ids:
        return ids[name]
    # NaN is not itself.
    if name in (None, "", -1) or name != name:
        return -1
    raise ValueError(
        "`hidden` must hold names as `y` has them, -1 where they are unknown; "
        f"got {name!r}."
    )


class _Finished:
    """Finished rounds in a directory.

    Args:
        directory: Where; None: nowhere.
        told: What they are rounds of, as plain values.
    """

    def __init__(self, directory, told):
        self._path = None if directory is None else pathlib.Path(directory)
        if self._path is None:
            return
        self._path.mkdir(parents=True, exist_ok=True)
        self._file = self._path / "self_training.json"
        self._agree(told, begins=not self._file.exists())

    def _agree(self, told, begins):
        """Writes down what begins; refuses to go on with what differs."""
        before = {}
        if self._file.exists():
            before = json.loads(self._file.read_bytes())
        known = told | before if begins else before
        changed = [name for name in told if told[name] != known.get(name)]
        if changed:
            raise ValueError(
                f"{self._path} holds rounds of another training, which differs "
                f"in {', '.join(changed)}. Name another `directory`, or train "
                "as before."
            )
        if known != before:
            _write(self._file, json.dumps(known).encode())

    def trained(self, number, model, fit):
        """Trains a round, unless it is finished.

        Args:
            number: Int, from 1.
            model: The `PseudoLabelModel`; its classifier is trained after that.
            fit: Callable that trains it and returns its history.

        Returns:
            The history, a dict of lists.
        """
        if self._path is None:
            return fit()
        log = self._path / f"round-{number}.json"
        weights = self._path / f"round-{number}.weights.h5"
        told = {f"compile() of round {number}": _compiled(model)}
        self._agree(told, begins=not weights.exists())
        if weights.exists():
            _load(model.classifier, weights)
            return json.loads(log.read_bytes())
        history = fit()
        # Metrics may be arrays, as F1Score's are.
        plain = json.dumps(history, default=lambda x: np.asarray(x).tolist())
        _write(log, plain.encode())
        # The last file: a round that has it is finished.
        partial = weights.with_name(f"partial-{weights.name}")
        model.classifier.save_weights(partial)
        os.replace(partial, weights)
        return history


def _compiled(model):
    """What a model is compiled with, as plain values."""
    try:
        config = model.get_compile_config()
    except (TypeError, NotImplementedError):
        return "objects without a get_config()"
    return json.loads(json.dumps(_without_names(config), default=_plain))


def _plain(value):
    """A number of NumPy's; of other objects, the kind: addresses change."""
    tolist = getattr(value, "tolist", None)
    return tolist() if tolist else type(value).__name__


def _without_names(config):
    """A config without names, in which Keras counts, and without code."""
    if isinstance(config, dict):
        if config.get("class_name") == "__lambda__":
            return "a lambda"
        return {k: _without_names(x) for k, x in config.items() if k != "name"}
    if isinstance(config, (list, tuple)):
        return [_without_names(x) for x in config]
    return config


def _write(file, content):
    """Writes a file beside its place, and puts it there."""
    partial = file.with_name(f"partial-{file.name}")
    partial.write_bytes(content)
    os.replace(partial, file)
