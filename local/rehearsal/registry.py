"""Fills the registry of the embedded AWS with images that consist of a manifest only."""

import hashlib
import json

import boto3

from local.rehearsal.terraform import Terraform


def create_registry(terraform: Terraform, tag: str) -> None:
    """Create the registry and push an image, before all other resources are created."""
    target = "-target=aws_ecr_repository.worker"
    terraform.run("apply", "-auto-approve", *terraform.variables, target)
    push_image(repository(terraform.run("output", "-raw", "repository_url")), tag)


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
