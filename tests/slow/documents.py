"""Parts of documents that a command writes."""

import re
from pathlib import Path


def write_part(document: Path, name: str, text: str) -> None:
    """Put a text between the marks <!-- NAME --> and <!-- end of NAME -->, in place of what is there."""
    marks = rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)"
    changed, count = re.subn(marks, lambda _: text, document.read_text(), flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{document}: has {count} parts called {name}, not one")
    document.write_text(changed)
