"""`hybridnet prepare rendered-mocap`: what it shows while the data set is made, and what it says then."""

from contextlib import closing
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn

from deploy.console import print_json, progress, show
from hybridnet.errors import OutputError, Stopped
from hybridnet.training.mocap import CLASSES, generate
from hybridnet.training.mocap.dataset import digest
from hybridnet.video import Recipe

RENDERED_MOCAP = Path("rendered-mocap")
TRAIN, TEST = 100, 30  # clips a class


def make_mocap(folder: Path, train: int | None, test: int | None, recipe: Recipe, workers: int, as_json: bool) -> None:
    """Make the data set in `folder`, or go on with it. Raises what `generate` raises, Stopped at Ctrl-C."""
    if recipe != Recipe():
        raise OutputError(
            f"{RENDERED_MOCAP}: is 128x128 with GOPs of 12, always; leave out --width, --height, --gop and --quality"
        )
    train, test = train or TRAIN, test or TEST
    total = len(CLASSES) * (train + test)
    done = new = 0
    try:
        with progress() as bar, closing(generate(folder, train, test, workers=workers)) as clips:
            bar.columns = (BarColumn(), MofNCompleteColumn(), *bar.columns)
            task = bar.add_task("drawing", total=total)
            for name, made in clips:
                done += 1
                new += made
                bar.update(task, advance=1, description=f"drew {Path(name).name}")
    except KeyboardInterrupt:
        raise Stopped(
            f"{folder}: stopped after {done:,} of {total:,} clips; they are kept, and the same command goes on"
        ) from None
    sha256 = digest(folder, train, test)
    if as_json:
        counts = {"classes": len(CLASSES), "train": train, "test": test, "done": new, "already_there": done - new}
        print_json({"folder": str(folder), **counts, "sha256": sha256})
    else:
        show(
            f"{folder}: {new:,} clips made, {done - new:,} already there; {len(CLASSES)} classes, {train} training and "
            f"{test} test clips each; SHA-256 of all clips {sha256}"
        )
