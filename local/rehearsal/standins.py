"""Takes the place of two programs whose other end a machine without AWS does not have.

``docker`` builds nothing: a push puts a manifest into the embedded registry, because the embedded
AWS has ECR's API, but not the protocol of a registry. tests/containers builds the image.

``curl`` answers for Cognito's token endpoint and for API Gateway, which the embedded AWS can
create but not call. It gives the token of a client for the right secret, refuses requests without
such a token, and passes the others on to order-api, which verifies it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import boto3

from local.rehearsal.registry import push_image, repository

API: Final = "REHEARSAL_API"  # variables: the URL of the API,
API_TASK: Final = "REHEARSAL_API_TASK"  # the address of a task of order-api,
POOL: Final = "REHEARSAL_POOL"  # the user pool,
TOKEN_URL: Final = "REHEARSAL_TOKEN_URL"  # noqa: S105 - its token endpoint,
TOKENS: Final = "REHEARSAL_TOKENS"
CURL: Final = "REHEARSAL_CURL"  # and the path of the real program
STAND_INS: Final = ("docker", "curl")
_UNAUTHORIZED: Final = 22  # curl's exit code for an error response with -f


def docker(words: Sequence[str], given: str) -> int:
    """Accept ``docker login``, ``docker run`` of binfmt and ``docker buildx build --push``."""
    match words:
        case ["login", *_, "--password-stdin", registry]:
            return 0 if given.strip() and ".dkr.ecr." in registry else _refuse(words)
        case ["run", "--privileged", "--rm", "tonistiigi/binfmt", "--install", _]:
            return 0
        case ["buildx", "build", *options, "--push", "."] if Path("Dockerfile").is_file():
            reference = options[options.index("--tag") + 1]
            name, _, tag = reference.rpartition(":")
            push_image(repository(name), tag)
            return 0
        case _:
            return _refuse(words)


def curl(words: Sequence[str]) -> int:
    """Answer for the token endpoint, or call order-api with the real program."""
    [url] = [word for word in words if word.startswith("https://")]
    tokens: dict[str, str] = json.loads(os.environ[TOKENS])
    if url == os.environ[TOKEN_URL]:
        client, _, secret = words[words.index("--user") + 1].partition(":")
        if "grant_type=client_credentials" not in words or secret != _secret(client):
            return _UNAUTHORIZED
        sys.stdout.write(json.dumps({"access_token": tokens[client], "token_type": "Bearer"}))
        return 0
    api, task = os.environ[API], os.environ[API_TASK]
    headers = {f"Authorization: Bearer {token}" for token in tokens.values()}
    if not url.startswith(api) or headers.isdisjoint(words):
        return _UNAUTHORIZED
    passed = [task + word.removeprefix(api) if word == url else word for word in words]
    return subprocess.call([os.environ[CURL], *passed])  # noqa: S603 - words of our own document


def _secret(client: str) -> str:
    """Read the secret of a client from Cognito."""
    found = boto3.client("cognito-idp").describe_user_pool_client(
        UserPoolId=os.environ[POOL], ClientId=client
    )
    secret: str = found["UserPoolClient"]["ClientSecret"]
    return secret


def _refuse(words: Sequence[str]) -> int:
    sys.stderr.write(f"docker has a stand-in here, which does not know: {' '.join(words)}\n")
    return 1


def main() -> int:
    """Run one of the programs. Returns its exit code."""
    program, *words = sys.argv[1:]
    if program == "docker":
        return docker(words, sys.stdin.read() if words[:1] == ["login"] else "")
    return curl(words)


if __name__ == "__main__":
    sys.exit(main())
