"""What is saved, what comes back, and what happens to damaged files."""

import dataclasses
import json
import pathlib
import resource
import shutil
import signal
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.callbacks.checkpoints import Checkpoints
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import jobs, results, training
from tf_pseudolabel.lab.runs.interruption import Interrupted

ONE_DEVICE = tf.distribute.get_strategy()


def _silence():
    return types.SimpleNamespace(received=None)


class _At(keras.callbacks.Callback):
    """Calls a function before one batch, counted from the first one ever."""

    def __init__(self, epoch, batch, function, first=0):
        super().__init__()
        self.wanted = (epoch, batch)
        self.function = function
        self.first = first

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch + self.first) == self.wanted:
            self.function(self.model)


def _values(strategy, variables):
    """What every replica holds, straight from `tf.distribute`."""
    return [
        [part.numpy() for part in strategy.experimental_local_results(v.value)]
        for v in variables
    ]


def _state(model, strategy):
    metrics = [v for metric in model.metrics for v in metric.variables]
    return {
        "variables": _values(strategy, model.variables),
        "optimizer": _values(strategy, model.optimizer.variables),
        "metrics": _values(strategy, metrics),
        "names": [v.path for v in model.variables],
        "metric_names": [v.path for v in metrics],
    }


def _assert_equal(state, expected):
    for part in ("variables", "optimizer", "metrics"):
        for a, b in zip(state[part], expected[part], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "replicas", [1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_all_comes_back_in_the_middle_of_an_epoch(
    replicas, tiny_recipe, tmp_path, request
):
    strategy = (
        ONE_DEVICE if replicas == 1 else request.getfixturevalue("two_replicas")
    )
    recipe = dataclasses.replace(
        tiny_recipe,
        labeled_epochs=0,
        epochs=2,
        t1=0.0,
        t2=3.0,
        optimizer="adam",
        learning_rate=0.01,
        momentum=0.0,
    )
    data = results.load_data(recipe)
    split = jobs.draw_split(recipe, data)

    def train(callbacks, epoch=0, batch=0):
        return training.train(
            training.PSEUDO_LABEL,
            recipe,
            task_of(data, split),
            strategy,
            callbacks,
            epoch,
            batch,
        )

    expected = {}
    capture = _At(1, 2, lambda m: expected.update(_state(m, strategy)))
    alone, _ = train([capture])
    # The test says something only if all of these are there and not trivial.
    names = expected["names"]
    assert sum("seed_generator_state" in name for name in names) > 0
    alpha = next(i for i, n in enumerate(names) if n.endswith("alpha"))
    np.testing.assert_allclose(expected["variables"][alpha], 1 / 3)
    metrics = dict(
        zip(expected["metric_names"], expected["metrics"], strict=True)
    )
    rows_u = np.sum(metrics["loss_terms/sums"], axis=0)[1]
    assert rows_u == 2 * recipe.unlabeled_batch
    assert any(len(value) == replicas for value in expected["metrics"])

    listener = _silence()

    def checkpoints():
        return Checkpoints(tmp_path, strategy, listener, minutes=10.0)

    first = checkpoints()
    rows = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: first.rows.append({"epoch": epoch})
    )
    ask = _At(1, 2, lambda model: setattr(listener, "received", 15))
    with pytest.raises(Interrupted) as interrupted:
        train([rows, ask, first])
    assert interrupted.value.number == 15
    seconds = first.seconds

    listener.received = None
    second = checkpoints()
    assert (second.epoch, second.batch) == (1, 2)
    assert second.rows == [{"epoch": 0}]
    assert 0 < second.seconds <= seconds + 1
    found = {}
    look = _At(1, 2, lambda m: found.update(_state(m, strategy)), first=2)
    continued, _ = train([second, look], second.epoch, second.batch)
    _assert_equal(found, expected)
    for a, b in zip(continued.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def _fit(checkpoints, epochs, units=1, callbacks=()):
    """Trains a small model; its weights tell how many epochs it has seen."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(units)])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    rows = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5], [2.0, 2.0]])
    stream = tf.data.Dataset.from_tensor_slices((rows, rows[:, :1])).batch(1)
    count = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: checkpoints.rows.append(
            {"epoch": epoch, "loss": float(logs["loss"])}
        )
    )
    model.fit(
        stream,
        initial_epoch=checkpoints.epoch,
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks, count, checkpoints],
    )
    return model.get_weights()


def _checkpoints(path, **kwargs):
    return Checkpoints(path, ONE_DEVICE, _silence(), **kwargs)


def _names(path):
    return sorted(p.name for p in path.iterdir())


def _files(*numbers):
    return sorted(
        f"ckpt-{number}.{end}"
        for number in numbers
        for end in ("data-00000-of-00001", "index")
    )


@pytest.fixture(scope="module")
def five_epochs(tmp_path_factory):
    """Five checkpoints of as many epochs."""
    path = tmp_path_factory.mktemp("five")
    _fit(_checkpoints(path, keep=5), 5)
    assert _names(path) == ["checkpoint", *_files(1, 2, 3, 4, 5)]
    return path


@pytest.fixture(scope="module")
def seven_epochs(tmp_path_factory):
    """The weights and rows that seven epochs end with."""
    checkpoints = _checkpoints(tmp_path_factory.mktemp("seven"))
    return _fit(checkpoints, 7), checkpoints.rows


def _assert_ends_as_left_alone(path, seven_epochs, keep=3):
    checkpoints = _checkpoints(path, keep=keep)
    weights = _fit(checkpoints, 7)
    expected, rows = seven_epochs
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert checkpoints.rows == rows


def test_nothing_there_is_the_beginning(tmp_path):
    found = _checkpoints(tmp_path / "none")
    assert (found.epoch, found.batch, found.rows) == (0, 0, [])
    assert found.seconds < 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("keep", [1, 3])
def test_the_last_ones_are_kept(keep, tmp_path):
    _fit(_checkpoints(tmp_path, keep=keep), 4)
    last = range(5 - keep, 5)
    assert _names(tmp_path) == ["checkpoint", *_files(*last)]
    # Counted across interruptions, too.
    _fit(_checkpoints(tmp_path, keep=keep), 6)
    last = range(7 - keep, 7)
    assert _names(tmp_path) == ["checkpoint", *_files(*last)]


def test_progress_comes_back(five_epochs, tmp_path):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    found = _checkpoints(path)
    assert (found.epoch, found.batch) == (5, 0)
    assert [row["epoch"] for row in found.rows] == [0, 1, 2, 3, 4]
    reader = tf.train.load_checkpoint(path / "ckpt-5")
    progress = json.loads(
        reader.get_tensor("progress/.ATTRIBUTES/VARIABLE_VALUE")
    )
    assert progress["rows"] == found.rows
    assert progress["seconds"] > 0
    assert found.seconds == pytest.approx(progress["seconds"], abs=1)


def test_seconds_leave_out_the_interruption(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(
        "tf_pseudolabel.lab.callbacks.checkpoints.time.monotonic",
        lambda: clock[0],
    )

    def pass_by(seconds):
        return keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: clock.__setitem__(
                0, clock[0] + seconds
            )
        )

    _fit(_checkpoints(tmp_path), 2, callbacks=[pass_by(5)])
    clock[0] = 7.0  # The clock of another machine, started later.
    second = _checkpoints(tmp_path)
    clock[0] += 100  # Until training begins, data are loaded.
    _fit(second, 3, callbacks=[pass_by(11)])
    assert second.seconds == 2 * 5 + 11


def _slow_to_save(tmp_path, monkeypatch, cost):
    """A clock that epochs and saving move; and what was saved, by epoch."""
    module = "tf_pseudolabel.lab.callbacks.checkpoints"
    clock = [0.0]
    monkeypatch.setattr(f"{module}.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(f"{module}.SHARE", 0.25)
    checkpoints = _checkpoints(tmp_path, keep=100)
    write, saved = checkpoints._write, []

    def slow():
        write()
        clock[0] += cost
        saved.append(checkpoints.epoch)

    monkeypatch.setattr(checkpoints, "_write", slow)
    epoch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: clock.__setitem__(0, clock[0] + 1)
    )
    return checkpoints, epoch, saved


def test_saving_takes_its_share_of_the_time(tmp_path, monkeypatch):
    checkpoints, epoch, saved = _slow_to_save(tmp_path, monkeypatch, 0.5)
    _fit(checkpoints, 8, callbacks=[epoch])
    # After the first; then every two seconds, of an epoch each; and the last.
    assert saved == [1, 3, 5, 7, 8]


def test_a_last_epoch_that_was_saved_is_not_saved_again(tmp_path, monkeypatch):
    checkpoints, epoch, saved = _slow_to_save(tmp_path, monkeypatch, 0.5)
    _fit(checkpoints, 7, callbacks=[epoch])
    assert saved == [1, 3, 5, 7]


def test_a_signal_saves_the_epoch_that_was_left_out(tmp_path, monkeypatch):
    checkpoints, epoch, saved = _slow_to_save(tmp_path, monkeypatch, 0.5)
    ask = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            setattr(checkpoints.listener, "received", 15)
            if epoch == 3
            else None
        )
    )
    with pytest.raises(Interrupted):
        _fit(checkpoints, 8, callbacks=[epoch, ask])
    assert saved == [1, 3, 4]
    assert _checkpoints(tmp_path).epoch == 4


def test_saves_between_epochs_when_it_is_time(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(
        "tf_pseudolabel.lab.callbacks.checkpoints.time.monotonic",
        lambda: clock[0],
    )
    tick = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: clock.__setitem__(
            0, clock[0] + 31
        )
    )
    seen = []
    checkpoints = _checkpoints(tmp_path, minutes=1.0)
    save = checkpoints._write
    checkpoints._write = lambda: (
        seen.append((checkpoints.epoch, checkpoints.batch)),
        save(),
    )
    _fit(checkpoints, 2, callbacks=[tick])
    # 31 s per batch: after one there is less than a minute, after two more.
    assert seen == [(0, 1), (0, 3), (1, 0), (1, 1), (1, 3), (2, 0)]


def test_a_signal_ends_the_run_after_saving(tmp_path):
    checkpoints = _checkpoints(tmp_path)
    ask = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            setattr(checkpoints.listener, "received", signal.SIGINT)
            if batch == 2
            else None
        )
    )
    with pytest.raises(Interrupted, match=r"^SIGINT$"):
        _fit(checkpoints, 3, callbacks=[ask])
    found = _checkpoints(tmp_path)
    assert (found.epoch, found.batch) == (0, 2)
    assert _names(tmp_path) == ["checkpoint", *_files(1)]


def _truncated(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _flipped(path, share):
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0xFF
    path.write_bytes(content)


def _longer(path):
    path.write_bytes(path.read_bytes() + b"\0" * 4096)


def _zeroed(path):
    """As a file system leaves it whose power was cut."""
    path.write_bytes(b"\0" * path.stat().st_size)


def _directory(path):
    path.unlink()
    path.mkdir()


def _dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


FILE_DAMAGES = {
    "truncated": _truncated,
    "one byte missing": lambda path: _truncated(path, 0.999),
    "first byte flipped": lambda path: _flipped(path, 0.0),
    "a byte flipped": lambda path: _flipped(path, 0.5),
    "last byte flipped": lambda path: _flipped(path, 0.999),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": _zeroed,
    "text": lambda path: path.write_text("not a checkpoint\n" * 100),
    "missing": pathlib.Path.unlink,
    "directory": _directory,
    "dangling link": _dangling,
}
DATA, INDEX = "data-00000-of-00001", "index"
DAMAGES = [
    pytest.param(end, damage, id=f"{end.partition('-')[0]}: {name}")
    for end in (DATA, INDEX)
    for name, damage in FILE_DAMAGES.items()
]


@pytest.mark.parametrize(("end", "damage"), DAMAGES)
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    end, damage, five_epochs, seven_epochs, tmp_path, capsys
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    damage(path / f"ckpt-5.{end}")
    found = _checkpoints(path)
    assert found.epoch == 4
    assert [row["epoch"] for row in found.rows] == [0, 1, 2, 3]
    printed = capsys.readouterr().out
    if end == INDEX and damage is pathlib.Path.unlink:
        # Written last: without it there was no checkpoint yet.
        assert printed == ""
    else:
        assert printed == (
            f"Checkpoint {path / 'ckpt-5'} is damaged; looking for the one "
            "before.\n"
        )
    _assert_ends_as_left_alone(path, seven_epochs)
    assert _names(path) == ["checkpoint", *_files(5, 6, 7)]
    capsys.readouterr()
    assert _checkpoints(path).epoch == 7
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("end", [DATA, INDEX])
def test_wherever_a_byte_is_wrong_no_wrong_value_is_read(
    end, five_epochs, tmp_path
):
    """A few bytes of the index carry nothing; all others are missed."""
    path = shutil.copytree(five_epochs, tmp_path / "run")
    file = path / f"ckpt-5.{end}"
    whole = file.read_bytes()
    expected = _checkpoints(path).rows
    missed = 0
    for position in range(0, len(whole), 5):
        content = bytearray(whole)
        content[position] ^= 1 << position % 8
        file.write_bytes(content)
        found = _checkpoints(path)
        assert found.epoch in (4, 5)
        missed += found.epoch == 4
        assert found.rows == expected[: found.epoch]
    assert (
        missed > len(range(0, len(whole), 5)) * (0.7 if end == INDEX else 1) - 1
    )


def test_two_damaged_ones_are_passed_over(
    five_epochs, seven_epochs, tmp_path, capsys
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    _truncated(path / f"ckpt-5.{DATA}")
    _flipped(path / f"ckpt-4.{DATA}", 0.5)
    assert _checkpoints(path).epoch == 3
    assert capsys.readouterr().out.count("is damaged") == 2
    _assert_ends_as_left_alone(path, seven_epochs)


def test_all_damaged_is_the_beginning(
    five_epochs, seven_epochs, tmp_path, capsys
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    for file in path.glob("*.data*"):
        _truncated(file)
    found = _checkpoints(path)
    assert (found.epoch, found.batch, found.rows) == (0, 0, [])
    assert capsys.readouterr().out.count("is damaged") == 5
    _assert_ends_as_left_alone(path, seven_epochs)


def test_interrupted_again_among_damaged_ones(
    five_epochs, seven_epochs, tmp_path
):
    """Numbers begin anew below those of the damaged files."""
    path = shutil.copytree(five_epochs, tmp_path / "run")
    for file in path.glob("*.data*"):
        _truncated(file)
    _fit(_checkpoints(path), 2)
    assert _checkpoints(path).epoch == 2
    _assert_ends_as_left_alone(path, seven_epochs)


STATE_FILES = {
    "missing": None,
    "empty": b"",
    "text": b"this is not what TensorFlow writes",
    "bytes": bytes(range(256)),
    "another newest": (
        b'model_checkpoint_path: "ckpt-99"\n'
        b'all_model_checkpoint_paths: "ckpt-99"\n'
    ),
    "elsewhere": b'model_checkpoint_path: "/no/such/ckpt-7"\n',
    "half": b'model_checkpoint_path: "ckp',
}


@pytest.mark.parametrize("content", STATE_FILES.values(), ids=STATE_FILES)
def test_the_state_file_of_tensorflow_is_not_needed(
    content, five_epochs, seven_epochs, tmp_path, capsys
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    (path / "checkpoint").unlink()
    if content is not None:
        (path / "checkpoint").write_bytes(content)
    assert _checkpoints(path).epoch == 5
    assert "damaged" not in capsys.readouterr().out
    _assert_ends_as_left_alone(path, seven_epochs)
    # Those that the file no longer names are not left for ever.
    assert _names(path) == ["checkpoint", *_files(5, 6, 7)]


def test_what_tensorflow_leaves_behind_is_no_obstacle(
    five_epochs, seven_epochs, tmp_path
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    temporary = path / "ckpt-6_temp"
    temporary.mkdir()
    for end in (DATA, INDEX):
        shutil.copy(
            path / f"ckpt-5.{end}", temporary / f"part-00000-of-00001.{end}"
        )
        _truncated(temporary / f"part-00000-of-00001.{end}")
    (path / "ckpt-5_temp").mkdir()
    (path / "checkpoint.tmp0123456789").write_text("model_check")
    (path / "ckpt-6.data-00000-of-00001.tempstate123").write_bytes(b"half")
    assert _checkpoints(path).epoch == 5
    _assert_ends_as_left_alone(path, seven_epochs)
    assert _names(path) == [
        *("checkpoint", "checkpoint.tmp0123456789"),
        *_files(5, 6, 7),
    ]


def test_files_of_others_are_passed_over(five_epochs, tmp_path):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    names = ["ckpt-best.index", "ckpt-5 (copy).index", "ckpt-.index"]
    for name in names:
        shutil.copy(path / "ckpt-4.index", path / name)
    _fit(_checkpoints(path), 6)
    assert _names(path) == sorted(["checkpoint", *names, *_files(4, 5, 6)])


def test_a_checkpoint_that_is_none_of_ours(tmp_path, capsys):
    other = tf.train.Checkpoint(x=tf.Variable(1.0))
    other.write(str(tmp_path / "ckpt-3"))
    found = _checkpoints(tmp_path)
    assert found.epoch == 0
    assert "ckpt-3 is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "progress", ["", "{", "[]", '{"epoch": 1}', "\N{SNOWMAN}"]
)
def test_progress_that_cannot_be_read(progress, tmp_path, capsys):
    other = tf.train.Checkpoint(progress=tf.Variable(progress))
    other.write(str(tmp_path / "ckpt-3"))
    assert _checkpoints(tmp_path).epoch == 0
    assert "ckpt-3 is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["shape", "number", "replicas"])
def test_a_checkpoint_of_another_network_is_refused(
    change, five_epochs, tmp_path
):
    """Reached by another version of this package, or another machine."""
    path = shutil.copytree(five_epochs, tmp_path / "run")
    found = _checkpoints(path)
    units = 3 if change == "shape" else 1
    if change == "number":
        weights = [tf.Variable(w) for w in ([[1.0], [1.0]], [0.0])]
        state = tf.train.Checkpoint(
            variables=weights, progress=tf.Variable(found._progress())
        )
        state.save_counter.assign(6)
        state.write(str(path / "ckpt-6"))
        found = _checkpoints(path)
    elif change == "replicas":
        gathered = found._gathered_metrics
        found._gathered_metrics = lambda: [
            tf.repeat(value, 2, axis=0) for value in gathered()
        ]
    with pytest.raises(
        InputError,
        match=r"ckpt-\d is of another .*name another --output_dir\.$",
    ):
        _fit(found, 7, units=units)


def _limit(monkeypatch, size):
    """A limit on the size of files stands in for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    def lift():
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    return lift


@pytest.mark.parametrize("size", [0, 100, 600, 1000])
def test_a_full_disk_is_one_line_and_the_last_one_is_kept(
    size, five_epochs, seven_epochs, tmp_path, monkeypatch
):
    path = shutil.copytree(five_epochs, tmp_path / "run")
    lift = _limit(monkeypatch, size)
    try:
        with pytest.raises(
            InputError,
            match=rf"(?s)No checkpoint .* to {path}: .*kept: make room",
        ):
            _fit(_checkpoints(path), 7)
    finally:
        lift()
    assert _checkpoints(path).epoch in (5, 6)
    _assert_ends_as_left_alone(path, seven_epochs)
