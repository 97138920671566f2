"""What decoding a video costs here, by the processor's own energy counters (RAPL), where they can be read."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware import EnergyRow

POWERCAP = Path("/sys/class/powercap")
DECODE = "decode"


@dataclass(frozen=True)
class Meter:
    """The counter of one processor package.

    name    such as "package-0"
    folder  holds energy_uj, in microjoules, which starts over above max_energy_range_uj
    """

    name: str
    folder: Path

    def read(self) -> int:
        """Microjoules, from some beginning."""
        return _number(self.folder / "energy_uj")

    def passed(self, before: int) -> int:
        """Microjoules since `before` was read, if it started over once at most."""
        spent = self.read() - before
        return spent if spent >= 0 else spent + _number(self.folder / "max_energy_range_uj")


def find_meters(powercap: Path = POWERCAP) -> list[Meter]:
    """The packages' counters that can be read; none on a machine without them, or where only root may."""
    meters = []
    for folder in sorted(powercap.glob("intel-rapl:*")) if powercap.is_dir() else ():
        try:
            meter = Meter((folder / "name").read_text().strip(), folder)
            meter.read()
        except (OSError, ValueError):
            continue
        if meter.name.startswith("package"):  # cores and memory are parts of it
            meters.append(meter)
    return meters


def measure_decode(video: str, decode: Callable[[], object], powercap: Path = POWERCAP) -> EnergyRow | None:
    """The joules of a call of `decode`, as a row of the ledger; None where nothing can be read.

    They are those of the whole processor meanwhile: its idle power and other programs' work are in them.
    """
    meters = find_meters(powercap)
    if not meters:
        return None
    before = [meter.read() for meter in meters]
    start = time.perf_counter()
    decode()
    seconds = time.perf_counter() - start
    joules = sum(meter.passed(spent) for meter, spent in zip(meters, before, strict=True)) / 1e6
    names = ", ".join(meter.name for meter in meters)
    source = (
        f"RAPL counters of this machine ({names}) in {seconds:.2f} s of decoding; idle power and other work included"
    )
    return EnergyRow(DECODE, video, DECODE, 1, None, "measured", source, joules)


def _number(path: Path) -> int:
    return int(path.read_text())
