# The registry of the worker image, shared by all environments: what was tested in one is the same
# digest in the next. Tags are immutable: each always means the same image.

locals {
  registry            = toset(var.registry_account_id == null ? ["this"] : [])
  registry_account_id = coalesce(var.registry_account_id, local.account_id)
  repository_arn      = "arn:${local.partition}:ecr:${var.region}:${local.registry_account_id}:repository/${local.name}"

  pull_actions = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer",
    "ecr:ListTagsForResource",
  ]
}

resource "aws_ecr_repository" "worker" {
  #checkov:skip=CKV_AWS_136:the image holds no secrets; ECR's own key encrypts it
  for_each = local.registry

  name                 = local.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "worker" {
  for_each = local.registry

  repository = aws_ecr_repository.worker[each.key].name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Delete untagged images after a week"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        # A release is three of them: image, signature, list of contents.
        rulePriority = 2
        description  = "Keep the last 100 releases for rollbacks"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 300 }
        action       = { type = "expire" }
      },
    ]
  })
}

resource "aws_ecr_repository_policy" "readers" {
  for_each = length(var.reader_account_ids) == 0 ? toset([]) : local.registry

  repository = aws_ecr_repository.worker[each.key].name
  policy     = data.aws_iam_policy_document.readers.json
}

data "aws_iam_policy_document" "readers" {
  statement {
    sid     = "OtherAccountsPull"
    actions = local.pull_actions

    principals {
      type        = "AWS"
      identifiers = [for id in sort(var.reader_account_ids) : "arn:${local.partition}:iam::${id}:root"]
    }
  }
}
