"""What the command line makes of numbers."""

import pytest

from deploy.views import joules


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
