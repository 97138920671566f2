"""A page in headless Chromium: what a script beside it finds in an iframe of a given width."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

WRAPPER = """<!doctype html><iframe id="page" src="{page}" style="border:0;width:{width}px;height:800px"></iframe>
<pre id="found"></pre><script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {{
  const view = frame.contentWindow, page = frame.contentDocument;
  document.getElementById("found").textContent = JSON.stringify((() => {{ {script} }})());
}});
</script>"""


def look(page: Path, script: str, *, width: int, dark: bool = False) -> Any:
    """What `script` returns of the page, opened `width` pixels wide: JavaScript that knows `page` and `view`."""
    wrapper = page.with_name("wrapper.html")
    wrapper.write_text(WRAPPER.format(page=page.name, width=width, script=script))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", scheme,
            "--allow-file-access-from-files", f"--user-data-dir={page.with_name('chromium')}",
            "--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom", wrapper.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    (found,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(unescape(found))


def brightness(colour: str) -> float:
    """Mean of the channels of "rgb(r, g, b)", 0..255."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
