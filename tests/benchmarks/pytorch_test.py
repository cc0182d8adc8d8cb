import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import subjects

STEPS = 3
# In a process of its own, as in the benchmark; its arguments are a file with
# images and weights, the network, the teacher and the passes.
PROGRAM = f"""
import json, sys
import numpy as np, torch, pytorch

file, name, teacher, batch_norm = sys.argv[1:]
arrays = np.load(file)
network = pytorch.NETWORKS[name](dropout=0.0)
with torch.no_grad():
    for number, weight in enumerate(network.parameters()):
        weight.copy_(torch.from_numpy(arrays[f"weight_{{number}}"]))
images = pytorch.read(file, torch.contiguous_format)
update = pytorch.make_step(name, network, 0.1, teacher, batch_norm=batch_norm)
print(json.dumps([update(*images).item() for _ in range({STEPS})]))
"""


def _laid_out_as_in_pytorch(array):
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.shape == (640, 150):  # 40 channels of 4x4, flattened last.
        array = array.reshape(4, 4, 40, 150).transpose(2, 0, 1, 3)
        array = array.reshape(640, 150)
    return array.T


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
@pytest.mark.parametrize(
    "setting",
    [s for s in subjects.SETTINGS if s.rows == 32 and s.rows_u == 256],
    ids=str,
)
def test_pytorch_does_the_same_updates(setting, tmp_path):
    (x, y), x_u = next(iter(subjects.merged_stream(32)))
    classifier, step = subjects.bare_step(setting, dropout=0.0)
    weights = {
        f"weight_{number}": _laid_out_as_in_pytorch(array)
        for number, array in enumerate(classifier.get_weights())
    }
    file = tmp_path / "images.npz"
    np.savez(file, x=x, y=y, x_u=x_u, **weights)

    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM),
            *(file, setting.network, setting.teacher, setting.batch_norm),
        ],
        cwd=subjects.__file__.removesuffix("subjects.py"),
        capture_output=True,
        text=True,
        check=True,
    )

    expected = [float(step((x, y), x_u)) for _ in range(STEPS)]
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-4)


@pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="torchvision is not installed",
)
def test_pytorch_has_the_same_mobile_net():
    """Layer by layer; where its strided layers pad differs from Keras'."""
    program = """
import json, pytorch
network = pytorch.mobile_net()
print(json.dumps([list(w.shape) for w in network.parameters()]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=subjects.__file__.removesuffix("subjects.py"),
        capture_output=True,
        text=True,
        check=True,
    )

    classifier, *_ = subjects.parts(subjects.PHOTOS)

    def sizes(shapes):
        return sorted(int(np.prod(shape)) for shape in shapes)

    assert sizes(json.loads(done.stdout)) == sizes(
        weight.shape for weight in classifier.trainable_weights
    )
