"""The documentation page works offline, and without an inline script."""

import re

import pytest
from support.order_api import Api

from workers.api.authentication import unauthorized
from workers.settings import Settings


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script(api):
    page = api.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "://" not in page.text
    assert re.findall(r"<script(?! src=)|\son\w+=|<style|style=", page.text) == []


def test_everything_that_the_page_loads_is_served(api):
    loaded = re.findall(r'(?:src|href)="(docs/[^"]+)"', api.get("/docs").text)
    assert len(loaded) == 3
    for path in loaded:
        answer = api.get(f"/{path}")
        kind = "css" if path.endswith(".css") else "javascript"
        assert (answer.status_code, kind in answer.headers["Content-Type"]) == (200, True)
        assert answer.content


def test_the_script_reads_the_document_of_this_api(api):
    [document] = re.findall(r'url: "([^"]+)"', api.get("/docs/start.js").text)
    assert api.get(f"/{document}").json()["info"]["title"] == "order-api"


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css"])
def test_the_page_is_no_part_of_the_api(api, path):
    assert path not in api.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    "path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/openapi.json"]
)
def test_the_page_and_the_document_are_off_unless_they_are_asked_for(path):
    assert Api(docs=False).get(path).status_code == 404
    assert Settings().api_docs is False


def test_the_page_needs_no_token():
    async def nobody(_authorization):
        raise unauthorized("no")

    api = Api(identify=nobody)
    loaded = re.findall(r'(?:src|href)="(docs/[^"]+)"', api.get("/docs").text)

    assert [api.get(f"/{path}").status_code for path in [*loaded, "openapi.json"]] == [200] * 4
    assert api.get("/docs/other").status_code == 401
