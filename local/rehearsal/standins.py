"""Takes the place of two programs whose other end a machine without AWS does not have.

``docker`` builds nothing: a push puts a manifest into the embedded registry, because the embedded
AWS has ECR's API, but not the protocol of a registry. tests/containers builds the image.

``curl`` answers for Cognito's token endpoint and for API Gateway, which the embedded AWS can
create but not call. It gives a token for the right client and secret, refuses requests without a
token, and passes the others on to order-api.
"""

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
CURL: Final = "REHEARSAL_CURL"  # and the path of the real program
STAND_INS: Final = ("docker", "curl")
_TOKEN: Final = "token-of-the-rehearsal"  # noqa: S105 - of nothing real
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
    if url == os.environ[TOKEN_URL]:
        user = words[words.index("--user") + 1]
        if "grant_type=client_credentials" not in words or user != _client():
            return _UNAUTHORIZED
        sys.stdout.write(f'{{"access_token": "{_TOKEN}", "token_type": "Bearer"}}')
        return 0
    api, task = os.environ[API], os.environ[API_TASK]
    if not url.startswith(api) or f"Authorization: Bearer {_TOKEN}" not in words:
        return _UNAUTHORIZED
    passed = [task + word.removeprefix(api) if word == url else word for word in words]
    return subprocess.call([os.environ[CURL], *passed])  # noqa: S603 - words of our own document


def _client() -> str:
    """Read ``client:secret`` from Cognito."""
    cognito = boto3.client("cognito-idp")
    pool = os.environ[POOL]
    [client] = cognito.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"]
    found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client["ClientId"])
    return f"{client['ClientId']}:{found['UserPoolClient']['ClientSecret']}"


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
