# The image that each service runs, by digest: a tag is resolved once, in the plan, which fails if the
# registry has no such image. Without a tag, each service keeps the image that it runs, so a change of
# capacity deploys nothing, not even a release that ECS has rolled back.

locals {
  # A service can run another image than the rest: to deploy it alone, or to roll it back alone.
  image_tag_of = { for name in keys(local.services) : name => lookup(var.image_tags, name, var.image_tag) }
  images = {
    for name, tag in local.image_tag_of : name => (
      tag == null
      ? data.aws_ecs_container_definition.running[name].image
      : "${local.repository_url}@${data.aws_ecr_image.worker[tag].image_digest}"
    )
  }
}

# Terraform prints the first line of a block that fails: it says what to do.
data "aws_ecr_image" "worker" { # no such image in the registry? `make image` pushes this commit's; or name one that exists: TAG=... (image_tag, image_tags)
  for_each = toset(compact(values(local.image_tag_of)))

  registry_id     = local.registry_account_id
  repository_name = local.repository_name
  image_digest    = startswith(each.key, "sha256:") ? each.key : null
  image_tag       = startswith(each.key, "sha256:") ? null : each.key
}

# Not the newest task definition: after a rollback, the service runs an older one.
data "aws_ecs_service" "running" { # not created yet? Name an image: TAG=... (image_tag), which `make image` pushes
  for_each = toset([for name, tag in local.image_tag_of : name if tag == null])

  cluster_arn  = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:cluster/${local.name}"
  service_name = each.key
}

data "aws_ecs_container_definition" "running" {
  for_each = data.aws_ecs_service.running

  task_definition = each.value.task_definition
  container_name  = each.key
}
