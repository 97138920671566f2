"""What a config's [data] section names: the data set's items, and their stored arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hybridnet.errors import DatasetError
from hybridnet.training.arrays import store_videos
from hybridnet.training.config import DataConfig
from hybridnet.training.datasets import read_folder, read_hmdb51, read_kinetics, read_something_v2, read_ucf101
from hybridnet.training.listing import Dataset, Item
from hybridnet.video import Preprocessing

NAMED = 5  # videos that a line names before it only counts the rest

_READERS = {
    "folder": read_folder,
    "ucf101": read_ucf101,
    "hmdb51": read_hmdb51,
    "kinetics": read_kinetics,
    "something-v2": read_something_v2,
}


@dataclass(frozen=True)
class Video:
    """The stored arrays of a video, and its label."""

    file: Path
    label: int


@dataclass(frozen=True)
class StoredData:
    """Labels, and the videos of both splits that could be read, in the order of the lists."""

    labels: tuple[str, ...]
    train: tuple[Video, ...]
    test: tuple[Video, ...]


def read_data(config: DataConfig, tell: Callable[[str], None] = lambda _: None) -> Dataset:
    """The data set as its lists and the disk have it; `tell` hears what is missing or unreadable.

    Raises DatasetError as the readers do.
    """
    options = {key: getattr(config, key) for key in ("lists", "split") if getattr(config, key)}
    dataset = _READERS[config.layout](config.root, **options)  # type: ignore[operator]
    for what in ("missing", "unreadable"):
        if videos := getattr(dataset.report, what):
            tell(f"{config.root}: {len(videos):,} listed videos are {what}: {_some(videos)}")
    return dataset


def items_of(dataset: Dataset, split: str, place: str) -> tuple[Item, ...]:
    """The items of a split; DatasetError if there are none."""
    items = tuple(item for item in dataset.items if item.split == split)
    if not items:
        known = ", ".join(sorted({item.split for item in dataset.items}))
        hint = "; for splits of its own a folder holds SPLIT/CLASS/VIDEO" if known == "all" else ""
        raise DatasetError(f"{place}: no videos of split {split!r}; its splits are {known}{hint}")
    return items


def store_data(
    config: DataConfig,
    preprocessing: Preprocessing,
    *,
    workers: int,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> StoredData:
    """Store the arrays of both splits; `progress` hears (done, of how many), `tell` what is rejected or damaged.

    Raises DatasetError as `read_data` and `items_of`, and if no video of a split can be read; as `store_videos`.
    """
    dataset = read_data(config, tell)
    root = Path(config.root)
    parts = {split: items_of(dataset, split, config.root) for split in (config.train, config.test)}
    videos = list(dict.fromkeys(root / item.video for items in parts.values() for item in items))
    files = {}
    for done, stored in enumerate(store_videos(videos, Path(config.cache), preprocessing, workers=workers), start=1):
        progress(done, len(videos))
        files[stored.video] = stored.file
        if stored.error:
            tell(f"left out: {stored.error}")
        if stored.damaged:
            tell(f"{stored.video}: damaged in GOP {', '.join(map(str, stored.damaged))}; used as far as it decodes")

    def kept(split: str) -> tuple[Video, ...]:
        found = [(files[root / item.video], item.label) for item in parts[split]]
        videos = tuple(Video(file, label) for file, label in found if file)
        if not videos:
            raise DatasetError(f"{config.root}: no video of split {split!r} can be used; each is named above")
        return videos

    return StoredData(dataset.labels, kept(config.train), kept(config.test))


def _some(videos: tuple[Path, ...]) -> str:
    more = f" and {len(videos) - NAMED:,} more" if len(videos) > NAMED else ""
    return ", ".join(map(str, videos[:NAMED])) + more
