"""The page that documents the API, without a file from elsewhere and without an inline script.

Swagger UI (Apache License 2.0) comes with the package fastapi-offline (MIT), which has nothing else
that is used here.
"""

from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

DOCUMENT: Final = "/openapi.json"
PAGE: Final = "/docs"
# Name below PAGE -> media type.
ASSETS: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_A_DAY: Final = {"Cache-Control": "public, max-age=86400"}
_START: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_HTML: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


def pages() -> frozenset[str]:
    """Return the path of the API document, and those of its page."""
    return frozenset({DOCUMENT, PAGE, f"{PAGE}/start.js", *(f"{PAGE}/{name}" for name in ASSETS)})


def documentation(title: str) -> APIRouter:
    """Return the routes of the page. Paths are relative, so a gateway may add a prefix."""
    router = APIRouter(include_in_schema=False)
    page = _HTML.format(title=escape(title))

    async def show() -> Response:
        return HTMLResponse(page)

    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_A_DAY)

    router.add_api_route(PAGE, show)
    router.add_api_route(f"{PAGE}/start.js", start)
    for name in ASSETS:
        router.add_api_route(f"{PAGE}/{name}", _asset(name))
    return router


def _asset(name: str) -> Callable[[], Response]:
    def serve() -> Response:
        """Read the file for each request: few ask, and it has 1.5 MB."""
        body = files("fastapi_offline").joinpath("static", name).read_bytes()
        return Response(body, media_type=ASSETS[name], headers=_A_DAY)

    return serve
