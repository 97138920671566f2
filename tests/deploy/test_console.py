"""Progress where stderr is no terminal: plain lines now and then, never a control code."""

import re
from collections.abc import Callable

import pytest

from deploy import console


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Waits for that many lines on stderr."""
    monkeypatch.setattr(console, "INTERVAL", 0.01)
    text = ""

    def wait(count: int) -> list[str]:
        nonlocal text
        while text.count("\n") < count:
            text += capsys.readouterr().err
        return text.splitlines()

    return wait


@pytest.mark.parametrize(("number", "words"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips"), (1200, "1,200 clips")])
def test_one_is_no_plural(number: int, words: str) -> None:
    assert console.counted(number, "clip") == words


def test_no_others_are_done_where_all_failed() -> None:
    assert console.some_of(2, 5, "failed") == "2 of 5 videos failed, each named above; the others are done"
    assert console.some_of(2, 2, "were rejected") == "2 of 2 videos were rejected, each named above"


def test_lines_say_what_is_done_of_how_much(lines: Callable[[int], list[str]]) -> None:
    with console.progress() as bar:
        task = bar.add_task("predicting", total=1200)
        first = lines(1)[0]
        bar.update(task, advance=1100, description="predicted [a].mp4")
        last = lines(len(lines(1)) + 2)[-1]
    assert re.fullmatch(r"hybridnet: predicting, 0 of 1,200, \d+ s", first)
    assert re.fullmatch(r"hybridnet: predicted \[a\]\.mp4, 1,100 of 1,200, \d+ s", last)


def test_lines_without_an_end_in_sight(lines: Callable[[int], list[str]]) -> None:
    with console.progress() as bar:
        bar.add_task("verifying", total=None)
        assert all(re.fullmatch(r"hybridnet: verifying, \d+ s", line) for line in lines(3))


def test_nothing_is_said_of_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as bar:
        bar.add_task("verifying", total=None)
    assert capsys.readouterr() == ("", "")
