"""What the command line makes of numbers."""

import shutil
from pathlib import Path

import pytest

from command import Command
from deploy.views.results import joules


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0 pJ"),
        (23.6e-12, "23.6 pJ"),
        (999.4e-12, "999 pJ"),
        (999.6e-12, "1 nJ"),
        (999.6e-6, "1 mJ"),
        (0.9996, "1 J"),
        (1.18e-3, "1.18 mJ"),
        (484.61, "485 J"),
        (999.6, "1,000 J"),
        (2633.04, "2,633 J"),
    ],
)
def test_joules_keep_three_digits_and_no_exponent(value: float, words: str) -> None:
    assert joules(value) == words


def test_names_with_brackets_are_printed_as_they_are(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    """rich takes [red] for a colour and [/b] for its end, which is an error where none began."""
    video = shutil.copy(clip, tmp_path / "walk [red] dQw4[b].avi")
    target = tmp_path / "mine.toml"
    price = 'value = 1\nunit = "pJ"\nsource = "Q [/q]"\nevidence = "assumed"\n'
    target.write_text(f'name = "a[/b]c"\ndescription = "d [/b]"\n[prices.mac]\n{price}')
    told = hybridnet("energy", tiny_bundle, video, "--target", target)
    assert (told.code, told.err) == (0, "")
    assert "walk [red] dQw4[b].avi: 3 clips, regime a[/b]c" in told.out
    assert "source: Q [/q]" in told.out
    told = hybridnet("targets", target)
    assert "a[/b]c: d [/b]" in told.out
    assert "Q [/q]" in told.out
