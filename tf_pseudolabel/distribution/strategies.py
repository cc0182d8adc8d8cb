"""Strategies by name, and which process of a cluster this one is."""

import json
import os
import re

import tensorflow as tf

_SLURM_PORT = 8888


def cluster_resolver():
    """Finds out which machines train together, and which this one is.

    Returns:
        A `tf.distribute.cluster_resolver.ClusterResolver` that reads
        `TF_CONFIG` or, without it, the variables of a SLURM job step with
        several tasks; None where neither is set.

    Raises:
        ValueError: If `TF_CONFIG` does not say what it must.
    """
    resolvers = tf.distribute.cluster_resolver
    if "TF_CONFIG" in os.environ:
        _check_tf_config(os.environ["TF_CONFIG"])
        return resolvers.TFConfigClusterResolver()
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return _slurm()
    return None


def _slurm():
    """The cluster of a SLURM step, in the order of `SLURM_PROCID`.

    `tf.distribute.cluster_resolver.SlurmClusterResolver` needs nvidia-smi, no
    fewer GPUs than tasks on a node, and sorts n10 before n9, SLURM does not.
    """
    try:
        addresses = [
            f"{host}:{_SLURM_PORT + index}"
            for host, count in zip(
                _hosts(os.environ["SLURM_STEP_NODELIST"]),
                _counts(os.environ["SLURM_STEP_TASKS_PER_NODE"]),
                strict=True,
            )
            for index in range(count)
        ]
        rank = int(os.environ["SLURM_PROCID"])
        addresses[rank]
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            "A SLURM step must say SLURM_STEP_NODELIST, "
            "SLURM_STEP_TASKS_PER_NODE and SLURM_PROCID, as srun does; got "
            f"{type(error).__name__}: {error}."
        ) from error
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=rank,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def _hosts(text):
    """m5,n[07-08,11] -> m5, n07, n08, n11."""
    for prefix, ranges in re.findall(r"([^,\[\]]+)(?:\[([^\]]+)\])?", text):
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            if not first:
                yield prefix
                continue
            for number in range(int(first), int(last or first) + 1):
                yield f"{prefix}{number:0{len(first)}}"


def _counts(text):
    """2,1(x2) -> 2, 1, 1."""
    for part in text.split(","):
        count, _, times = part.partition("(x")
        yield from [int(count)] * int(times.rstrip(")") or 1)


def _check_tf_config(text):
    """TensorFlow itself would end the process, or wait for ever."""
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        tasks, index = jobs[task["type"]], int(task["index"])
        # A negative index would be one from the end.
        tasks[index if index >= 0 else len(tasks)]
        addresses = [address for job in jobs.values() for address in job]
        wrong = [address for address in addresses if ":" not in address]
        problem = f"the address {wrong[0]!r}" if wrong else None
    except (ValueError, TypeError, LookupError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise ValueError(
            'TF_CONFIG must be JSON like {"cluster": {"worker": ["host:port", '
            '...]}, "task": {"type": "worker", "index": 0}}, its task one of '
            f"the cluster; got {text!r} ({problem})."
        )


def _multi_worker():
    return tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=cluster_resolver()
    )


def _tpu():
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise ValueError(
            "The strategy tpu needs a TPU, named by the variable TPU_NAME "
            f"({os.environ.get('TPU_NAME', 'not set')}); got: {error}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES = {
    "default": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


def get_strategy(name):
    """Returns a `tf.distribute` strategy by name.

    Args:
        name: `"default"` (one device); `"mirrored"` (every local GPU, or every
            logical CPU where there is no GPU); `"multi_worker"` (the machines
            of `cluster_resolver`; to be made before TensorFlow does anything
            else); or `"tpu"` (the TPU that `TPU_NAME` names).

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If the name is unknown, or what it needs is not there.
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"A strategy is one of {', '.join(STRATEGIES)}; got {name!r}."
        )
    return STRATEGIES[name]()


def is_multi_worker(strategy):
    """Whether replicas of the strategy run in other processes, too."""
    return _workers(strategy) > 1


def is_step_of_several_machines():
    """Whether this is a replica's step, and other machines have theirs."""
    return (
        is_multi_worker(tf.distribute.get_strategy())
        and not tf.distribute.in_cross_replica_context()
    )


def is_chief(strategy):
    """Whether this process writes the files of the run.

    Args:
        strategy: A `tf.distribute.Strategy`.

    Returns:
        A bool: True on the `chief` of a cluster or, where none has that name,
        on worker 0; True without a cluster.
    """
    resolver = strategy.cluster_resolver
    if not is_multi_worker(strategy):
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def any_worker(strategy, flag):
    """Whether a flag is set in any of the processes; all must ask.

    Args:
        strategy: A `tf.distribute.Strategy`.
        flag: Bool of this process.

    Returns:
        A bool, the same in every process.
    """
    if not is_multi_worker(strategy):
        return flag
    raised = strategy.run(lambda: tf.constant(float(flag)))
    return float(strategy.reduce("SUM", raised, axis=None)) > 0


def same_everywhere(strategy, *numbers):
    """Whether all processes hold the same numbers; all must ask.

    Args:
        strategy: A `tf.distribute.Strategy`.
        *numbers: Ints of this process.

    Returns:
        A bool, the same in every process.
    """
    if not is_multi_worker(strategy):
        return True
    mine = strategy.run(lambda: tf.constant([numbers], tf.int64))
    rows = strategy.gather(mine, axis=0)
    return bool(tf.reduce_all(rows == rows[:1]))


def _workers(strategy):
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    return len(resolver.cluster_spec().as_dict().get("worker", ())) + len(
        resolver.cluster_spec().as_dict().get("chief", ())
    )
