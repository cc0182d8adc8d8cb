import json
import types

import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.distribution import strategies as cluster


def test_default_is_the_strategy_in_force():
    assert tpl.get_strategy("default") is tf.distribute.get_strategy()


def test_mirrored_by_name():
    assert cluster.STRATEGIES["mirrored"] is tf.distribute.MirroredStrategy


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"one of default, .*; got 'gpu'"):
        tpl.get_strategy("gpu")


VARIABLES = (
    "TF_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    *(
        f"SLURM_{name}"
        for name in (
            *("STEP_NUM_TASKS", "PROCID", "NTASKS", "LOCALID"),
            *("STEP_NODELIST", "STEP_TASKS_PER_NODE", "JOB_NODELIST"),
        )
    ),
)


@pytest.fixture
def environment(monkeypatch):
    """Sets variables, and only these, and puts back what was there."""
    # Remembered even where it is not set: TensorFlow may set it.
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def call(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return call


def _slurm(nodes, tasks, rank, count, **more):
    return {
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_NTASKS": str(count),
        "SLURM_PROCID": str(rank),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
        **more,
    }


def _config(jobs, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return json.dumps({"cluster": jobs, "task": task})


TWO = {"worker": ["a:1", "b:2"]}


def test_without_variables_there_is_no_cluster(environment):
    assert cluster.cluster_resolver() is None


def test_a_slurm_step_of_one_task_is_no_cluster(environment):
    environment(**_slurm("n1", "1", 0, 1))
    assert cluster.cluster_resolver() is None


def test_an_allocation_of_slurm_is_no_step(environment):
    """`sbatch` sets this for the script itself, which runs once."""
    environment(SLURM_NTASKS="4", SLURM_JOB_NODELIST="n[1-4]")
    assert cluster.cluster_resolver() is None


@pytest.mark.parametrize("rank", [0, 1])
def test_slurm_with_a_gpu_per_node(rank, environment):
    environment(
        **_slurm("gpu[3-4]", "1(x2)", rank, 2, CUDA_VISIBLE_DEVICES="0")
    )
    resolver = cluster.cluster_resolver()
    spec = resolver.cluster_spec().as_dict()
    assert list(spec) == ["worker"]
    hosts = [address.rpartition(":")[0] for address in spec["worker"]]
    assert hosts == ["gpu3", "gpu4"]
    assert (resolver.task_type, resolver.task_id) == ("worker", rank)


@pytest.mark.parametrize(
    ("nodes", "tasks", "hosts"),
    [
        ("n[1-2]", "1(x2)", ["n1", "n2"]),
        ("n1", "2", ["n1", "n1"]),
        ("n[9-10]", "1(x2)", ["n9", "n10"]),
        ("m5,n[07-08]", "2,1(x2)", ["m5", "m5", "n07", "n08"]),
    ],
)
def test_slurm_without_gpus(nodes, tasks, hosts, environment):
    """In the order of SLURM, which numbers tasks node by node."""
    environment(**_slurm(nodes, tasks, 1, len(hosts)))
    resolver = cluster.cluster_resolver()
    addresses = resolver.cluster_spec().as_dict()["worker"]
    assert [address.rpartition(":")[0] for address in addresses] == hosts
    assert len(set(addresses)) == len(hosts)
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)
    assert not resolver.num_accelerators().get("GPU")


def test_tf_config(environment):
    environment(TF_CONFIG=_config(TWO, index=1))
    resolver = cluster.cluster_resolver()
    assert resolver.cluster_spec().as_dict() == TWO
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)


def test_tf_config_wins_over_slurm(environment):
    environment(
        TF_CONFIG=_config(TWO),
        **_slurm("n[1-3]", "1(x3)", 2, 3, CUDA_VISIBLE_DEVICES="0"),
    )
    resolver = cluster.cluster_resolver()
    assert resolver.cluster_spec().as_dict() == TWO
    assert (resolver.task_type, resolver.task_id) == ("worker", 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"'' \(JSONDecodeError"),
        ("{", r"'\{' \(JSONDecodeError"),
        ("[]", r"'\[\]' \(TypeError"),
        ("null", r"TypeError"),
        ("{}", r"KeyError: 'cluster'"),
        (json.dumps({"cluster": TWO}), r"KeyError: 'task'"),
        (json.dumps({"cluster": TWO, "task": {}}), r"KeyError: '(type|index)'"),
        (
            json.dumps({"cluster": TWO, "task": {"type": "worker"}}),
            r"KeyError: 'index'",
        ),
        (json.dumps({"cluster": [], "task": {}}), r"KeyError|TypeError"),
        (_config(TWO, "chief"), r"KeyError: 'chief'"),
        (_config(TWO, index=2), r"IndexError"),
        (_config(TWO, index="one"), r"ValueError"),
        (_config(TWO, index=None), r"TypeError"),
        (_config({"worker": ["a"]}), r"the address 'a'"),
        (_config({"worker": "a:1"}), r"the address 'a'"),
        (_config({"worker": [5]}), r"TypeError"),
        (_config({"worker": []}), r"IndexError"),
    ],
)
def test_a_broken_tf_config_is_refused(text, problem, environment):
    environment(TF_CONFIG=text)
    with pytest.raises(
        ValueError, match=rf"^TF_CONFIG must be JSON like .*; got .*{problem}"
    ):
        cluster.cluster_resolver()


@pytest.mark.parametrize(
    "text", [_config(TWO, index=-1), _config({"worker": ["a:1", "b"]})]
)
def test_a_tf_config_that_would_wait_for_ever(text, environment):
    environment(TF_CONFIG=text)
    with pytest.raises(ValueError, match=r"^TF_CONFIG must be JSON like"):
        cluster.cluster_resolver()


class _OfTheCluster(tf.distribute.MultiWorkerMirroredStrategy):
    """As far as this process is concerned; no other one is waited for."""

    def __init__(self):
        self.found = cluster.cluster_resolver()

    @property
    def cluster_resolver(self):
        return self.found


VERTEX = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "workers", "is_chief"),
    [
        (TWO, "worker", 0, 2, True),
        (TWO, "worker", 1, 2, False),
        (TWO, "worker", "0", 2, True),
        (VERTEX, "chief", 0, 3, True),
        (VERTEX, "worker", 0, 3, False),
        (VERTEX, "worker", 1, 3, False),
        ({"chief": ["a:1"]}, "chief", 0, 1, True),
        ({"worker": ["a:1"]}, "worker", 0, 1, True),
        ({"chief": ["a:1"], "worker": ["b:2"]}, "chief", 0, 2, True),
        ({"chief": ["a:1"], "worker": ["b:2"]}, "worker", 0, 2, False),
    ],
)
def test_the_chief_of_a_cluster(
    jobs, kind, index, workers, is_chief, environment
):
    environment(TF_CONFIG=_config(jobs, kind, index))
    strategy = _OfTheCluster()
    assert cluster._workers(strategy) == workers
    assert cluster.is_multi_worker(strategy) is (workers > 1)
    assert cluster.is_chief(strategy) is is_chief


@pytest.mark.parametrize("replicas", [1, 2])
def test_one_process_decides_on_its_own(replicas, request):
    strategy = (
        tf.distribute.get_strategy()
        if replicas == 1
        else request.getfixturevalue("two_replicas")
    )
    assert not cluster.is_multi_worker(strategy)
    assert cluster.is_chief(strategy)
    assert cluster.any_worker(strategy, True) is True
    assert cluster.any_worker(strategy, False) is False
    assert cluster.same_everywhere(strategy, 3, 4) is True


def test_a_strategy_without_a_resolver_is_one_process():
    strategy = types.SimpleNamespace(cluster_resolver=None)
    assert cluster.is_chief(strategy)
    assert not cluster.is_multi_worker(strategy)


def test_tpu_without_a_tpu_names_the_variable(monkeypatch):
    def none_there():
        raise ValueError("Please provide a TPU Name to connect to.")

    resolvers = tf.distribute.cluster_resolver
    monkeypatch.setattr(resolvers, "TPUClusterResolver", none_there)
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(
        ValueError, match=r"needs a TPU, .* TPU_NAME \(not set\); got: Please"
    ):
        cluster.get_strategy("tpu")
