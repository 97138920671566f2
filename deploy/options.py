"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

BundleDir = Annotated[Path, typer.Argument(metavar="DIR", help="A bundle that `hybridnet export` wrote.")]
CheckpointFile = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors file, its .json beside it.")]
Backend = Annotated[
    str, typer.Option(help="Simulator of the spiking partition: integer, lava, or lava-stock; the same bits.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Videos = Annotated[list[Path], typer.Argument(metavar="VIDEO|FOLDER...", help="Video files, or folders of them.")]
