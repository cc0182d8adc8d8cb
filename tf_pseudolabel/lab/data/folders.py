"""A user's own images, in folders."""

from __future__ import annotations

import dataclasses
import pathlib
import unicodedata

import numpy as np

from tf_pseudolabel.lab.data import (
    decoding,
    files,
    groups,
    image_files,
    image_index,
    lookalikes,
)
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.files import Files, listed, shown
from tf_pseudolabel.lab.data.image_files import ImageFiles
from tf_pseudolabel.lab.data.inputs import Inputs
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.strings import Strings
from tf_pseudolabel.lab.errors import InputError

# A picture in several folders is left in the first of these alone: what is
# measured on must not be trained on, and what is labeled is not unlabeled.
_ORDER = ("test", "validation", "labeled", "unlabeled")


# Folders that hold sets, not classes, where there are several of them or where
# they hold folders alone.
_SETS = {
    "train": "labeled_dir",
    "training": "labeled_dir",
    "labeled": "labeled_dir",
    "unlabeled": "unlabeled_dir",
    "val": "validation_dir",
    "valid": "validation_dir",
    "validation": "validation_dir",
    "test": "test_dir",
    "testing": "test_dir",
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Looked:
    """Image files of all sets, in the order of `_ORDER` and of their names.

    Args:
        files: n files, whose names are their ids.
        records: `(n,)` of `image_index.RECORD`.
    """

    files: Files
    records: np.ndarray

    @property
    def ids(self) -> Strings:
        return self.files.names

    def take(self, rows: np.ndarray) -> _Looked:
        if len(rows) == len(self.records):
            return self
        return _Looked(self.files.take(rows), self.records[rows])

    def rows(self, *sets: str) -> np.ndarray:
        """The rows of some sets."""
        wanted = [_set_of(name) in sets for name in self.files.named]
        return np.flatnonzero(np.array(wanted)[self.files.folder])


def load(
    labeled_dir: str,
    unlabeled_dir: str | None = None,
    test_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
    validation_dir: str | None = None,
    group_level: int | None = None,
    resize: str = "stretch",
    on_bad_file: str = "stop",
    cache: str = "auto",
) -> Data:
    """Finds the images of folders: PNG, JPEG, BMP, GIF, WebP, TIFF and more.

    Files are found at any depth, in the order of their paths, and read once;
    what was seen is kept for the next start (`image_index`). Hidden files and
    folders are ignored, other suffixes counted. Images are grey (one channel)
    if all files are, and otherwise have three. A picture that occurs several
    times, as a link, a copy, or in another format without loss, is taken once.

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
        resize: How they are, one of `resize.MODES`.
        on_bad_file: "stop" or "skip", where files cannot be read.
        cache: Where decoded images are kept, as for `image_files.cached`.

    Returns:
        Images uint8. An id is "labeled/", "unlabeled/", "test/" or
        "validation/" and the path inside that folder, with forward slashes.

    Raises:
        InputError: A folder is missing or holds no images, a class has none or
            is in `test_dir` or `validation_dir` alone, folders of sets are
            taken for classes, files cannot be read, a picture has two classes,
            sizes differ, or an image with a class lies less deep than
            `group_level`.
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
    _check_no_sets(roots["labeled"], found["labeled"].files)
    class_names = _class_names(roots["labeled"], found["labeled"].files)
    notes = [note for part in found.values() for note in part.notes]
    for name in ("test", "validation"):
        if name in found:
            _check_classes(name, found[name].files, class_names)
    looked, unreadable = _look(roots, found)
    if unreadable and on_bad_file == "stop":
        raise InputError(
            f"every image file must be readable; got {len(unreadable)} that "
            f"cannot be read: {listed(unreadable)}; repair or remove them, or "
            "give --on_bad_file=skip"
        )
    kept, copies = _without_copies(looked)
    _check_left(kept, list(found), class_names, bool(unreadable))
    inputs, kind = _inputs(kept, image_size, resize)
    inputs, where = image_files.cached(inputs, cache)
    sets = _examples(kept, inputs, class_names)
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
        kind=kind,
        validation=sets.get("validation"),
        notes=(
            *notes,
            *_skipped(unreadable),
            *copies,
            *_remarks(kept),
            *_alike(kept, inputs),
            where,
        ),
        skipped=tuple(unreadable),
    )


def _find(name: str, root: pathlib.Path) -> files.Found:
    if not root.is_dir():
        raise InputError(
            f"{name}_dir must be a folder that exists; got {shown(root)}; "
            "correct the path"
        )
    found = files.find(root, decoding.SUFFIXES, f"{name}/")
    if not len(found.files) and not found.unreadable:
        raise InputError(
            f"{name}_dir must hold images ({', '.join(decoding.SUFFIXES)}); "
            f"got {shown(root)} without any; correct the path. "
            + " ".join(found.notes)
        )
    return found


def _class_of(image_id: str) -> str | None:
    """Returns the folder that follows the prefix, None for a loose file."""
    _, *folders, _ = image_id.split("/")
    # macOS writes an accent as a character of its own, Linux does not.
    return unicodedata.normalize("NFC", folders[0]) if folders else None


def _classes_of(name: str, images: Files) -> set[str]:
    classes = [_class_of(folder) for folder in images.named]
    if None in classes:
        loose = int((images.folder == classes.index(None)).argmax())
        raise InputError(
            f"every {name} image must be in a class folder; got "
            f"{images.names[loose]} outside of them; move or remove it"
        )
    return set(classes)


def _class_names(root: pathlib.Path, images: Files) -> tuple[str, ...]:
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
    names = _classes_of("labeled", images)
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


def _check_classes(name: str, images: Files, class_names: tuple[str, ...]):
    """Refuses classes that are never trained on."""
    names = _classes_of(name, images)
    missing = sorted(set(class_names) - names)
    unknown = sorted(names - set(class_names))
    if unknown:
        raise InputError(
            f"{name}_dir must hold the class folders of labeled_dir; got a "
            f"{name}_dir that lacks {missing} and adds {unknown}; add, rename "
            "or remove these"
        )


def _check_no_sets(root: pathlib.Path, images: Files):
    """Refuses folders of sets that would be taken for classes."""
    deep, flat = set(), set()
    for name in images.named:
        _, *folders, _ = name.split("/")
        if folders and folders[0].lower() in _SETS:
            (deep if folders[1:] else flat).add(folders[0])
    named = sorted(deep | flat)
    # A single one with images in it may be a class: trains, for example.
    if not deep - flat and len(named) < 2:
        return
    flags = [f"--{_SETS[x.lower()]}={shown(root / x)}" for x in named]
    raise InputError(
        "labeled_dir must hold one sub-folder per class; got "
        f"{', '.join(named)}, which are called like sets, in {shown(root)}; "
        f"give {' '.join(flags)}, or rename them if they are classes"
    )


def _look(
    roots: dict[str, pathlib.Path], found: dict[str, files.Found]
) -> tuple[_Looked, list[str]]:
    """Looks at all files.

    Returns:
        A pair: those that can be read, and a line for each of the others.
    """
    readable, records, unreadable = [], [], []
    for name in sorted(found, key=_ORDER.index):
        here = found[name].files
        looks = image_index.look(roots[name], here.paths)
        unreadable += found[name].unreadable + [
            f"{shown(here.paths[row])} ({reason})"
            for row, reason in looks.unreadable.items()
        ]
        readable.append(here.take(looks.rows))
        records.append(looks.records)
    return _Looked(files.joined(readable), np.concatenate(records)), unreadable


def _skipped(unreadable: list[str]) -> list[str]:
    if not unreadable:
        return []
    return [
        f"Left out, as they cannot be read: {len(unreadable)} image files "
        f"({unreadable[0]}{', ...' * (len(unreadable) > 1)}); all of them are "
        "in bad_files.txt."
    ]


def _without_copies(looked: _Looked) -> tuple[_Looked, list[str]]:
    """Leaves every picture in the first set that has it.

    Returns:
        A pair: what is left, and what must be said.
    """
    _, first, inverse = np.unique(
        looked.records["pixels"], return_index=True, return_inverse=True
    )
    original = first[inverse]
    copies = np.flatnonzero(original != np.arange(len(original)))
    repeats = dict(
        zip(looked.ids[copies], looked.ids[original[copies]], strict=True)
    )
    _check_repeats(repeats)
    return looked.take(np.sort(first)), _notes_of(repeats)


def _remarks(kept: _Looked) -> list[str]:
    counts = {
        remark: np.count_nonzero(kept.records["said"] >> bit & 1)
        for bit, remark in enumerate(decoding.REMARKS)
    }
    return [
        f"Image files {x}: {count}." for x, count in counts.items() if count
    ]


def _alike(kept: _Looked, inputs: Inputs) -> list[str]:
    """Warns of rows to measure on that look like rows to train on."""
    notes, trained = [], kept.rows("labeled", "unlabeled")
    for name in ("test", "validation"):
        measured = kept.rows(name)
        found = lookalikes.pairs(
            kept.records["look"], measured, trained, inputs
        )
        if len(found):
            row, other = found[0]
            notes.append(
                f"Warning: {len(found)} of {len(measured)} {name} images "
                f"nearly look like training images, such as {kept.ids[row]} "
                f"like {kept.ids[other]}; if they show the same, remove them, "
                "or figures are too good."
            )
    return notes


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
    kept: _Looked,
    given: list[str],
    class_names: tuple[str, ...],
    skipped: bool,
):
    """Refuses a set or a class that only repeats what is in other sets."""
    empty = [f"{name}_dir" for name in given if not len(kept.rows(name))]
    folders = np.unique(kept.files.folder[kept.rows("labeled")])
    left = {_class_of(kept.files.named[x]) for x in folders}
    empty += [f'class "{x}"' for x in class_names if x not in left]
    if empty:
        unreadable = "files that cannot be read and " if skipped else ""
        raise InputError(
            f"every folder must hold images of its own; got none but "
            f"{unreadable}copies of test, validation or labeled images in "
            f"{listed(empty)}; bring other images"
        )


def _inputs(
    kept: _Looked, image_size: tuple[int, int] | None, mode: str
) -> tuple[ImageFiles, Images]:
    """The images, of one shape."""
    records = kept.records
    size = image_size or (int(records["height"][0]), int(records["width"][0]))
    others = (records["height"] != size[0]) | (records["width"] != size[1])
    if image_size is None and others.any():
        other = int(others.argmax())
        sizes = [
            f"{(int(x['height']), int(x['width']))} in {kept.ids[row]}"
            for row, x in ((0, records[0]), (other, records[other]))
        ]
        raise InputError(
            f"all images must share one height and width; got {sizes[0]} and "
            f"{sizes[1]}; give --image_size to resize them"
        )
    shape = (*size, int(records["channels"].max()))
    inputs = ImageFiles(
        kept.files, records["plain"], shape, mode if others.any() else None
    )
    return inputs, Images(shape=shape, mode=mode)


def _examples(
    kept: _Looked, inputs: Inputs, class_names: tuple[str, ...]
) -> dict[str, Examples]:
    index = {class_name: i for i, class_name in enumerate(class_names)}
    # Of unlabeled images, folders are no classes.
    classes = [
        -1 if _set_of(x) == "unlabeled" else index[_class_of(x)]
        for x in kept.files.named
    ]
    every = Examples(
        inputs, np.array(classes, np.int32)[kept.files.folder], kept.ids
    )
    rows = {name: kept.rows(name) for name in _ORDER}
    return {name: every.take(some) for name, some in rows.items() if len(some)}


def _grouped(name: str, examples: Examples, level: int) -> Examples:
    below = 0 if name == "unlabeled" else 1
    found = groups.of_folders(examples.ids, level, below)
    missing = examples.ids[np.flatnonzero(found == "")]
    # Unlabeled ones may be of no group that is known.
    if below and len(missing):
        raise InputError(
            f"with group_level={level}, every {name} image must be in as many "
            f"folders below that of its class; got {missing[0]} "
            f"({len(missing)} such images); move them, or lower group_level"
        )
    return dataclasses.replace(examples, groups=found)
