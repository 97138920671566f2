"""`hybridnet report DIR VIDEO`: one page that holds everything, parsed, and opened in a browser where there is one."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from browser import CHROMIUM, brightness, look
from command import Command

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """The tags of a page with their attributes, its text, and whether all that opens closes in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tiny_bundle: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deploy.views.report import report_video

    path = tmp_path_factory.mktemp("report") / "report.html"
    report_video(tiny_bundle, clip, path, True)
    return path


@pytest.fixture(scope="module")
def parsed(page: Path) -> Page:
    return Page(page.read_text())


def test_the_command_tells_what_the_other_commands_tell(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.html"
    told = json.loads(hybridnet("report", tiny_bundle, clip, "-o", path, "--json").out)
    ran = json.loads(hybridnet("run", tiny_bundle, clip, "--json").out)["videos"][0]
    assert told["label"] == ran["label"]
    assert told["energy"]["paper-45nm"] == ran["energy"]["total"]
    assert (told["report"], told["verified"]) == (str(path), True)
    text = Page(path.read_text()).text
    assert f"{ran['scores'][ran['label']]:.1%}" in text
    for row in ran["energy"]["rows"]:
        assert f"{row['count']:,}" in text, row


def test_every_row_stands_with_its_price_and_source(
    hybridnet: Command, parsed: Page, tiny_bundle: Path, clip: Path
) -> None:
    said = [words for _, attributes in parsed.tags if (words := attributes.get("aria-label"))]
    for regime in ("paper-45nm", "loihi1", "horowitz-45nm+memory"):
        told = json.loads(hybridnet("energy", tiny_bundle, clip, "--target", regime, "--json").out)
        rows = told["videos"][0]["energy"]["rows"]
        spiking = [row for row in rows if row["part"] in ("motion", "residual") and row["joules"] and row["price_pj"]]
        assert len(spiking) >= 6
        for row in spiking:
            price = f"{row['count']:,} \u00d7 {row['price_pj']:.4g} pJ = "
            source = f"; {row['evidence']}: {row['source']}"
            assert any(price in words and source in words for words in said), row


def test_it_stands_alone(page: Path, parsed: Page) -> None:
    html = page.read_text()
    assert parsed.all("script") == parsed.all("link") == []
    assert "url(" not in html
    assert "@import" not in html
    for image in parsed.all("img"):
        assert (image["src"] or "").startswith("data:image/png;base64,")
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert str(page.parent) not in html
    assert str(Path(__file__).parents[2]) not in html


def test_a_screen_reader_finds_its_way(parsed: Page) -> None:
    assert {len(parsed.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")} == {1}
    assert parsed.all("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in parsed.all("a"):
        assert (link["href"] or "").removeprefix("#") in ids
    assert all(section["aria-labelledby"] in ids for section in parsed.all("section"))
    alts = [image["alt"] for image in parsed.all("img")]
    assert all(alts)
    assert len(set(alts)) > 20
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))
    for _, attributes in parsed.tags:
        assert attributes.get("role") not in ("img", "region") or attributes.get("aria-label")


def test_all_that_was_asked_for_is_there(parsed: Page) -> None:
    for words in (
        "Prediction", "I-frame", "motion", "residual", "readout, strongest of 16 channels", "membrane_update",
        "paper-45nm", "loihi1", "loihi2-assumed", "dense baseline",
        "ConvLSTM baseline", "break-even", "ingest", "bridge", "ok motion on integer", "untrained",
    ):  # fmt: skip
        assert words in parsed.text, words


def test_the_mapping_is_that_of_the_bundles_target(parsed: Page, tiny_bundle: Path) -> None:
    from deploy.bundle import read_bundle
    from hardware import load_target, map_graphs

    mapping = map_graphs(read_bundle(tiny_bundle).graphs, load_target("loihi2"))
    cores = sum(layer.fit.cores.number for layer in mapping.layers)
    assert f"{cores:,} cores on" in parsed.text
    for stream in ("motion", "residual"):
        assert f"{stream}/conv1 16x56x56" in parsed.text


def test_names_from_outside_stay_text(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    """A bundle's labels and folder and a video's name that would be markup, script and attributes."""
    evil = '<script>alert("1")</script>&\u202e"\'>'
    bundle = tmp_path / "b<b>'\"&.bundle"
    shutil.copytree(tiny_bundle, bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["labels"] = [f"{evil}{i}" for i in range(len(manifest["labels"]))]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    video = tmp_path / "<img src=x onerror=alert(1)> \udcff.avi"
    shutil.copy(clip, video)
    done = hybridnet("report", bundle, video, "-o", tmp_path / "a.html")
    assert done.code == 0, done.err
    html = (tmp_path / "a.html").read_text()
    parsed = Page(html)
    assert parsed.all("script") == parsed.all("b") == []
    assert all("onerror" not in attributes for attributes in parsed.all("img"))
    assert '<script>alert("1")</script>&' in parsed.text
    assert "<img src=x onerror=alert(1)> ?.avi" in parsed.text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("{bundle}", "no.avi"), 1, "no.avi: no such file"),
        (("no.bundle", "{clip}"), 1, "no.bundle: no such bundle"),
        (("{clip}", "{clip}"), 1, "not a bundle"),
        (("{bundle}", "{clip}", "-o", "{clip}"), 1, "is the input"),
        (("{bundle}", "{clip}", "-o", "{bundle}/a.html"), 1, "lies in the input"),
        (("{bundle}", "{clip}", "-o", "no/a.html"), 1, "cannot be written"),
        (("{bundle}", "no", "{clip}"), 1, "no: no such bundle"),
        (("{bundle}", "."), 1, "lies in the input"),
        (("{bundle}", "{bundle}", "-o", "{bundle}/a.html"), 1, "lies in the input"),
        (("{bundle}", "-o", "a.html"), 2, "1 path"),
        (("{bundle}", "{bundle}", "{clip}", "{clip}"), 2, "4 paths"),
    ],
)
def test_bad_input_is_one_line(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], code: int, words: str,
) -> None:  # fmt: skip
    bundle, video = tmp_path / "tiny.bundle", tmp_path / "walk.avi"
    shutil.copytree(tiny_bundle, bundle)
    shutil.copy(clip, video)
    before = video.read_bytes()
    monkeypatch.chdir(tmp_path)
    done = hybridnet("report", *(word.format(bundle=bundle, clip=video) for word in arguments))
    assert done.code == code
    assert words in done.err
    assert code == 2 or len(done.err.splitlines()) == 1
    assert video.read_bytes() == before
    assert not list(tmp_path.rglob("*.html"))


MEASURE = """
const shown = [...page.images].filter(i => i.complete && i.naturalWidth > 0).length;
const segment = page.querySelector(".seg"), tip = segment.querySelector(".tip");
const hidden = view.getComputedStyle(tip).display;
segment.focus();
return {
  width: page.documentElement.scrollWidth, images: page.images.length, shown, hidden,
  tip: view.getComputedStyle(tip).display,
  background: view.getComputedStyle(page.body).backgroundColor, ink: view.getComputedStyle(page.body).color,
  fetched: view.performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
  narrow: [...page.querySelectorAll("p, h1, h2, h3, li, figcaption, dd, img")]
    .filter(e => e.getBoundingClientRect().right > view.innerWidth + 1 && !e.closest(".scroll")).length,
  small: [...page.querySelectorAll("p, li, dd, td, figcaption")]
    .filter(e => parseFloat(view.getComputedStyle(e).fontSize) < 12).length,
};
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, True)])
def test_in_a_browser(page: Path, width: int, dark: bool) -> None:
    found = look(page, MEASURE, width=width, dark=dark)
    assert found["width"] == width  # nothing to scroll sideways
    assert (found["narrow"], found["small"], found["fetched"]) == (0, 0, [])
    assert found["shown"] == found["images"] > 20
    assert (found["hidden"], found["tip"]) == ("none", "block")
    assert (brightness(found["background"]) < 60) == dark
    assert abs(brightness(found["ink"]) - brightness(found["background"])) > 150
