"""Only a token that the issuer signed for this API, and that is valid now, names a caller."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.issuer import DevelopmentIssuer
from workers.api.callers import MAX_SUBJECT, READ, WRITE, Caller
from workers.api.keys import GivenKeys, parse
from workers.api.problems import Refused
from workers.api.tokens import LEEWAY, Tokens


@pytest.fixture(scope="module", params=["ES256", "RS256"])
def issuer(request):
    return DevelopmentIssuer(algorithm=request.param)


@pytest.fixture(scope="module")
def tokens(issuer):
    return Tokens(GivenKeys(parse(issuer.document())), issuer.issuer, frozenset({"orders", "shop"}))


def identified(tokens, authorization):
    return asyncio.run(tokens.caller(authorization))


def refusal(tokens, authorization):
    with pytest.raises(Refused) as refused:
        identified(tokens, authorization)
    assert refused.value.status_code == 401
    return refused.value


def at_once(name, value):
    """Count the times of a token from now."""
    return value + int(time.time()) if name in ("exp", "nbf", "iat") and value else value


def encoded(part):
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_valid_token_names_its_caller_and_scopes(issuer, tokens):
    token = issuer.token("alice", "orders:read", "orders/write", "openid")

    assert identified(tokens, f"Bearer {token}") == Caller("alice", frozenset({READ, WRITE}))
    assert identified(tokens, f"bearer  {token} ") == Caller("alice", frozenset({READ, WRITE}))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": None, "client_id": "shop"},  # Cognito's access tokens
        {"aud": ["other", "orders"]},
    ],
)
def test_the_audience_may_be_a_list_or_without_one_the_client(issuer, tokens, claims):
    assert identified(tokens, f"Bearer {issuer.token('alice', **claims)}").subject == "alice"


@pytest.mark.parametrize("claims", [{"scp": "orders:read"}, {"scp": ["orders:read", 7]}])
def test_scopes_may_be_called_scp(issuer, tokens, claims):
    token = issuer.token("alice", scope=None, **claims)

    assert identified(tokens, f"Bearer {token}").scopes == {READ}


@pytest.mark.parametrize("claims", [{"scope": None}, {"scope": 7}, {"scope": {"orders:read": 1}}])
def test_a_token_without_readable_scopes_has_none(issuer, tokens, claims):
    assert identified(tokens, f"Bearer {issuer.token('alice', **claims)}").scopes == frozenset()


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"exp": -LEEWAY - 5}, "has expired"),
        ({"exp": None}, "lacks"),
        ({"nbf": LEEWAY + 300}, "not valid yet"),
        ({"iat": LEEWAY + 300}, "not valid yet"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": "https://issuer.invalid/"}, "another issuer"),
        ({"iss": None}, "lacks"),
        ({"aud": "payments"}, "another audience"),
        ({"aud": ["payments"], "client_id": "orders"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": None, "client_id": "stranger"}, "another audience"),
        ({"aud": {"orders": 1}}, "another audience"),
        ({"sub": None}, "lacks"),
        ({"sub": ""}, "cannot be verified"),
        ({"sub": 7}, "cannot be verified"),
        ({"sub": "x" * (MAX_SUBJECT + 1)}, "cannot be verified"),
    ],
)
def test_a_claim_that_does_not_fit_is_refused_with_the_reason(issuer, tokens, claims, text):
    # PyJWT does not sign claims of the wrong type itself.
    header = {"alg": issuer.algorithm, "kid": issuer.key_id}
    claims = {name: at_once(name, value) for name, value in claims.items()}
    body = jwt.decode(issuer.token("alice"), options={"verify_signature": False}) | claims
    body = {name: value for name, value in body.items() if value is not None}
    token = jwt.PyJWS().encode(json.dumps(body).encode(), issuer.key, issuer.algorithm, header)

    refused = refusal(tokens, f"Bearer {token}")

    assert text in refused.detail
    assert refused.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("claims", [{"exp": -LEEWAY // 2}, {"nbf": LEEWAY // 2}])
def test_clocks_may_differ_by_less_than_a_minute(issuer, tokens, claims):
    claims = {name: at_once(name, value) for name, value in claims.items()}
    assert identified(tokens, f"Bearer {issuer.token('alice', **claims)}").subject == "alice"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "x y z"])
def test_a_request_without_a_token_is_challenged_without_an_error_code(tokens, authorization):
    assert refusal(tokens, authorization).headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(issuer, tokens, algorithm):
    _, body, signature = issuer.token("alice").split(".")
    header = encoded({"alg": algorithm, "kid": issuer.key_id})

    for end in ("", signature):
        assert "cannot be verified" in refusal(tokens, f"Bearer {header}.{body}.{end}").detail


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(issuer, tokens, algorithm):
    _, body, _ = issuer.token("mallory", "orders:operate").split(".")
    header = encoded({"alg": algorithm, "kid": issuer.key_id})
    public = issuer.key.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        issuer.document().encode(),
    ):
        signature = hmac.new(secret, f"{header}.{body}".encode(), hashlib.sha256).digest()
        token = f"{header}.{body}.{encoded(signature)}"

        assert "cannot be verified" in refusal(tokens, f"Bearer {token}").detail


def test_a_token_cannot_bring_its_own_key(issuer, tokens):
    """Neither in the token nor by an address in it: order-api asks only the issuer."""
    own = DevelopmentIssuer(algorithm=issuer.algorithm)
    for header in (
        {"kid": issuer.key_id, "jwk": own.public()},
        {"kid": issuer.key_id, "jku": "http://169.254.170.2/keys"},
        {"kid": own.key_id, "x5u": "https://evil.example/chain"},
        {},
    ):
        token = jwt.encode(
            {
                "sub": "mallory",
                "iss": issuer.issuer,
                "aud": "orders",
                "exp": int(time.time()) + 600,
            },
            own.key,
            issuer.algorithm,
            headers=header,
        )
        assert refusal(tokens, f"Bearer {token}")


def test_a_changed_token_is_refused(issuer, tokens):
    header, body, signature = issuer.token("alice", "orders:read").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = encoded(claims | {"scope": "orders:operate"})

    assert "cannot be verified" in refusal(tokens, f"Bearer {header}.{changed}.{signature}").detail


@pytest.mark.parametrize("text", ["a", "a.b.c", "..", "\xff.\xff.\xff", "e30.e30.", "x" * 8000])
def test_text_that_is_no_token_is_refused(tokens, text):
    assert refusal(tokens, f"Bearer {text}")


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 9_000,
        b'{"a":' * 2_000,
        b'{"alg":7}',
        b'{"alg":["ES256"],"kid":"a"}',
        b'{"kid":{}}',
        b'{"kid":' + b"9" * 5_000 + b"}",
        b'{"alg":"ES256","b64":false,"crit":["b64"]}',
        b'{"alg":"ES256","crit":["x"]}',
        b"\xff",
        b"null",
    ],
)
def test_a_hostile_header_is_refused(issuer, tokens, header):
    _, body, signature = issuer.token("alice").split(".")

    assert refusal(tokens, f"Bearer {encoded(header)}.{body}.{signature}")


def test_keys_that_must_not_verify_tokens_are_left_out(issuer):
    good = issuer.public()
    short = DevelopmentIssuer(algorithm="RS256")
    short.key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - too short, as it must be
    secret = {"kty": "oct", "k": encoded(b"secret"), "kid": "shared", "alg": "HS256"}
    listed = [
        secret,
        good | {"kid": "encryption", "use": "enc"},
        good | {"kid": "other", "alg": "PS256"},
        {name: value for name, value in good.items() if name != "kid"},
        good | {"kid": 7},
        short.public() | {"kid": "short"},
        "text",
        good,
    ]

    assert list(parse(json.dumps({"keys": listed}))) == [issuer.key_id]


@pytest.mark.parametrize(
    "document", ["", "[]", "{}", '{"keys": []}', '{"keys": 7}', '{"keys": [{}]}']
)
def test_a_document_without_a_usable_key_is_refused(document):
    with pytest.raises(ValueError, match=r"key|Expecting"):
        parse(document)
