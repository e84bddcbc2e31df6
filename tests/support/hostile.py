"""A corpus of hostile input: JSON documents, values for any field, and HTTP requests.

Nothing in it is valid anywhere: order-api answers 4xx, and a consumer refuses it with a reason.
"""

import gzip
import json

API_BYTES = 64 * 1024  # ``workers.api.gate.MAX_REQUEST_BYTES``
EVENT_BYTES = 254 * 1024  # ``workers.envelope.MAX_BODY_BYTES``
SECRET = "canary-9c2f"  # in some values: no refusal may quote it


def documents(size):
    """Return documents of up to ``size`` bytes."""
    return {
        "nothing but spaces": b" " * size,
        "deep lists": b"[" * (size // 2) + b"]" * (size // 2),
        "deep lists without an end": b"[" * size,
        "deep objects": b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6),
        "many empty lists": b"[" + b"[]," * (size // 3 - 2) + b"[]]",
        "many empty objects": b'{"x":[' + b"{}," * (size // 3 - 5) + b"{}]}",
        "many keys": _many_keys(size),
        "many duplicate keys": b"{" + b'"a":1,' * (size // 6 - 2) + b'"a":1}',
        "a long integer": b'{"eventType":' + b"9" * (size - 20) + b"}",
        "a long fraction": b'{"eventType":0.' + b"9" * (size - 20) + b"}",
        "a long exponent": b'{"eventType":1e' + b"9" * 20 + b"}",
        "a long text": b'{"eventType":"' + b"x" * (size - 20) + b'"}',
        "a long text of escapes": b'{"eventType":"' + rb"\u0000" * (size // 6 - 5) + b'"}',
        "a long key": b'{"' + b"x" * (size - 20) + b'":1}',
        "a long duplicate key": b"{" + 2 * (b'"' + b"x" * (size // 2 - 20) + b'":1,') + b'"a":1}',
        "a duplicate key of a customer": b'{"canary-9c2f@x.org":1,"canary-9c2f@x.org":1}',
        "NaN": b"NaN",
        "Infinity": b'{"a":-Infinity}',
        "UTF-8 cut off": b'{"eventType":"\xe2\x82',
        "overlong UTF-8": b'{"eventType":"\xc0\xaf"}',
        "UTF-8 of a surrogate": b'{"eventType":"\xed\xa0\x80"}',
        "UTF-16": '{"eventType":"x"}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "NUL": b'{"eventType":"a\x00b"}',
        "gzip": gzip.compress(b"{}"),
        "two documents": b"{}{}",
        "a comment": b'{"eventType":"x"/**/}',
        "a prototype": b'{"__proto__":{"eventType":"x"},"constructor":1}',
        "null": b"null",
    }


def _many_keys(size):
    keys = ",".join(f'"{i:06}":0' for i in range(size // 11 - 1))
    return f"{{{keys}}}".encode()


# JSON texts. None is valid for any field of an order or an event, but these for a reason, which is
# free text.
FREE_TEXTS = ("an infinite text", "two addresses", "a display name")
VALUES = {
    "a 200-digit integer": b"9" * 200,
    "a 5000-digit integer": b"9" * 5_000,
    "a negative 39-digit integer": b"-" + b"9" * 39,
    "a number too large for a float": b"1e400",
    "a number with a huge exponent": b"1e999999999999",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "an infinite text": b'"+Infinity"',
    "true": b"true",
    "an object": b'{"a":1}',
    "lists in lists": b"[" * 250 + b"]" * 250,
    "a lone surrogate": rb'"\ud800"',
    "surrogates in the wrong order": rb'"\udc00\ud800"',
    "NUL": rb'"a\u0000b"',
    "U+FFFF": rb'"a\uffffb"',
    "U+FFFE": b'"a\xef\xbf\xbeb"',
    "a line break": rb'"a\nb"',
    "a second header": rb'"a@example.com\r\nBcc: canary-9c2f@example.com"',
    "two addresses": b'"a@example.com, canary-9c2f@example.com"',
    "a display name": b'"canary-9c2f <a@example.com>"',
    "a link": b'"https://canary-9c2f.example/ <script>\\u0007"',
    "a template": rb'"${jndi:ldap://canary-9c2f}\u0000"',
    "a terminal's escape": rb'"\u001b[2Jcanary-9c2f"',
    "a long text": b'"' + b"x " * 20_000 + b'"',
    "a duplicate key": b'{"a":1,"a":2}',
}


def planted(document):
    """Yield (name, body) of a document with one hostile value in one field, for each field.

    Also with a field that stands there twice, and with a number that is none in an unknown field.
    """
    whole = json.dumps(document)
    for key in sorted({path[-1] for path in _paths(document) if isinstance(path[-1], str)}):
        yield f"{key}: twice", whole.replace(f'"{key}": ', f'"{key}": 0, "{key}": ', 1).encode()
    yield "unknown: NaN", f'{whole[:-1]}, "unknown": NaN}}'.encode()
    for path in _paths(document):
        for name, value in VALUES.items():
            if path[-1] == "reason" and name in FREE_TEXTS:
                continue
            marked = json.dumps(_with(document, path, "\N{BLACK STAR}"), ensure_ascii=False)
            body = marked.encode().replace('"\N{BLACK STAR}"'.encode(), value)
            yield f"{'.'.join(map(str, path))}: {name}", body


def _paths(value, path=()):
    children = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _with(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


_POST = b"POST /orders HTTP/1.1\r\nHost: order-api\r\nContent-Type: application/json\r\n"
_SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: order-api\r\n\r\n"
_GET = b"GET /healthz HTTP/1.1\r\nHost: order-api\r\n"
_CHUNK = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

# Requests that mean different things to different servers, or are too large.
REQUESTS = {
    "two lengths": _POST + b"Content-Length: 4\r\nContent-Length: 7\r\n\r\n{}{}{}{" + _SMUGGLED,
    "an unknown coding": _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + _SMUGGLED,
    "two codings": _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + _SMUGGLED,
    "a chunk that is longer than it says": _POST
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n"
    + _SMUGGLED,
    "a chunk of a size that is none": _POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
    "a space before the colon": _POST + b"Content-Length : 4\r\n\r\n{}{}",
    "a length that is none": _POST + b"Content-Length: 1_0\r\n\r\n" + _SMUGGLED,
    "a length of 30 digits": _POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "a NUL in a header": _GET + b"X-A: a\x00b\r\n\r\n",
    "headers of 600 kB": _GET + b"X-A: " + b"a" * 600_000 + b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n\r\n",
    "a length over the limit": _POST + b"Content-Length: 70000\r\n\r\n" + _SMUGGLED * 3,
    "chunks over the limit": _POST + b"Transfer-Encoding: chunked\r\n\r\n" + _CHUNK * 64,
}
