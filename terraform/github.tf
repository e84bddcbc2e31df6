# Lets workflows on GitHub push the worker image without an AWS secret, and nothing else. Deploying
# means `terraform apply` with the new tag, under a role that is not created here: a role that may
# change roles and policies could grant itself everything.

locals {
  github = toset(var.github_repository == null ? [] : ["this"])
  # An account can have one of these.
  new_github_provider = var.github_oidc_provider_arn == null ? local.github : toset([])
  github_provider_arn = var.github_oidc_provider_arn == null ? one([for provider in aws_iam_openid_connect_provider.github : provider.arn]) : var.github_oidc_provider_arn
}

resource "aws_iam_openid_connect_provider" "github" {
  for_each = local.new_github_provider

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = local.github

  name                 = "${local.name}-github"
  description          = "Workflows of ${var.github_repository}, environment ${var.environment}: push the worker image"
  assume_role_policy   = data.aws_iam_policy_document.github_assumes[each.key].json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "github_assumes" {
  for_each = local.github

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    # An environment, not a branch: GitHub can require a review before a job runs in an environment.
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${var.environment}"]
    }
  }
}

resource "aws_iam_role_policy" "github" {
  for_each = local.github

  name   = "push"
  role   = aws_iam_role.github[each.key].id
  policy = data.aws_iam_policy_document.github.json
}

data "aws_iam_policy_document" "github" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action has no resource
  }

  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = ["arn:${local.partition}:ecr:${var.region}:${local.account_id}:repository/${local.name}"]
  }
}
