# Traces: a collector next to each worker, which sends spans to X-Ray.

locals {
  # ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST
  collector_image = var.tracing == null ? null : regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[^/]+/(?P<name>[^@]+)@", var.tracing.image)

  # ECS and the endpoints of the registry may read it.
  collector_repository_arns = var.tracing == null ? [] : [
    "arn:${local.partition}:ecr:${local.collector_image.region}:${local.collector_image.account}:repository/${local.collector_image.name}"
  ]
}
