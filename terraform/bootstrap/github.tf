# Roles of the workflows in .github/workflows. GitHub signs a token for each job, and AWS exchanges it
# for credentials of an hour: no key is stored. A role trusts one repository and one environment on
# GitHub. There, rules decide which branches may use the environment and who must approve.

locals {
  github = toset(var.github_repository == null ? [] : ["this"])
  # An account can have one of these.
  new_provider = var.github_oidc_provider_arn == null ? local.github : toset([])
  provider_arn = var.github_oidc_provider_arn == null ? one([for provider in aws_iam_openid_connect_provider.github : provider.arn]) : var.github_oidc_provider_arn

  # Environment on GitHub, by role. build exists only in the account of the registry.
  roles = var.github_repository == null ? {} : merge(
    { plan = "plan" },
    { for role in local.registry : "build" => "build" },
    { for name in var.environments : "deploy-${name}" => name },
  )
}

resource "aws_iam_openid_connect_provider" "github" {
  for_each = local.new_provider

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each = local.roles

  name                 = "${local.name}-${each.key}"
  description          = "Workflows of ${var.github_repository} in the environment ${each.value}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${each.value}"]
    }
  }
}

# --- build: push images, and nothing else ------------------------------------

resource "aws_iam_role_policy" "build" {
  for_each = { for role in keys(local.roles) : role => role if role == "build" }

  name   = "push"
  role   = aws_iam_role.github[each.key].name
  policy = data.aws_iam_policy_document.build.json
}

data "aws_iam_policy_document" "build" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # this action has no resource
  }

  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
  statement {
    sid = "Push"
    actions = concat(local.pull_actions, [
      "ecr:CompleteLayerUpload",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ])
    resources = [local.repository_arn]
  }
}

# --- plan: read settings, but no data ----------------------------------------

locals {
  # Not AWS's policy ReadOnlyAccess: it also reads what customers wrote, and a pull request must not.
  plan_actions = concat(
    # Not sqs, sns, servicediscovery, route53 and iam: they have no action of this name.
    [
      for service in [
        "acm", "application-autoscaling", "cloudfront", "cloudtrail", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "events",
        "kms", "logs", "ses", "wafv2",
      ] : "${service}:Describe*"
    ],
    [
      for service in [
        "acm", "application-autoscaling", "cloudfront", "cloudtrail", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "events",
        "iam", "kms", "logs", "route53", "route53resolver", "servicediscovery", "ses", "sns", "sqs", "wafv2",
      ] : "${service}:List*"
    ],
    [for service in ["cloudfront", "cloudtrail", "iam", "kms", "route53", "route53resolver", "servicediscovery", "ses", "sns", "wafv2"] : "${service}:Get*"],
    [
      "apigateway:GET",
      "athena:GetNamedQuery",
      "athena:GetWorkGroup",
      "athena:ListTagsForResource",
      "budgets:ListTagsForResource",
      "budgets:ViewBudget",
      "cloudwatch:GetDashboard",
      "cognito-idp:Describe*",
      "cognito-idp:GetUserPoolMfaConfig",
      "cognito-idp:ListTagsForResource",
      "firehose:DescribeDeliveryStream",
      "firehose:ListTagsForDeliveryStream",
      "glue:GetDatabase",
      "glue:GetPartitionIndexes",
      "glue:GetTable",
      "glue:GetTags",
      "s3:GetAccelerateConfiguration",
      "s3:GetBucket*",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "ssm:DescribeParameters",
    ],
  )
}

resource "aws_iam_role_policy" "plan" {
  for_each = { for role in keys(local.roles) : role => role if role == "plan" }

  name   = "read"
  role   = aws_iam_role.github[each.key].name
  policy = data.aws_iam_policy_document.plan.json
}

data "aws_iam_policy_document" "plan" {
  #checkov:skip=CKV_AWS_356:a plan reads the settings of everything
  statement {
    sid       = "Settings"
    actions   = local.plan_actions
    resources = ["*"]
  }

  # The configuration of CloudFront shows the same keys.
  statement {
    sid       = "Keys"
    actions   = ["ssm:GetParameter", "ssm:ListTagsForResource"]
    resources = [for name in var.environments : "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${name}-order-pipeline/origin-key/*"]
  }

  # A plan takes no lock, so it writes nothing.
  statement {
    sid       = "States"
    actions   = ["s3:GetObject"]
    resources = values(local.state_arns)
  }
}
