"""`hybridnet run` and `energy`: many videos through one bundle, each shown as it is done, or all as one JSON object."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.batch import list_videos, predict_each
from deploy.console import complain, print_json, progress, some_of
from deploy.runtime import Prediction, Runtime
from hardware import Target
from hybridnet.errors import PartialError, VideoError


def predict_videos(
    runtime: Runtime,
    paths: list[Path],
    regime: Target,
    tell: Callable[[Path, Prediction], None],
    row: Callable[[Path, Prediction], dict[str, Any]] | None,
    finish: Callable[[bool], dict[str, Any]] = lambda as_json: {},
) -> None:
    """Predict every video; tell each result as it comes, or with `row` print all of them as one JSON object.

    finish   called when all are done, with whether the output is JSON; gives what else goes into the object

    Raises PartialError if videos failed; the others are done.
    """
    videos = list_videos(paths)
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    with progress() as bar:
        task = bar.add_task("predicting", total=len(videos))
        for video, result in predict_each(runtime, videos, regime, complain):
            bar.update(task, advance=1, description=f"predicted {video.name}")
            if isinstance(result, VideoError):
                failures.append(str(result))
                if videos != paths[:1]:
                    complain(result)
                rows.append({"video": str(video), "error": str(result)})
            elif row:
                rows.append({"video": str(video), **row(video, result)})
            else:
                tell(video, result)
    more = finish(row is not None)
    if row:
        trained = runtime.bundle.manifest.training is not None
        print_json({"bundle": str(runtime.bundle.path), "trained": trained, "videos": rows, **more})
    if failures:
        many = some_of(len(failures), len(videos), "failed")
        raise PartialError(failures[0] if videos == paths[:1] else many)
