"""Readers of the data sets' published layouts: UCF-101, HMDB-51, Kinetics, Something-Something V2, plain folders.

Each takes the folder of videos, `root`, and gives a `Dataset`. `lists` is the folder of the published lists, `root`
itself if left out. A prepared mirror reads like the original: a video's suffix may differ from the listed one.
`check=True` opens every video and demuxes it from end to end; without it only empty files count as unreadable.

All raise DatasetError: a missing root or list, a malformed line, lists that contradict themselves, nothing found.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from hybridnet.errors import DatasetError
from hybridnet.training.listing import Dataset, Entry, find_videos, match, path_key

SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "valid": "val", "test": "test"}
WHOLE = "all"  # the split of a plain folder without train, val or test above its classes

_UCF = "UCF-101's UCF101TrainTestSplits-RecognitionTask.zip"
_HMDB = "HMDB-51's test_train_splits.rar"
_KINETICS = "the Kinetics annotation archive"
_SOMETHING = "the labels archive of Something-Something V2"


def read_ucf101(root: str | Path, *, split: int, lists: str | Path | None = None, check: bool = False) -> Dataset:
    """UCF-101: `Class/v_X.avi`; classInd.txt (1-based), trainlist0N.txt with labels, testlist0N.txt without.

    split    1, 2 or 3; items are of split "train" or "test"

    Labels are in the order of classInd.txt. Case is ignored in class and file names, for HandstandPushups is spelt
    HandStandPushups in its files' names and in some copies of the folder.
    """
    root, folder = _places(root, lists)
    _check_split(root, split)
    labels = _read_class_index(folder / "classInd.txt")
    index = {label.casefold(): number for number, label in enumerate(labels)}
    entries = []
    for name, pattern, expected in (
        ("train", r"([^/]+)/(\S+\.\w+)\s+(\d+)", "Class/video.avi LABEL"),
        ("test", r"([^/]+)/(\S+\.\w+)()", "Class/video.avi"),
    ):
        path = folder / f"{name}list{split:02d}.txt"
        for source, line in _lines(path, _UCF):
            found = re.fullmatch(pattern, line)
            if not found:
                raise _malformed(source, line, expected)
            label = index.get(found[1].casefold())
            if label is None:
                raise DatasetError(f"{source}: class {found[1]} is not in {folder / 'classInd.txt'}; mend one of them")
            if found[3] and int(found[3]) != label + 1:
                raise _malformed(source, line, f"label {label + 1}, the number of {found[1]} in classInd.txt")
            entries.append(Entry(PurePosixPath(found[1], found[2]), label, name, source))
    return match(root, labels, entries, check, lambda video: path_key(video).casefold())


def _read_class_index(path: Path) -> tuple[str, ...]:
    labels: list[str] = []
    for source, line in _lines(path, _UCF):
        found = re.fullmatch(r"(\d+)\s+(\S+)", line)
        if not found or int(found[1]) != len(labels) + 1:
            raise _malformed(source, line, f"{len(labels) + 1} CLASS")
        labels.append(found[2])
    return tuple(labels)


def read_hmdb51(root: str | Path, *, split: int, lists: str | Path | None = None, check: bool = False) -> Dataset:
    """HMDB-51: `class/X.avi`; one `class_test_splitN.txt` a class, its lines a file and 1 train, 2 test or 0 unused.

    split    1, 2 or 3; items are of split "train" or "test". Videos marked 0 are neither items nor unlisted

    Labels are the classes of the lists, sorted.
    """
    root, folder = _places(root, lists)
    _check_split(root, split)
    lists_of_any_split = sorted(folder.glob("*_test_split[123].txt"))
    if not lists_of_any_split:
        raise _no_list(folder / f"*_test_split{split}.txt", _HMDB)
    labels = tuple(sorted({re.sub(r"_test_split\d\.txt$", "", path.name) for path in lists_of_any_split}))
    entries = []
    for label, name in enumerate(labels):
        for source, line in _lines(folder / f"{name}_test_split{split}.txt", _HMDB):
            found = re.fullmatch(r"(\S.*\.\w+)\s+([012])", line)
            if not found:
                raise _malformed(source, line, "video.avi and 1 (train), 2 (test) or 0 (unused)")
            entries.append(Entry(PurePosixPath(name, found[1]), label, (None, "train", "test")[int(found[2])], source))
    return match(root, labels, entries, check, path_key)


def read_kinetics(root: str | Path, *, lists: str | Path | None = None, check: bool = False) -> Dataset:
    """Kinetics-400 and 600: every .csv of `lists`, its columns label, youtube_id, time_start, time_end and split.

    A clip is a file named ID_START_END (seconds, six digits each) or ID, flat or in folders. Items are of split
    "train", "val" (written validate or val) or "test". Labels are those of all the lists, sorted. Clips of a list
    without the column label, as the test list was first published, are neither items nor unlisted.
    """
    root, folder = _places(root, lists)
    paths = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    if not paths:
        raise _no_list(folder / "*.csv", _KINETICS)
    rows = [row for path in paths for row in _read_clips(path)]
    labels = tuple(sorted({row[2] for row in rows if row[2] is not None}))
    number = {label: n for n, label in enumerate(labels)}
    entries = [
        Entry(
            PurePosixPath(f"{youtube_id}_{times}.mp4"),
            -1 if label is None else number[label],
            None if label is None else split,
            source,
            alias=youtube_id,
        )
        for youtube_id, times, label, split, source in rows
    ]
    return match(root, labels, entries, check, lambda video: video.stem)


def _read_clips(path: Path) -> Iterator[tuple[str, str, str | None, str, str]]:
    """YouTube id, times as in a file name, label if there are any, split and place of every line of a Kinetics list."""
    columns = ("youtube_id", "time_start", "time_end", "split")
    lines = list(_lines(path, _KINETICS))
    place, head = lines[0]
    names = next(csv.reader([head]))
    if not set(columns) <= set(names):
        raise _malformed(place, head, "columns label," + ",".join(columns))
    for source, line in lines[1:]:
        fields = next(csv.reader([line]))
        row = dict(zip(names, fields, strict=False))
        times = [row.get(column, "") for column in ("time_start", "time_end")]
        split, label = SPLITS.get(row.get("split", "")), row.get("label")
        plain = re.fullmatch(r"[\w-]+", row.get("youtube_id", "")) and label != ""
        if len(fields) != len(names) or not plain or split is None or not all(re.fullmatch(r"\d+", t) for t in times):
            raise _malformed(source, line, f"{head} with whole seconds and split train, val or test")
        yield row["youtube_id"], "_".join(time.zfill(6) for time in times), label, split, source


def read_something_v2(root: str | Path, *, lists: str | Path | None = None, check: bool = False) -> Dataset:
    """Something-Something V2: `ID.webm`; labels.json, train.json, validation.json, with or without their long prefix.

    labels.json maps a template to its index, the others hold objects with `id` and `template`, whose placeholders
    stand in brackets. Items are of split "train" or "val". Videos of test.json, which has no labels, are not items;
    if that list is there they are not unlisted either.
    """
    root, folder = _places(root, lists)
    path, content = _read_json(folder, "labels.json")
    if not isinstance(content, dict) or sorted(map(str, content.values())) != sorted(map(str, range(len(content)))):
        raise DatasetError(f"{path}: must map every template to its index, 0 to the number of templates less 1")
    labels = tuple(sorted(content, key=lambda template: int(content[template])))
    index = {label: n for n, label in enumerate(labels)}
    entries = []
    for name, split in (("train.json", "train"), ("validation.json", "val"), ("test.json", None)):
        if split is None and not _find_json(folder, name):
            continue
        path, content = _read_json(folder, name)
        if not isinstance(content, list):
            raise DatasetError(f"{path}: must be a list of objects, it is {type(content).__name__}")
        for n, clip in enumerate(content):
            entries.append(_something_entry(f"{path} entry {n}", clip, index, split))
    return match(root, labels, entries, check, lambda video: video.stem)


def read_folder(root: str | Path, *, check: bool = False) -> Dataset:
    """Any videos in class folders, `class/X.avi`, or in `train/class/X.avi` and likewise val and test.

    Where every folder is called train, val (validation, valid) or test, these are the splits; otherwise all items are
    of split "all". Labels are the class names of all splits, sorted. Videos elsewhere are unlisted.
    """
    root = Path(root)
    videos = find_videos(root)
    tops = {video.parts[0] for video in videos if len(video.parts) > 1}
    level = 1 if tops and tops <= SPLITS.keys() else 0
    placed = [video for video in videos if len(video.parts) == level + 2]
    labels = tuple(sorted({video.parts[level] for video in placed}))
    number = {label: n for n, label in enumerate(labels)}
    entries = [
        Entry(video, number[video.parts[level]], SPLITS[video.parts[0]] if level else WHOLE, str(root))
        for video in placed
    ]
    if not entries:
        others = sorted(tops - SPLITS.keys())
        if tops & SPLITS.keys() and others:
            raise DatasetError(
                f"{root}: {', '.join(others)} beside {', '.join(sorted(tops & SPLITS.keys()))} is no split; move it "
                f"elsewhere, or call it one of {', '.join(sorted(SPLITS))}"
            )
        raise DatasetError(
            f"{root}: no class folder with videos in it; expected class/video.avi or train/class/video.avi"
        )
    return match(root, labels, entries, check, str)


def _something_entry(source: str, clip: Any, index: dict[str, int], split: str | None) -> Entry:
    fields = ("id",) if split is None else ("id", "template")
    if not isinstance(clip, dict) or not all(isinstance(clip.get(field), str) for field in fields):
        raise _malformed(source, json.dumps(clip)[:80], f"an object with the strings {' and '.join(fields)}")
    if not re.fullmatch(r"\w+", clip["id"]):
        raise _malformed(source, clip["id"][:80], "an id of digits")
    video = PurePosixPath(f"{clip['id']}.webm")
    if split is None:
        return Entry(video, -1, None, source)
    label = index.get(re.sub(r"[\[\]]", "", clip["template"]))
    if label is None:
        raise DatasetError(f"{source}: template {clip['template']!r} is not in labels.json; take both of one release")
    return Entry(video, label, split, source)


def _places(root: str | Path, lists: str | Path | None) -> tuple[Path, Path]:
    """The folder of videos and that of the lists; DatasetError if either is missing."""
    root = Path(root)
    if not root.is_dir():
        find_videos(root)
    folder = root if lists is None else Path(lists)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; name the one that holds the lists")
    return root, folder


def _check_split(root: Path, split: int) -> None:
    if split not in (1, 2, 3):
        raise DatasetError(f"{root}: split {split!r} must be 1, 2 or 3")


def _lines(path: Path, origin: str) -> list[tuple[str, str]]:
    """The lines of a list that are not blank, each with its file and number; DatasetError if there are none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise _no_list(path, origin) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DatasetError(f"{path}: cannot be read ({reason}); take it again from {origin}") from error
    lines = [(f"{path} line {n}", line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DatasetError(f"{path}: is empty; take it again from {origin}")
    return lines


def _find_json(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / f"something-something-v2-{name}")
    return next((path for path in candidates if path.is_file()), None)


def _read_json(folder: Path, name: str) -> tuple[Path, Any]:
    path = _find_json(folder, name)
    if path is None:
        raise _no_list(folder / name, _SOMETHING)
    try:
        return path, json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not valid JSON ({error}); take it again from {_SOMETHING}") from error


def _no_list(path: Path, origin: str) -> DatasetError:
    return DatasetError(f"{path}: no such list; it comes from {origin}, and `lists` names its folder")


def _malformed(source: str, text: str, expected: str) -> DatasetError:
    return DatasetError(f"{source}: {text!r} is malformed, expected {expected}")
