"""Many videos through one bundle: a bad one is reported and the rest go on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deploy.runtime import Prediction, Runtime
from hardware import Target
from hybridnet.errors import VideoError
from hybridnet.training.sources import find_videos


def list_videos(paths: Sequence[Path]) -> list[Path]:
    """Every path, a folder as the video files below it; VideoError as `find_videos`."""
    given = [[path / place for place in find_videos(path)] if path.is_dir() else [path] for path in paths]
    return [video for videos in given for video in videos]


def predict_each(
    runtime: Runtime, videos: Sequence[Path], regime: Target, tell: Callable[[str], None]
) -> Iterator[tuple[Path, Prediction | VideoError]]:
    """Predict video by video; `tell` hears of each that was transcoded, what cannot be used comes out as VideoError."""
    for video in videos:
        try:
            yield video, runtime.predict(video, regime=regime, tell=tell)
        except VideoError as error:
            yield video, error
