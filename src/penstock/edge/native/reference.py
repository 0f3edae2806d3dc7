"""The API reference: an OpenAPI document as HTML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from html import escape
from typing import Any

from penstock.edge.native.fields import Fields, Row

# Where a parameter stands, in the order in which a reader meets them.
PLACES = {"path": "In the path", "query": "In the query", "header": "Headers"}


class Reference:
    """Every operation of ``document``, with samples for the gateway at ``base`` and its ``key``."""

    def __init__(self, document: dict[str, Any], *, base: str, key: str) -> None:
        self._document = document
        self._base = base
        self._key = key
        self._fields = Fields(document)
        self._operations = [
            (method.upper(), path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]

    def html(self) -> str:
        """A table of contents, and a section for each operation."""
        info = self._document["info"]
        sections = [self._operation(*each) for each in self._operations]
        return (
            f"<nav>{self._contents()}</nav><main><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
            f"{paragraphs(info['description'])}"
            f'<p>The same for machines: <a href="openapi.json">openapi.json</a>.</p>{"".join(sections)}</main>'
        )

    def _contents(self) -> str:
        lines: list[str] = []
        group = ""
        for method, path, operation in self._operations:
            if operation["tags"][0] != group:
                group = operation["tags"][0]
                lines.append(f"<b>{escape(group)}</b>")
            lines.append(f'<a href="#{operation["operationId"]}"><i>{method}</i> {escape(path)}</a>')
        return "".join(lines)

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> str:
        parts = [f'<section id="{operation["operationId"]}"><h2><i>{method}</i> {escape(path)}</h2>']
        same = self._same(path, operation)
        if same is not None:
            link = f'<a href="#{same[1]["operationId"]}"><code>{escape(same[0])}</code></a>'
            return f"{parts[0]}<p>The same as {link}.</p></section>"
        parts.append(paragraphs(operation.get("description", operation["summary"])))
        parts.append(f"<pre>{escape(self._curl(method, path, operation))}</pre>")
        content = _json(operation.get("requestBody", {}))
        if content is not None:
            parts.append(table("Body", self._fields.of_body(content["schema"], asked=True)))
        for place, heading in PLACES.items():
            asked = [each for each in operation.get("parameters", ()) if each["in"] == place]
            parts.append(table(heading, map(self._fields.of_parameter, asked)))
        parts.append(self._answers(operation["responses"]))
        return "".join([*parts, "</section>"])

    def _same(self, path: str, operation: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """The path before this one that does the very same."""
        for _, other_path, other in self._operations:
            if other_path == path:
                return None
            if {**other, "operationId": ""} == {**operation, "operationId": ""}:
                return other_path, other
        return None

    def _answers(self, responses: dict[str, Any]) -> str:
        whole = responses["200"]
        content = _json(whole)
        rows = [] if content is None else self._fields.of_body(content["schema"], asked=False)
        failures = [Row(status, "", answer["description"]) for status, answer in responses.items() if status != "200"]
        return f"<h3>Answer</h3><p>{inline(whole['description'])}</p>{table('', rows)}{table('Errors', failures)}"

    def _curl(self, method: str, path: str, operation: dict[str, Any]) -> str:
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
        lines = [f"curl {self._base}{path}"]
        if operation["security"] and {} not in operation["security"]:
            lines.append(f"-H 'authorization: Bearer {self._key}'")
        content = _json(operation.get("requestBody", {}))
        if content is not None:
            lines.append("-H 'content-type: application/json'")
            lines.append(f"-d {shlex.quote(json.dumps(content['example'], indent=2))}")
        elif method != "GET":
            lines[0] = f"curl -X {method} {self._base}{path}"
        return " \\\n  ".join(lines)


def table(heading: str, rows: Iterable[Row]) -> str:
    """Rows under a heading; nothing where there are none."""
    lines = [
        f"<tr><td><code>{escape(row.name)}</code></td>"
        f"<td>{f'<small>{inline(row.kind)}</small>' if row.kind else ''}{inline(row.meaning)}</td></tr>"
        for row in rows
    ]
    return f"{f'<h3>{heading}</h3>' if heading else ''}<table>{''.join(lines)}</table>" if lines else ""


def paragraphs(text: str) -> str:
    """Plain text with blank lines between its paragraphs."""
    return "".join(f"<p>{inline(part)}</p>" for part in text.split("\n\n"))


def inline(text: str) -> str:
    """Plain text in which what stands between backticks is code."""
    pieces = [escape(piece) for piece in text.split("`")]
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _json(carrier: dict[str, Any]) -> dict[str, Any] | None:
    """What a request or response says in JSON."""
    found: dict[str, Any] | None = carrier.get("content", {}).get("application/json")
    return found
