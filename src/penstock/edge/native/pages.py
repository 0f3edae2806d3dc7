"""The two pages for people: a welcome at ``/`` and the API reference at ``/docs``. Neither fetches anything."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse

# Nothing but the page's own style may load or run, whatever text ends up in it.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}

FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }}
pre {{ background: #f2f5f8; padding: .8rem; overflow-x: auto; border-radius: 6px }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9em }}
section {{ border-top: 1px solid #d8e0e8; margin-top: 1.5rem }}
table {{ border-collapse: collapse }} td {{ padding: .15rem 1rem .15rem 0; vertical-align: top }}
</style></head><body>{body}</body></html>"""

WELCOME = """<h1>Penstock</h1>
<p>One gateway in front of every model a product team uses: resilience, tenancy, money, audit and safe rollout.</p>
<p><a href="docs">API reference</a> · <a href="openapi.json">OpenAPI</a> · <a href="health">Health</a></p>
<p>A first call, with the demo configuration:</p>
<pre>curl {base}/v1/chat/completions \\
  -H 'authorization: Bearer sk-demo-pro' -H 'content-type: application/json' \\
  -d '{{"model": "chat", "messages": [{{"role": "user", "content": "Say hello."}}]}}'</pre>
<p>With the OpenAI SDK, set <code>base_url</code> to <code>{base}/v1</code>.</p>"""


def page_routes(app: FastAPI) -> APIRouter:
    """Both pages, of ``app``'s OpenAPI document; they are no part of it themselves."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def welcome(request: Request) -> HTMLResponse:
        return _page("Penstock", WELCOME.format(base=escape(_base(request))))

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        return _page("Penstock API", reference(app.openapi(), _base(request)))

    return router


def reference(document: dict[str, Any], base: str) -> str:
    """Every operation of an OpenAPI document as HTML."""
    info = document["info"]
    parts = [f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>", _paragraphs(info["description"])]
    parts.append('<p>The same for machines: <a href="openapi.json">openapi.json</a>.</p>')
    for path, operations in document["paths"].items():
        parts += [_operation(document, base, path, method, operation) for method, operation in operations.items()]
    return "\n".join(parts)


def _base(request: Request) -> str:
    """The address that the reader's browser used."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '127.0.0.1:8000')}"


def _operation(document: dict[str, Any], base: str, path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"]
    lines.append(_paragraphs(operation.get("description", operation["summary"])))
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        fields = {
            name: _field(field, name in schema.get("required", ())) for name, field in schema["properties"].items()
        }
        lines += ["<h3>Body</h3>", _table(fields)]
    parameters = {
        item["name"]: _field(item | item["schema"], item.get("required", False))
        for item in operation.get("parameters", ())
    }
    if parameters:
        lines += ["<h3>Parameters</h3>", _table(parameters)]
    lines.append(f"<pre>{escape(_curl(base, path, method, operation, content))}</pre>")
    answers = {status: answer["description"] for status, answer in operation["responses"].items()}
    lines += ["<h3>Answers</h3>", _table(answers), "</section>"]
    return "\n".join(lines)


def _field(schema: dict[str, Any], required: bool) -> str:  # noqa: FBT001 - a fact of the field, not a mode
    kinds = [option.get("format", option.get("type", "")) for option in schema.get("anyOf", [schema])]
    kind = " or ".join(kind for kind in kinds if kind and kind != "null")
    return f"{kind}{', required' if required else ''}. {schema.get('description', '')}"


def _curl(base: str, path: str, method: str, operation: dict[str, Any], content: dict[str, Any] | None) -> str:
    lines = [f"curl {'' if method == 'get' else f'-X {method.upper()} '}{base}{path}"]
    if operation["security"] and {} not in operation["security"]:
        lines.append("-H 'authorization: Bearer YOUR_KEY'")
    if content is not None:
        lines.append("-H 'content-type: application/json'")
        lines.append(f"-d '{json.dumps(content['example'])}'")
    return " \\\n  ".join(lines)


def _table(rows: dict[str, str]) -> str:
    cells = (f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(FRAME.format(title=escape(title), body=body), headers=HEADERS)
