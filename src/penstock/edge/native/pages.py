"""The two pages for people: a welcome at ``/`` and the API reference at ``/docs``. Neither fetches anything."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse

from penstock.core.ports import Gateway
from penstock.edge.native.reference import Reference

# Nothing but the page's own style may load or run, whatever text ends up in it.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}

DEMO_KEY = "sk-demo-pro"

STYLE = """
:root { color-scheme: light dark; --text: #1c2733; --soft: #5b6b7b; --line: #dde4eb; --code: #f2f5f8; --link: #0b62a8 }
@media (prefers-color-scheme: dark) {
  :root { --text: #dbe3ea; --soft: #93a3b3; --line: #2c3742; --code: #1c242c; --link: #6db3f2 } body { background: #12181e }
}
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; color: var(--text) }
a { color: var(--link); text-decoration: none } a:hover { text-decoration: underline }
h2 { font-size: 1.15rem; overflow-wrap: anywhere } h3 { font-size: .95rem; margin: 1.4rem 0 .2rem }
i { font-style: normal; font-weight: 600; font-size: .8em; color: var(--soft) }
code, pre, h2, nav a { font-family: ui-monospace, monospace } code { font-size: .88em; overflow-wrap: anywhere }
p code, td + td code { background: var(--code); padding: .05em .3em; border-radius: 4px }
pre { background: var(--code); padding: .8rem 1rem; border-radius: 6px; font-size: .84rem; white-space: pre-wrap;
  overflow-wrap: anywhere }
section { border-top: 1px solid var(--line); margin-top: 2rem; scroll-margin-top: .5rem }
table { border-collapse: collapse; width: 100% } td { padding: .35rem 0; vertical-align: top }
tr + tr td { border-top: 1px solid var(--line) } td:first-child { width: 36%; padding-right: 1rem }
small { display: block; color: var(--soft); font-size: .84em }
nav a, nav b { display: block; font-size: .8rem; padding: .1rem 0; overflow-wrap: anywhere } nav b { margin-top: .8rem }
@media (min-width: 70rem) {
  body:has(nav) { max-width: 74rem; display: grid; grid-template-columns: 18rem minmax(0, 1fr); gap: 3rem }
  nav { position: sticky; top: 1rem; align-self: start }
}
@media (max-width: 34rem) {
  td, td:first-child { display: block; width: auto; padding: .35rem 0 } td + td, tr + tr td + td { border: 0; padding-top: 0 }
}
"""

FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head><body>{body}</body></html>"""

WELCOME = """<h1>Penstock</h1>
<p>One OpenAI-compatible gateway in front of your models: routing with retry and fallback, limits and budgets for each
tenant, registered prompts, a cache, audit and metrics.</p>
<p><a href="docs">API reference</a> · <a href="openapi.json">OpenAPI</a> · <a href="health">Health</a></p>
<p>A first call, with the demo configuration:</p>
<pre>curl {base}/v1/chat/completions \\
  -H 'authorization: Bearer {key}' \\
  -H 'content-type: application/json' \\
  -d '{{"model": "chat", "messages": [{{"role": "user", "content": "Say hello."}}]}}'</pre>
<p>With the OpenAI SDK, set <code>base_url</code> to <code>{base}/v1</code>.</p>"""


def page_routes(app: FastAPI, gateway: Gateway) -> APIRouter:
    """Both pages, of ``app``'s OpenAPI document; they are no part of it themselves."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def welcome(request: Request) -> HTMLResponse:
        return _page("Penstock", WELCOME.format(base=escape(_base(request)), key=DEMO_KEY))

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        key = DEMO_KEY if gateway.keyless else "YOUR_KEY"
        return _page("Penstock API", Reference(app.openapi(), base=_base(request), key=key).html())

    return router


def _base(request: Request) -> str:
    """The address that the reader's browser used."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '127.0.0.1:8000')}"


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(FRAME.format(title=escape(title), style=STYLE, body=body), headers=HEADERS)
