"""One name for every place images come from.

Nothing heavy is imported until a source is loaded: programs read `SOURCES`
for their `--help`.
"""

from tf_pseudolabel.lab.data.examples import ImageData
from tf_pseudolabel.lab.errors import InputError

SOURCES: dict[str, str] = {
    "digits": "scikit-learn's 1,797 8x8 digits; needs no download",
    "folders": "your own images, one sub-folder per class",
    "mnist, fashion_mnist, cifar10, svhn_cropped, ...": (
        "any TFDS image classification set"
    ),
}
# Whose labels are all used unless fewer are asked for: others are benchmarks,
# of which nearly all labels are to be hidden.
OWN = ("folders",)


def load(
    dataset: str,
    *,
    data_dir: str | None = None,
    labeled_dir: str | None = None,
    unlabeled_dir: str | None = None,
    test_dir: str | None = None,
    validation_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> ImageData:
    """Loads a source by name.

    Args:
        dataset: "digits", "folders", or the name of a TFDS set.
        data_dir: Where TFDS keeps prepared sets; None: its own default. TFDS
            sets only.
        labeled_dir: Folder with one sub-folder per class. "folders" only,
            where it is required.
        unlabeled_dir: Folder of images without classes. "folders" only.
        test_dir: Like `labeled_dir`, for the test set. "folders" only.
        validation_dir: The same for the validation set.
        image_size: Height and width to resize to. "folders" and TFDS only.

    Returns:
        The images, checked.

    Raises:
        InputError: An argument does not apply to this dataset or is missing,
            or the source cannot be read.
    """
    folders = {
        "labeled_dir": labeled_dir,
        "unlabeled_dir": unlabeled_dir,
        "test_dir": test_dir,
        "validation_dir": validation_dir,
    }
    sizes = {"image_size": image_size}
    if image_size is not None and min(image_size) < 1:
        raise InputError(
            "--image_size must be a positive height and width; got "
            f"{image_size}; give two counts of pixels"
        )
    if dataset == "digits":
        from tf_pseudolabel.lab.data import digits

        _refuse(dataset, data_dir=data_dir, **folders, **sizes)
        return digits.load()
    if dataset == "folders":
        from tf_pseudolabel.lab.data import folders as image_folders

        _refuse(dataset, data_dir=data_dir)
        if labeled_dir is None:
            raise InputError(
                'dataset "folders" needs --labeled_dir; got none; give '
                "the folder that holds one sub-folder per class"
            )
        return image_folders.load(**folders, **sizes)
    from tf_pseudolabel.lab.data import tfds_images

    _refuse(dataset, **folders)
    return tfds_images.load(dataset, data_dir=data_dir, **sizes)


def _refuse(dataset: str, **arguments):
    """Refuses arguments that `dataset` would silently ignore."""
    for name, value in arguments.items():
        if value is not None:
            raise InputError(
                f'--{name} does not apply to dataset "{dataset}"; got '
                f"{value!r}; remove it or choose another dataset"
            )
