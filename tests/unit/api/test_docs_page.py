"""The documentation page works offline, and without an inline script."""

import re

import pytest


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
