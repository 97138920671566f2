"""What the tests of the command line share."""

import pytest

from deploy import console


@pytest.fixture(autouse=True)
def without_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine may take longer than their interval, and tests count the lines on stderr."""
    monkeypatch.setattr(console, "INTERVAL", 3600.0)
