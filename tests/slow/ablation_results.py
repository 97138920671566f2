"""What the ablations came to: a line of CSV for every row and seed, and the table made of them."""

import csv
import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from variants import FULL, ROWS, Variant

PLACES = ("data.root", "data.cache", "data.lists", "run.out", "run.save_every", "run.threads")  # not of the experiment


@dataclass(frozen=True)
class Result:
    """One training that is done.

    config        `config_hash` of what it was
    train, test   videos
    top1          on the test videos after the last epoch, 0..1
    cpu_seconds   of the training alone, without storing the arrays
    """

    row: str
    seed: int
    config: str
    train: int
    test: int
    epochs: int
    top1: float
    cpu_seconds: float


def config_hash(config: Mapping[str, Any]) -> str:
    """Of a `TrainConfig.to_dict`, all but paths and what does not change the outcome; hex."""
    kept = {
        f"{section}.{key}": value
        for section, values in config.items()
        for key, value in values.items()
        if f"{section}.{key}" not in PLACES
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def append_result(path: Path, result: Result) -> None:
    """Put a line at the end, so that several runners can share a file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Result)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(asdict(result))


def read_results(path: Path) -> list[Result]:
    """All lines, none if there is no file."""
    if not path.exists():
        return []
    kinds: dict[str, Any] = {f.name: f.type for f in fields(Result)}
    with path.open(newline="") as file:
        return [Result(**{key: kinds[key](value) for key, value in line.items()}) for line in csv.DictReader(file)]


def differences(found: Sequence[Result], full: Sequence[Result]) -> list[float]:
    """Top-1 of a row less that of the full model, points, of every seed that both have."""
    reference = {result.seed: result.top1 for result in full}
    return [100 * (result.top1 - reference[result.seed]) for result in found if result.seed in reference]


def agreement(published: float, ours: Sequence[float]) -> str:
    """Whether two differences have one sign; "unclear" where ours is no larger than its spread over seeds."""
    mean = statistics.mean(ours)
    if len(ours) > 1 and abs(mean) <= statistics.stdev(ours):
        return "unclear"
    return "yes" if math.copysign(1, mean) == math.copysign(1, published) and mean else "no"


def ablation_table(results: Iterable[Result]) -> str:
    """The table in Markdown, a row a variant; results are of one experiment, a row and seed once."""
    by_row: dict[str, list[Result]] = {variant.name: [] for variant in ROWS}
    for result in results:
        by_row[result.row].append(result)
    lines = [
        "| row | published, UCF-101 | top-1 | difference | seeds | sign agrees | CPU s a seed |",
        "|---|---|---|---|---|---|---|",
        *(_line(variant, by_row[variant.name], by_row[FULL]) for variant in ROWS),
    ]
    return "\n".join(lines) + "\n"


def published_difference(variant: Variant) -> float | None:
    """Points that a row lies above the paper's full model; None where it has no such row."""
    full = next(other.published for other in ROWS if other.name == FULL)
    return None if variant.published is None or full is None else variant.published - full


def _line(variant: Variant, found: Sequence[Result], full: Sequence[Result]) -> str:
    theirs = published_difference(variant)
    published = "-" if theirs is None else f"{variant.published}%" if variant.name == FULL else f"{theirs:+.2f}"
    if not found:
        return f"| {variant.name} | {published} | not measured yet | | | | |"
    top1 = f"{_with_spread([100 * result.top1 for result in found], '.1f')}%"
    apart = [] if variant.name == FULL else differences(found, full)
    sign = agreement(theirs, apart) if apart and theirs is not None else ""
    seeds = ", ".join(str(result.seed) for result in found)
    seconds = statistics.mean(result.cpu_seconds for result in found)
    difference = _with_spread(apart, "+.1f") if apart else ""
    return f"| {variant.name} | {published} | {top1} | {difference} | {seeds} | {sign} | {seconds:.0f} |"


def _with_spread(values: Sequence[float], form: str) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{spread}"
