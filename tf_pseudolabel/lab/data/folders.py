"""A user's own images, in folders."""

import glob
import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.examples import Examples, ImageData
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.errors import InputError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")


def load(
    labeled_dir: str,
    unlabeled_dir: str | None = None,
    test_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
) -> ImageData:
    """Loads PNG, JPEG, BMP and GIF files; of an animation, the first frame.

    Files are found at any depth and read in the order of their paths. Hidden
    files and folders, and other suffixes, are ignored. Images are grey (one
    channel) if all files are, and otherwise have three; alpha is dropped.

    Args:
        labeled_dir: One sub-folder per class; its sorted names are the
            classes.
        unlabeled_dir: Images without classes; None: use what a split leaves
            of `labeled_dir`.
        test_dir: Like `labeled_dir`, with the same classes.
        image_size: Height and width to resize to; None: all must agree.

    Returns:
        Images uint8. An id is "labeled/", "unlabeled/" or "test/" and the
        path inside that folder, with forward slashes.

    Raises:
        InputError: A folder is missing or holds no images, the classes of
            `test_dir` differ, a file cannot be read, or sizes differ.
    """
    roots = {
        "labeled": labeled_dir,
        "unlabeled": unlabeled_dir,
        "test": test_dir,
    }
    files = {
        name: _find(name, pathlib.Path(root))
        for name, root in roots.items()
        if root is not None
    }
    class_names = _class_names(pathlib.Path(labeled_dir), files["labeled"])
    if "test" in files:
        _check_classes(
            class_names, _class_names(pathlib.Path(test_dir), files["test"])
        )
    _check_disjoint(files)
    sets = _read_sets(files, class_names, image_size)
    return ImageData(
        train=sets["labeled"],
        test=sets.get("test"),
        unlabeled=sets.get("unlabeled"),
        class_names=class_names,
        max_value=255.0,
    )


def _read_sets(
    files: dict[str, dict[str, pathlib.Path]],
    class_names: tuple[str, ...],
    image_size: tuple[int, int] | None,
) -> dict[str, Examples]:
    """Reads every set; their images agree in size and channels."""
    images = {
        name: [_read(path, image_size) for path in paths.values()]
        for name, paths in files.items()
    }
    _check_sizes(files, images)
    grey = all(x.shape[-1] < 3 for part in images.values() for x in part)
    return {
        name: Examples(
            images=np.stack([_with_channels(x, grey) for x in images[name]]),
            labels=_labels(name, files[name], class_names),
            ids=np.array(list(files[name])),
        )
        for name in files
    }


def _find(name: str, root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the image files under `root` by id, sorted by it."""
    if not root.is_dir():
        raise InputError(
            f"{name}_dir must be a folder that exists; received {root}; "
            "correct the path"
        )
    paths = {
        f"{name}/{pathlib.PurePath(inside).as_posix()}": root / inside
        for inside in glob.glob("**/*", root_dir=root, recursive=True)
        if inside.lower().endswith(_SUFFIXES) and (root / inside).is_file()
    }
    if not paths:
        raise InputError(
            f"{name}_dir must hold {', '.join(_SUFFIXES)} files; received "
            f"{root} without any; correct the path"
        )
    return dict(sorted(paths.items()))


def _check_disjoint(files: dict[str, dict[str, pathlib.Path]]):
    """Refuses a file in two sets: it would be trained and tested on."""
    seen = {}
    for name, paths in files.items():
        for path in paths.values():
            other = seen.setdefault(path.resolve(), name)
            if other != name:
                raise InputError(
                    f"{other}_dir and {name}_dir must not share images; "
                    f"received {path} in both; name folders apart"
                )


def _class_of(image_id: str) -> str | None:
    """Returns the folder that follows the prefix, None for a loose file."""
    _, *folders, _ = image_id.split("/")
    return folders[0] if folders else None


def _class_names(root: pathlib.Path, ids: Iterable[str]) -> tuple[str, ...]:
    names = sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )
    if not names:
        raise InputError(
            "a folder of labeled images must hold one sub-folder per class; "
            f"received {root} without any; sort the images into class folders"
        )
    first = {_class_of(image_id): image_id for image_id in ids}
    if None in first:
        raise InputError(
            "every labeled image must be in a class folder; received "
            f"{first[None]} outside of them; move or remove it"
        )
    empty = [name for name in names if name not in first]
    if empty:
        raise InputError(
            "every class folder must hold at least one image; received "
            f"{root / empty[0]} without any; add images or remove the folder"
        )
    return tuple(names)


def _check_classes(expected: tuple[str, ...], received: tuple[str, ...]):
    missing = sorted(set(expected) - set(received))
    unknown = sorted(set(received) - set(expected))
    if missing or unknown:
        raise InputError(
            "test_dir must hold the class folders of labeled_dir; received a "
            f"test_dir that lacks {missing} and adds {unknown}; add, rename "
            "or remove these"
        )


def _labels(
    name: str, ids: Iterable[str], class_names: tuple[str, ...]
) -> np.ndarray:
    if name == "unlabeled":
        return np.array([-1 for _ in ids], np.int64)
    index = {class_name: i for i, class_name in enumerate(class_names)}
    return np.array([index[_class_of(x)] for x in ids], np.int64)


def _read(path: pathlib.Path, image_size: tuple[int, int] | None) -> np.ndarray:
    try:
        image = tf.io.decode_image(
            tf.io.read_file(str(path)), expand_animations=False
        )
    except tf.errors.OpError as error:
        raise InputError(
            "every image file must be a readable PNG, JPEG, BMP or GIF; "
            f"received {path} ({type(error).__name__}); repair or remove it"
        ) from error
    return (image if image_size is None else resize(image, image_size)).numpy()


def _check_sizes(
    files: dict[str, dict[str, pathlib.Path]],
    images: dict[str, list[np.ndarray]],
):
    first = {}
    for name, paths in files.items():
        for image_id, image in zip(paths, images[name], strict=True):
            first.setdefault(image.shape[:2], image_id)
    if len(first) > 1:
        (size, image_id), (other, other_id), *_ = first.items()
        raise InputError(
            f"all images must share one height and width; received {size} in "
            f"{image_id} and {other} in {other_id}; give --image_size to "
            "resize them"
        )


def _with_channels(image: np.ndarray, grey: bool) -> np.ndarray:
    if grey:
        return image[..., :1]
    if image.shape[-1] < 3:
        return np.repeat(image[..., :1], 3, axis=-1)
    return image[..., :3]
