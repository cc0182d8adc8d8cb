"""A user's own images, in folders."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np

from tf_pseudolabel.lab.data import decoding, files, groups
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.data.inputs import Held
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.errors import InputError

# A picture in several folders is left in the first of these alone: what is
# measured on must not be trained on, and what is labeled is not unlabeled.
_ORDER = ("test", "validation", "labeled", "unlabeled")


def load(
    labeled_dir: str,
    unlabeled_dir: str | None = None,
    test_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
    validation_dir: str | None = None,
    group_level: int | None = None,
) -> Data:
    """Loads the images of folders: PNG, JPEG, BMP, GIF, WebP, TIFF and more.

    Files are found at any depth and read in the order of their paths. Hidden
    files and folders are ignored, other suffixes counted. Images are grey (one
    channel) if all files are, and otherwise have three. A picture that occurs
    several times, as a link or a copy, is taken once.

    Args:
        labeled_dir: One sub-folder per class; its sorted names are the
            classes.
        unlabeled_dir: Images without classes; None: use what a split leaves
            of `labeled_dir`.
        test_dir: Like `labeled_dir`, without other classes.
        image_size: Height and width to resize to; None: all must agree.
        validation_dir: Like `test_dir`.
        group_level: Which folder below that of the class, or of the unlabeled
            images, names the group of an image, from 1; None: no groups.

    Returns:
        Images uint8. An id is "labeled/", "unlabeled/", "test/" or
        "validation/" and the path inside that folder, with forward slashes.

    Raises:
        InputError: A folder is missing or holds no images, a class has none or
            is in `test_dir` or `validation_dir` alone, files cannot be read, a
            picture has two classes, sizes differ, or an image with a class lies
            less deep than `group_level`.
    """
    given = {
        "labeled": labeled_dir,
        "unlabeled": unlabeled_dir,
        "test": test_dir,
        "validation": validation_dir,
    }
    roots = {k: pathlib.Path(v) for k, v in given.items() if v is not None}
    found = {name: _find(name, root) for name, root in roots.items()}
    files.check_apart({f"{name}_dir": root for name, root in roots.items()})
    class_names = _class_names(roots["labeled"], found["labeled"].paths)
    notes = [note for part in found.values() for note in part.notes]
    for name in ("test", "validation"):
        if name in found:
            _check_classes(name, found[name].paths, class_names)
    pictures, said = _read(found, image_size)
    _check_left(pictures, class_names)
    _check_sizes(pictures)
    sets = _examples(pictures, class_names)
    if group_level is not None:
        sets = {
            name: _grouped(name, part, group_level)
            for name, part in sets.items()
        }
    return Data(
        train=sets["labeled"],
        test=sets.get("test"),
        unlabeled=sets.get("unlabeled"),
        class_names=class_names,
        kind=Images(),
        validation=sets.get("validation"),
        notes=(*notes, *said),
    )


def _find(name: str, root: pathlib.Path) -> files.Found:
    if not root.is_dir():
        raise InputError(
            f"{name}_dir must be a folder that exists; got {shown(root)}; "
            "correct the path"
        )
    found = files.find(root, decoding.SUFFIXES)
    if not found.paths and not found.unreadable:
        raise InputError(
            f"{name}_dir must hold images ({', '.join(decoding.SUFFIXES)}); "
            f"got {shown(root)} without any; correct the path. "
            + " ".join(found.notes)
        )
    return dataclasses.replace(
        found, paths={f"{name}/{x}": path for x, path in found.paths.items()}
    )


def _class_of(image_id: str) -> str | None:
    """Returns the folder that follows the prefix, None for a loose file."""
    _, *folders, _ = image_id.split("/")
    # macOS writes an accent as a character of its own, Linux does not.
    return unicodedata.normalize("NFC", folders[0]) if folders else None


def _classes_of(name: str, ids: Iterable[str]) -> set[str]:
    first = {}
    for image_id in ids:
        first.setdefault(_class_of(image_id), image_id)
    if None in first:
        raise InputError(
            f"every {name} image must be in a class folder; got "
            f"{first[None]} outside of them; move or remove it"
        )
    return set(first)


def _class_names(root: pathlib.Path, ids: Iterable[str]) -> tuple[str, ...]:
    folders = [
        path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]
    if not folders:
        raise InputError(
            "a folder of labeled images must hold one sub-folder per class; "
            f"got {shown(root)} without any; sort the images into class folders"
        )
    names = _classes_of("labeled", ids)
    empty = [
        shown(path)
        for path in folders
        if _class_of(f"labeled/{files.name_of(path.name)}/x") not in names
    ]
    if empty:
        raise InputError(
            "every class folder must hold at least one image; got "
            f"{listed(empty)} without any; add images or remove the folder"
        )
    return tuple(sorted(names))


def _check_classes(name: str, ids: Iterable[str], class_names: tuple[str, ...]):
    """Refuses classes that are never trained on."""
    names = _classes_of(name, ids)
    missing = sorted(set(class_names) - names)
    unknown = sorted(names - set(class_names))
    if unknown:
        raise InputError(
            f"{name}_dir must hold the class folders of labeled_dir; got a "
            f"{name}_dir that lacks {missing} and adds {unknown}; add, rename "
            "or remove these"
        )


def _read(
    found: dict[str, files.Found], image_size: tuple[int, int] | None
) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Reads every picture once.

    Returns:
        A pair: the pictures by set and id, and what must be said.
    """
    pictures: dict = {name: {} for name in found}
    unreadable = [x for part in found.values() for x in part.unreadable]
    first, repeats, said = {}, {}, Counter()
    for name in sorted(found, key=_ORDER.index):
        for image_id, path in found[name].paths.items():
            try:
                content = path.read_bytes()
                digest = hashlib.sha256(content).digest()
                if digest in first:
                    repeats[image_id] = first[digest]
                    continue
                image, notes = decoding.decode(content)
            except OSError as error:
                unreadable.append(f"{shown(path)} ({error.strerror})")
                continue
            except InputError as error:
                unreadable.append(f"{shown(path)} ({error})")
                continue
            first[digest] = image_id
            said.update(notes)
            if image_size is not None:
                image = resize(image, image_size).numpy()
            pictures[name][image_id] = image
    if unreadable:
        raise InputError(
            f"every image file must be readable; got {len(unreadable)} that "
            f"cannot be read: {listed(unreadable)}; repair or remove them"
        )
    _check_repeats(repeats)
    notes = [f"Image files {note}: {count}." for note, count in said.items()]
    return pictures, _notes_of(repeats) + notes


def _set_of(image_id: str) -> str:
    return image_id.partition("/")[0]


def _check_repeats(repeats: dict[str, str]):
    """Refuses a picture that one set has under two classes."""
    wrong = [
        f"{other} as {image_id}"
        for image_id, other in repeats.items()
        if _set_of(image_id) == _set_of(other) != "unlabeled"
        and _class_of(image_id) != _class_of(other)
    ]
    if wrong:
        raise InputError(
            f"a picture must have one class; got the same {listed(wrong)}; "
            "remove all but the right ones"
        )


def _notes_of(repeats: dict[str, str]) -> list[str]:
    """Says what is left out, per pair of sets and with an example."""
    pairs = {}
    for image_id, other in repeats.items():
        pairs.setdefault((_set_of(image_id), _set_of(other)), []).append(
            f"{image_id} is {other}"
        )
    return [
        f"Left out of the {name} images, as copies of or links to "
        f"{'others' if name == other else f'{other} images'}: "
        f"{len(examples)} ({examples[0]}{', ...' * (len(examples) > 1)})."
        for (name, other), examples in pairs.items()
    ]


def _check_left(
    pictures: dict[str, dict[str, np.ndarray]], class_names: tuple[str, ...]
):
    """Refuses a set or a class that only repeats what is in other sets."""
    empty = [f"{name}_dir" for name, part in pictures.items() if not part]
    left = {_class_of(image_id) for image_id in pictures["labeled"]}
    empty += [f'class "{x}"' for x in class_names if x not in left]
    if empty:
        raise InputError(
            "every folder must hold images of its own; got none but copies of "
            f"test, validation or labeled images in {listed(empty)}; bring "
            "other images"
        )


def _check_sizes(pictures: dict[str, dict[str, np.ndarray]]):
    first = {}
    for part in pictures.values():
        for image_id, image in part.items():
            first.setdefault(image.shape[:2], image_id)
    if len(first) > 1:
        (size, image_id), (other, other_id), *_ = first.items()
        raise InputError(
            f"all images must share one height and width; got {size} in "
            f"{image_id} and {other} in {other_id}; give "
            "--image_size to resize them"
        )


def _examples(
    pictures: dict[str, dict[str, np.ndarray]], class_names: tuple[str, ...]
) -> dict[str, Examples]:
    images = [image for part in pictures.values() for image in part.values()]
    channels = max(x.shape[-1] for x in images)
    held = Held(
        np.concatenate(
            [np.broadcast_to(x, (1, *x.shape[:2], channels)) for x in images]
        )
    )
    index = {class_name: i for i, class_name in enumerate(class_names)}
    sets, first = {}, 0
    for name, part in pictures.items():
        labels = [
            -1 if name == "unlabeled" else index[_class_of(image_id)]
            for image_id in part
        ]
        rows = np.arange(first, first + len(part))
        sets[name] = Examples(
            held, np.array(labels, np.int64), np.array(list(part)), rows
        )
        first += len(part)
    return sets


def _grouped(name: str, examples: Examples, level: int) -> Examples:
    below = 0 if name == "unlabeled" else 1
    found = groups.of_folders(examples.ids, level, below)
    missing = examples.ids[found == ""]
    # Unlabeled ones may be of no group that is known.
    if below and len(missing):
        raise InputError(
            f"with group_level={level}, every {name} image must be in as many "
            f"folders below that of its class; got {missing[0]} "
            f"({len(missing)} such images); move them, or lower group_level"
        )
    return dataclasses.replace(examples, groups=found)
