"""The log of a training: a line an epoch, as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from hybridnet.errors import OutputError
from hybridnet.files import write_whole

LOG = "log.csv"
COLUMNS = (
    "epoch",
    "learning_rate",  # at the last step
    "loss",  # cross-entropy, of the training batches as they went by
    "penalty",  # the regulariser's share of what was minimised
    "train_top1",  # shares of videos, 0..1
    "spike_rate",  # spikes per neuron and step, empty where nothing spikes
    "motion_synops",  # synaptic operations a clip, means
    "residual_synops",
    "test_loss",  # empty where the test split was not measured
    "test_top1",
    "test_top5",
    "seconds",  # of this epoch
)


def write_log(folder: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write the log, whole or not at all; numbers so that they read back as they are."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / LOG, text.getvalue().encode())


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a log, one at least, finite or NaN where it has nothing; OutputError if it is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError("other columns")
            rows = [{key: float(value or "nan") for key, value in row.items()} for row in reader]
            if any(
                math.isinf(value) or (key == "epoch" and math.isnan(value))
                for row in rows
                for key, value in row.items()
            ):
                raise ValueError("an epoch without a number, or a number that is not finite")
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"{path}: no readable log ({reason}); give the folder of a training, or its {LOG}") from error
    if not rows:
        raise OutputError(f"{path}: has no epoch yet; train for one")
    return rows
