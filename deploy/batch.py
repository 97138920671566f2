"""Many videos through one bundle: a bad one is reported and the rest go on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deploy.runtime import Prediction, Runtime
from hardware import Target
from hybridnet.errors import VideoError
from hybridnet.training.listing import VIDEO_SUFFIXES


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """Every path, a folder as the video files below it, sorted; VideoError for a folder without any."""
    videos = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES)
        if not found:
            known = ", ".join(sorted(VIDEO_SUFFIXES))
            raise VideoError(f"{path}: the folder holds no video file ({known}); name one that does")
        videos += found
    return videos


def predict_each(
    runtime: Runtime, videos: Sequence[Path], regime: Target, tell: Callable[[str], None]
) -> Iterator[tuple[Path, Prediction | VideoError]]:
    """Predict video by video; `tell` hears of each that was transcoded, what cannot be used comes out as VideoError."""
    for video in videos:
        try:
            yield video, runtime.predict(video, regime=regime, tell=tell)
        except VideoError as error:
            yield video, error
