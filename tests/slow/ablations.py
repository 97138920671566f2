"""The paper's ablations on rendered mocap: every row with the same short budget, a line of results each, one table.

make ablations    # or: python tests/slow/ablations.py [--only ROW ...] [--seeds N] [--write docs/benchmark.md] ...

Stop it whenever you like. What is in the results file with the same config is not trained again, and a training that
was stopped goes on, so the table can be filled over days, on several machines; what is missing in it says so.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ablation_results import Result, ablation_table, append_result, config_hash, read_results
from documents import write_part
from hybridnet.processes import usable_cores
from hybridnet.training.config import TrainConfig, read_config
from hybridnet.training.state import STATE
from hybridnet.training.train import train
from hybridnet.training.workers import share_out
from variants import ROWS, Variant

ROOT = Path(__file__).parents[2]
BASE, RESULTS = ROOT / "tests/slow/ablations.toml", ROOT / "docs/ablations.csv"
SEEDS = 3  # of the rows that matter most; the others have one
CPU = "cpu_seconds"  # file of the processor time that a training has taken so far

Job = tuple[str, TrainConfig]  # a row's name and one of its trainings


def config_of(base: TrainConfig, variant: Variant, seed: int) -> TrainConfig:
    """The training of one row with one seed."""
    place = f"{variant.name.replace(' ', '-')}-{seed}"
    run = replace(base.run, seed=seed, out=str(Path(base.run.out) / place))
    return replace(base, model={**base.model, **variant.changes}, run=run)


def planned(only: Sequence[str], seeds: int) -> Iterator[tuple[Variant, int]]:
    """Rows and seeds, the first seed of all rows before the second of any."""
    for seed in range(seeds):
        for variant in ROWS:
            if (not only or variant.name in only) and (variant.important or seed == 0):
                yield variant, seed


def measure(job: Job) -> Result:
    """Train one, or go on with it; its folder keeps the log and the checkpoint."""
    row, config = job
    out = Path(config.run.out)
    clock, start = out / CPU, time.process_time()
    before = float(clock.read_text()) if clock.exists() else 0.0

    def after_epoch(_: Path) -> None:
        clock.write_text(str(before + time.process_time() - start))
        say(f"{row}, seed {config.run.seed}: an epoch more")

    last = train(config, tell=say, after_epoch=after_epoch)[-1]
    facts = json.loads((out / "model.json").read_text())["training"]
    (out / STATE).unlink()
    return Result(
        row=row,
        seed=config.run.seed,
        config=config_hash(config.to_dict()),
        train=facts["train_videos"],
        test=facts["test_videos"],
        epochs=facts["epochs"],
        top1=last["test_top1"],
        cpu_seconds=round(float(clock.read_text()), 1),
    )


def current(results: Sequence[Result], base: TrainConfig) -> list[Result]:
    """Those that are of the rows as they stand, the last of a row and seed; SystemExit if they saw other videos."""
    wanted = {variant.name: variant for variant in ROWS}
    found = {
        (result.row, result.seed): result
        for result in results
        if result.row in wanted
        and result.config == config_hash(config_of(base, wanted[result.row], result.seed).to_dict())
    }
    if len(videos := {(result.train, result.test) for result in found.values()}) > 1:
        raise SystemExit(f"the results are of {len(videos)} sets of videos; remove those of all but one")
    return [found[key] for key in sorted(found)]


def section(results: Sequence[Result], base: TrainConfig) -> str:
    """What the document says: the budget, then the table."""
    if not results:
        return ablation_table(results)
    run, model, one = base.run, base.model_config(classes=2), results[0]
    return (
        f"Split 1, {one.train:,} training and {one.test:,} test clips; `{base.model['preset']}` at {model.size}x"
        f"{model.size}, patch {model.patch}, {run.epochs} epochs, tested once, after the last. Top-1 and difference to "
        "the full model of the same seed, points: mean ± standard deviation over the seeds.\n\n"
        f"{ablation_table(results)}"
    )


def say(line: str) -> None:
    """On stderr."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Train what is missing, print the table; with --write also put it into a document, between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [variant.name for variant in ROWS]
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the rows that matter most; 0 trains nothing")
    parser.add_argument("--jobs", type=int, default=usable_cores(), help="trainings at a time, of one thread each")
    parser.add_argument("--base", type=Path, default=BASE, metavar="FILE.toml")
    parser.add_argument("--root", help="folder of the videos, in place of the one in FILE.toml")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE.csv")
    parser.add_argument("--write", type=Path, metavar="FILE.md")
    options = parser.parse_args()
    base = read_config(options.base)
    if options.root:
        base = replace(base, data=replace(base.data, root=options.root))
    done = {(result.row, result.seed) for result in current(read_results(options.results), base)}
    jobs: list[Job] = [
        (variant.name, config_of(base, variant, seed))
        for variant, seed in planned(options.only, options.seeds)
        if (variant.name, seed) not in done
    ]
    for (row, config), result in share_out(measure, jobs, options.jobs):
        if result is None:
            raise SystemExit(f"{row}, seed {config.run.seed}: its process died; try again with fewer --jobs")
        append_result(options.results, result)
    text = section(current(read_results(options.results), base), base)
    print(text)
    if options.write:
        write_part(options.write, "ablations", text)


if __name__ == "__main__":  # the workers that store arrays run this file anew
    main()
