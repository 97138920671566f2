"""The shipped model's tables: its trainings, by their logs, and what it is worth, by `hybridnet evaluate --json`.

make shipped-model    # or: python tests/slow/shipped_model.py RESULT.json [--write docs/benchmark.md]
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from documents import write_part
from hybridnet.training.config import read_config
from hybridnet.training.log import read_log

EXAMPLES = Path(__file__).parents[2] / "examples"
TRAININGS = ("_first", "_second", "")  # what follows train_tiny and tiny/log in the files' names
FORMS = ("float", "quantised", "bundle")
ROWS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "top-1": lambda form: f"{form['top1']:.1%}",
    "top-5": lambda form: f"{form['top5']:.1%}",
    "same label as float": lambda form: f"{form['agreement_with_float']:.1%}",
    "energy a video, {regime}": lambda form: f"{form['energy'] * 1e3:.2f} mJ",
    "synaptic operations a video": lambda form: f"{form['synops']:,.0f}",
    "spike rate": lambda form: f"{form['spike_rate']:.2%}",
}


def trainings() -> str:
    """A row a training, in Markdown, with the seconds of its log, evaluations included."""
    lines = ["| training | pictures | rate | hidden | epochs | minutes | test top-1 |", "|---|---|---|---|---|---|---|"]
    total = 0.0
    for name in TRAININGS:
        config, log = read_config(EXAMPLES / f"train_tiny{name}.toml"), read_log(EXAMPLES / "tiny" / f"log{name}.csv")
        if len(log) != config.run.epochs:
            raise SystemExit(f"log{name}.csv: has {len(log)} epochs, train_tiny{name}.toml says {config.run.epochs}")
        minutes = sum(row["seconds"] for row in log) / 60
        total += minutes
        size, rate, hide = config.preprocessing().size, config.optimiser.learning_rate, config.augmentation.hide
        lines.append(
            f"| `train_tiny{name}.toml` | {size}x{size} | {rate:g} | {hide:.0%} | {len(log)} | {minutes:.1f} "
            f"| {log[-1]['test_top1']:.1%} |"
        )
    return "\n".join([*lines, f"| together | | | | | {total:.1f} | |"]) + "\n"


def accuracy(result: Mapping[str, Any]) -> str:
    """What `evaluate` found of each form of the model, in Markdown."""
    lines = [f"| {result['videos']} test clips | {' | '.join(FORMS)} |", "|---|---|---|---|"]
    for name, cell in ROWS.items():
        cells = " | ".join(cell(result[form]) for form in FORMS)
        lines.append(f"| {name.format(regime=result['regime'])} | {cells} |")
    by_class = sorted(result["bundle"]["per_class"].items(), key=lambda each: each[1])
    each = ", ".join(f"{label} {share:.0%}" for label, share in by_class)
    return "\n".join(lines) + f"\n\nBundle, class by class: {each}.\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    given = parser.parse_args()
    found, course = accuracy(json.loads(given.result.read_text())), trainings()
    print(found, course, sep="\n")
    if given.write:
        write_part(given.write, "shipped model", found)
        write_part(given.write, "trainings", course)
