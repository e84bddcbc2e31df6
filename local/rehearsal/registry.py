"""Fills the registry of the embedded AWS with images that consist of a manifest only."""

import hashlib
import json
from typing import Final

import boto3

REPOSITORY: Final = "order-pipeline"  # repository_name in terraform/registry.tf


def create_registry(tag: str) -> None:
    """Create the registry, as terraform/bootstrap does in an account, and push an image."""
    boto3.client("ecr").create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
    push_image(REPOSITORY, tag)


def repository(url: str) -> str:
    """Return the name of a repository."""
    return url.partition("/")[2]


def push_image(name: str, tag: str) -> str:
    """Put an image into a repository. Returns its digest, which follows from the tag."""
    layer = hashlib.sha256(tag.encode()).hexdigest()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "layers": [{"digest": f"sha256:{layer}", "size": 0}],
    }
    answer = boto3.client("ecr").put_image(
        repositoryName=name, imageManifest=json.dumps(manifest), imageTag=tag
    )
    digest: str = answer["image"]["imageId"]["imageDigest"]
    return digest
