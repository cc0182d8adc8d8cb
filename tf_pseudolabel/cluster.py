"""Strategies by name, and which process of a cluster this one is."""

import json
import os

import tensorflow as tf


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
        return resolvers.SlurmClusterResolver()
    return None


def _check_tf_config(text):
    """TensorFlow itself would end the process, or wait for ever."""
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        address = jobs[task["type"]][int(task["index"])]
        problem = None if ":" in address else f"the address {address!r}"
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
