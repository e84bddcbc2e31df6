# The registry of the worker image, which terraform/bootstrap creates for all environments.

locals {
  repository_name     = "order-pipeline"
  registry_account_id = coalesce(var.registry_account_id, local.account_id)
  repository_arn      = "arn:${local.partition}:ecr:${var.region}:${local.registry_account_id}:repository/${local.repository_name}"
  repository_url      = "${local.registry_account_id}.dkr.ecr.${var.region}.${data.aws_partition.current.dns_suffix}/${local.repository_name}"

}
