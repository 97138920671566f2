"""`hybridnet targets`: the targets that ship, and given ones in full, each checked by being read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from deploy.console import complain, counted, print_json, show
from deploy.views.results import new_table
from hardware import Price, Target, list_targets, load_target
from hardware.prices import Memory
from hybridnet.errors import PartialError, TargetError


def list_and_check(names: Sequence[str], as_json: bool) -> None:
    """List what ships; or show each given target in full, and go on past those that cannot be read.

    A line on stderr says what is wrong and where: TargetError for a single target, else PartialError after all of them.
    """
    if not names:
        found = [load_target(name) for name in list_targets()]
        if as_json:
            print_json({"targets": [target_dict(target) for target in found]})
        else:
            show(target_table(found))
        return
    rows, wrong = [], []
    for name in names:
        try:
            target = load_target(name)
        except TargetError as error:
            if len(names) == 1:
                raise
            wrong.append(name)
            rows.append({"target": name, "error": str(error)})
            complain(error)
            continue
        rows.append(target_dict(target))
        if not as_json:
            show(*_in_full(target))
    if as_json:
        print_json({"targets": rows})
    if wrong:
        raise PartialError(f"{counted(len(wrong), 'target')} of {len(names)} cannot be used: {', '.join(wrong)}")


def target_table(targets: Sequence[Target]) -> Table:
    """Targets, one a row: what each can be used for, and what it states."""
    table = new_table("targets", "target", "use", "limits", "prices", "description")
    for target in targets:
        prices = ", ".join(target.prices) or "-"
        table.add_row(target.name, ", ".join(_uses(target)), str(len(target.limits)), prices, target.description)
    return table


def target_dict(target: Target) -> dict[str, Any]:
    """A target with all it states, JSON-ready."""
    return {
        "name": target.name,
        "use": _uses(target),
        "description": target.description,
        "limits": {name: asdict(limit) for name, limit in target.limits.items()},
        "prices": {name: asdict(price) for name, price in target.prices.items()},
        "memories": {name: asdict(memory) for name, memory in target.memories.items()},
        "chip": target.chip or None,
    }


def _in_full(target: Target) -> Iterator[Table | str]:
    mapped = f"; graphs are mapped as on {target.chip}" if target.chip else ""
    yield f"{target.name}: {target.description}; for {' and '.join(_uses(target))}{mapped}"
    if target.limits:
        table = new_table("limits", "limit", "value", "unit", "source")
        for name, limit in target.limits.items():
            value = " ".join(limit.value) if isinstance(limit.value, tuple) else _number(limit.value)
            table.add_row(name, value, limit.unit, _said(limit.source, limit.note))
        yield table
    for title, known in (("prices", target.prices), ("memories", target.memories)):
        if known:
            yield _priced(title, known)


def _priced(title: str, known: Mapping[str, Price] | Mapping[str, Memory]) -> Table:
    table = new_table(title, "of", "value", "unit", "evidence", "source")
    for name, price in known.items():
        table.add_row(name, f"{price.value:g}", price.unit, price.evidence, _said(price.source, price.note))
    return table


def _number(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _said(source: str, note: str) -> str:
    return f"{source} ({note})" if note else source


def _uses(target: Target) -> list[str]:
    return [use for use, data in (("export", target.limits), ("energy", target.prices)) if data]
