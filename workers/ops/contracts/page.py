"""Shows the contract as one page of HTML: no scripts, and nothing to fetch.

AsyncAPI's own template needs Node.js and hundreds of packages; a reader needs a table per event.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from workers.deprecation import DEPRECATION
from workers.ops.contracts.contract import Contract, EventContract, Field

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
h2 { border-top: 1px solid #ccc; margin-top: 3rem; padding-top: 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .8rem .3rem 0; text-align: left;
  vertical-align: top }
code, pre { font: 14px/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: #f6f6f6; overflow-x: auto; padding: 1rem }
.deprecated { color: #a40000 }
"""
_HEAD: Final = ("field", "required", "rules", "meaning")


def page(asyncapi: Mapping[str, Any], contract: Contract) -> str:
    """Return the page for an AsyncAPI document of ``document`` and the contract of its version."""
    messages = asyncapi["components"]["messages"]
    title = escape(f"{asyncapi['info']['title']} {contract.version}")
    events = sorted(contract.events.items())
    listed = (
        (f'<a href="#{name}"><code>{name}</code></a>', *_parties(messages[name]))
        for name, _ in events
    )
    body = "\n".join(_section(name, event, messages[name]) for name, event in events)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>{escape(asyncapi["info"]["description"])}</p>
{_table(("event", "owner", "published by", "consumed by"), listed)}
{body}
</body>
</html>
"""


def _section(name: str, event: EventContract, message: Mapping[str, Any]) -> str:
    owner, publish, consume = _parties(message)
    example = json.dumps(message["examples"][0]["payload"], indent=2)
    rows = (
        _row(path, field) for path, field in sorted(event.fields.items(), key=_in_order) if path
    )
    return f"""<h2 id="{name}"><code>{name}</code></h2>
{_notice(message.get(DEPRECATION))}
<p>{_text(event.meaning)}</p>
<p>Owner: {owner}. Published by {publish}. Consumed by {consume}.</p>
{_table(_HEAD, rows)}
<pre>{escape(example)}</pre>"""


def _in_order(entry: tuple[str, Field]) -> tuple[bool, str]:
    """Put the envelope before the data."""
    return entry[0].startswith("data"), entry[0]


def _row(path: str, field: Field) -> tuple[str, ...]:
    rules = ", ".join(f"{name} {value}" for name, value in sorted(field.rules.items()))
    told = field.deprecated.model_dump(mode="json", by_alias=True) if field.deprecated else None
    return (
        f"<code>{escape(path)}</code>",
        "yes" if field.required else "no",
        f"<code>{escape(rules)}</code>",
        _notice(told) + _text(field.meaning),
    )


def _notice(told: Mapping[str, str] | None) -> str:
    if not told:
        return ""
    text = (
        f"Deprecated since {told['since']}, removed not before {told['removedNotBefore']}. "
        f"Instead: {told['instead']}"
    )
    return f'<p class="deprecated">{escape(text)}</p>'


def _parties(message: Mapping[str, Any]) -> tuple[str, str, str]:
    services = (", ".join(message[key]) or "nobody" for key in ("x-producers", "x-consumers"))
    publish, consume = map(escape, services)
    return escape(message["x-owner"]), publish, consume


def _text(words: str) -> str:
    """Escape a description; names between double backticks become code."""
    parts = escape(words).split("``")
    return "".join(f"<code>{each}</code>" if n % 2 else each for n, each in enumerate(parts))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{each}</th>" for each in head)
    lines = "\n".join(
        "<tr>" + "".join(f"<td>{each}</td>" for each in row) + "</tr>" for row in rows
    )
    return f"<table>\n<tr>{titles}</tr>\n{lines}\n</table>"
