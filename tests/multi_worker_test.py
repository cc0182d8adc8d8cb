"""Training on several machines, each a process here, with plain `fit`."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
PROGRAMS = HERE / "multi_worker_programs"
# Another worker's death shows when its heartbeats have stayed away for 10 s.
NOTICED = 60

# Two processes and more, which import TensorFlow each.
pytestmark = pytest.mark.slow


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


workers = _module(HERE / "workers.py")
parity = _module(PROGRAMS / "parity.py")
resume = _module(PROGRAMS / "resume.py")
files = _module(PROGRAMS / "files.py")


def _assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-5, atol=2e-6, err_msg=name
        )


def _json(path):
    return json.loads(path.read_text(encoding="utf-8"))


# The same as one process.


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    directory = tmp_path_factory.mktemp("one")
    return {
        case: parity.run(case, tf.distribute.get_strategy(), directory)
        for case in parity.CASES
    }


@pytest.mark.parametrize(
    ("count", "replicas"),
    [(2, 1), (2, 2), (3, 1)],
)
def test_workers_equal_one_process(count, replicas, one_process, tmp_path):
    with workers.Job(
        PROGRAMS / "parity.py", tmp_path, replicas, count=count
    ) as job:
        job.wait(600)

    for case, expected in one_process.items():
        assert {"history loss", "weight 0", "optimizer 0"} <= expected.keys()
        first, *others = (
            dict(np.load(directory / f"{case.__name__}.npz"))
            for directory in job.directories
        )
        for other in others:
            np.testing.assert_equal(other, first)
        assert first.pop("replicas") == count * replicas
        _assert_close(first, expected)
    for directory in job.directories:
        assert (directory / "best.keras").exists()
        assert any((directory / "board").iterdir())


@pytest.mark.parametrize(
    "case", parity.CASES, ids=lambda case: getattr(case, "__name__", None)
)
def test_two_replicas_equal_one(case, one_process, two_replicas, tmp_path):
    found = parity.run(case, two_replicas, tmp_path)

    _assert_close(found, one_process[case])


# Failure, and going on.


@pytest.mark.parametrize(
    "killed",
    [
        [1],
        [0],
        [0, 1],
    ],
    ids=str,
)
def test_killed_job_goes_on_where_it_was(killed, tmp_path):
    """Survivors end with an exception; a second start ends the training."""
    addresses = workers.free_addresses(2)
    job = workers.Job(
        PROGRAMS / "resume.py", tmp_path, 2, killed[-1], addresses=addresses
    )
    with job:
        still = job.directories[killed[-1]] / "stands still"
        job.wait_until(still.exists)
        for index in killed:
            job.processes[index].kill()
        for index in {0, 1} - set(killed):
            assert job.processes[index].wait(NOTICED) == 1, job.outputs()
            assert "UnavailableError" in job.output(index)
        assert _json(job.directories[0] / "epochs.json") == [0, 1, 2]

    job = workers.Job(PROGRAMS / "resume.py", tmp_path, addresses=addresses)
    with job:
        job.wait()

    first, second = (
        dict(np.load(directory / "weights.npz"))
        for directory in job.directories
    )
    np.testing.assert_equal(second, first)
    (tmp_path / "one").mkdir()
    uninterrupted = resume.train(tf.distribute.get_strategy(), tmp_path / "one")
    for a, b in zip(first.values(), uninterrupted, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for directory in job.directories:
        assert _json(directory / "epochs.json") == [2, 3]


# Input.


LABELED = range(8)
UNLABELED = range(8, 40)


def _write(directory, kind, sizes, first):
    for index, size in enumerate(sizes):
        path = directory / f"{kind}-{index}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row in range(first, first + size):
                writer.write(str(row).encode())
        first += size


@pytest.fixture(scope="module")
def service():
    """The address of a tf.data service with two workers."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    servers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    yield dispatcher.target
    del servers


@pytest.fixture(scope="module")
def inputs(service, tmp_path_factory):
    """What two workers saw and learned, by the name of the input."""
    directory = tmp_path_factory.mktemp("inputs")
    records = directory / "records"
    records.mkdir()
    _write(records, "labeled", [4, 4], LABELED[0])
    _write(records, "unlabeled", [8] * 4, UNLABELED[0])
    _write(records, "unequal", [8, 8, 8, 3], UNLABELED[0])
    with workers.Job(PROGRAMS / "files.py", directory, records, service) as job:
        job.wait()
    seen = [_json(worker / "seen.json") for worker in job.directories]
    kernels = [dict(np.load(w / "kernels.npz")) for w in job.directories]
    np.testing.assert_equal(kernels[1], kernels[0])
    one = files.trained(
        tf.distribute.get_strategy(),
        files.of_rows(
            files.rows_of(sorted(map(str, records.glob("labeled-*")))),
            files.rows_of(sorted(map(str, records.glob("unlabeled-*")))),
        ),
    )
    return {name: [s[name] for s in seen] for name in seen[0]}, kernels[0], one


def _rows(batches):
    """All labeled rows, and all unlabeled ones, of a worker's batches."""
    return [
        [row for batch in batches for row in batch[part]] for part in (0, 1)
    ]


def _trained_once(kernel, rows=UNLABELED, batch=files.UNLABELED_BATCH):
    """At equal scores p - t is -1/2 for the pseudo-label, class 0."""
    step = files.ALPHA / batch * np.array([0.5, -0.5])
    np.testing.assert_allclose(
        kernel[rows], np.tile(step, (len(rows), 1)), atol=1e-6
    )


def test_by_default_workers_take_their_pieces_of_every_batch(inputs):
    seen, kernels, one = inputs
    (labeled, unlabeled), (others, others_u) = map(_rows, seen["DATA"])

    assert labeled == [0, 2, 4, 6] * 2 and others == [1, 3, 5, 7] * 2
    assert unlabeled == [row for row in UNLABELED if row % 4 < 2]
    assert others_u == [row for row in UNLABELED if row % 4 >= 2]
    _trained_once(kernels["DATA"])
    np.testing.assert_allclose(kernels["DATA"], one, atol=1e-6)


def test_sharded_by_file_workers_read_their_own_files(inputs):
    seen, kernels, _ = inputs
    (labeled, unlabeled), (others, others_u) = map(_rows, seen["FILE"])

    assert labeled == [0, 1, 2, 3] * 2 and others == [4, 5, 6, 7] * 2
    assert unlabeled == [*range(8, 16), *range(24, 32)]
    assert others_u == [*range(16, 24), *range(32, 40)]
    _trained_once(kernels["FILE"])


def test_unequal_files_end_the_epoch_with_the_longest(inputs):
    seen, kernels, _ = inputs
    (_, unlabeled), (_, others) = map(_rows, seen["unequal"])

    assert len(seen["unequal"][0]) == len(seen["unequal"][1])
    assert unlabeled == [*range(8, 16), *range(24, 32)]
    assert others == [*range(16, 24), *range(32, 35)]
    # Updates of four rows, of three, and of two where one worker has no more.
    _trained_once(kernels["unequal"], range(8, 24))
    _trained_once(kernels["unequal"], [24, 25, 32], batch=3)
    _trained_once(kernels["unequal"], range(28, 32), batch=2)


def test_unsharded_streams_are_the_workers_own(inputs):
    seen, kernels, _ = inputs
    (labeled, unlabeled), (others, others_u) = map(_rows, seen["OFF"])

    assert labeled == others == list(LABELED)
    assert unlabeled == [*range(8, 16), *range(24, 32)]
    assert others_u == [*range(16, 24), *range(32, 40)]
    _trained_once(kernels["OFF"])


def test_data_service_hands_out_every_row_once_an_epoch(inputs):
    seen, kernels, _ = inputs
    for epoch in ("service 0", "service 1"):
        (_, unlabeled), (_, others) = map(_rows, seen[epoch])
        assert sorted(unlabeled + others) == list(UNLABELED)
    assert (kernels["service"][UNLABELED, 0] > 0).all()
