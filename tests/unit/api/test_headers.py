"""Every response has the security headers."""

import pytest
from support.order_api import Api

from workers.runtime.errors import FatalError


def directives(answer):
    policy = answer.headers["Content-Security-Policy"]
    return dict(each.strip().partition(" ")[::2] for each in policy.split(";"))


def answers(api, order):
    api.store.fail_next("commit", FatalError("denied"))
    crashed = api.post("/orders", order)
    placed = api.post("/orders", order)
    yield crashed, 500
    yield placed, 202
    yield api.get(placed.headers["Location"]), 200
    yield api.get("/orders/nope"), 404
    yield api.post("/orders", {}), 422
    yield api.get("/healthz"), 200
    yield api.get("/docs"), 200
    yield Api(origin_keys=("k" * 16,)).get("/orders/1"), 403


def test_every_response_has_them_whatever_it_is(api, order):
    for answer, status in answers(api, order):
        assert answer.status_code == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        found = directives(answer)
        assert found["frame-ancestors"] == found["default-src"] == found["base-uri"] == "'none'"
        assert not any("unsafe" in value or "*" in value for value in found.values())
        if not answer.url.path.startswith("/docs"):
            assert "script-src" not in found


def test_the_documentation_page_may_load_its_own_files_only(api):
    found = directives(api.get("/docs"))

    assert found["script-src"] == found["style-src"] == found["connect-src"] == "'self'"
    assert found["img-src"] == "'self' data:"


def test_the_large_files_of_the_page_may_be_cached(api):
    assert api.get("/docs/swagger-ui.css").headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "http"}, False),
        ({"Forwarded": 'for=192.0.2.1;host="api.example.com";proto=https'}, True),
        ({"Forwarded": "for=192.0.2.1;Proto=HTTPS"}, True),
        ({"Forwarded": "for=192.0.2.1;proto=http"}, False),
    ],
)
def test_browsers_are_told_to_use_tls_where_the_client_did(api, headers, expected):
    answer = api.get("/healthz", headers=headers)

    assert ("Strict-Transport-Security" in answer.headers) == expected
