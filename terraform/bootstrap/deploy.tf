# The role that deploys an environment, and the boundary of the roles that it creates. A role that may
# create roles could grant itself everything. This one creates only roles of its environment, and only
# with the boundary. It cannot change itself, the boundary, or the roles of another environment.

locals {
  deploys    = { for role, name in local.roles : role => name if startswith(role, "deploy-") }
  boundaries = { for name in var.environments : name => "arn:${local.partition}:iam::${local.account_id}:policy/${local.name}-boundary-${name}" }

  # What Terraform manages in an environment. S3 and IAM have statements of their own.
  managed_services = [
    "acm", "apigateway", "application-autoscaling", "athena", "budgets", "cloudfront", "cloudtrail", "cloudwatch", "cognito-idp",
    "dynamodb", "ec2", "ecs", "events", "firehose", "glue", "kms", "logs", "route53", "route53resolver", "servicediscovery", "ses", "sns", "sqs", "wafv2",
  ]
  # What tasks and AWS services may at most do under the roles that a deployment creates.
  used_services = [
    "cloudwatch", "dynamodb", "ecr", "firehose", "kms", "logs", "s3", "secretsmanager", "ses", "sns", "sqs", "ssm", "ssmmessages", "xray",
  ]
  used_actions = concat([for service in local.used_services : "${service}:*"], ["ecs:RunTask", "ecs:UpdateTaskProtection"])
}

resource "aws_iam_policy" "boundary" {
  #checkov:skip=CKV_AWS_290:a boundary grants nothing; the policy of each role names its resources
  #checkov:skip=CKV_AWS_355:as above
  #checkov:skip=CKV_AWS_289:as above
  #checkov:skip=CKV_AWS_288:as above
  #checkov:skip=CKV_AWS_286:as above
  #checkov:skip=CKV_AWS_287:as above
  for_each = var.environments

  name        = "${local.name}-boundary-${each.key}"
  description = "The most that roles of ${each.key} may do: no IAM, no other roles"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = local.used_actions, Resource = "*" },
      # The schedule of the reconciliation starts a task, which has roles of the environment.
      {
        Effect    = "Allow", Action = "iam:PassRole", Resource = local.role_arns[each.key]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_policy" "deploy" {
  #checkov:skip=CKV_AWS_290:Terraform creates and deletes everything in these services
  #checkov:skip=CKV_AWS_355:as above
  #checkov:skip=CKV_AWS_289:it creates roles, but only with the boundary
  #checkov:skip=CKV_AWS_288:as above
  #checkov:skip=CKV_AWS_286:as above
  #checkov:skip=CKV_AWS_287:as above
  for_each = local.deploys

  name        = "${local.name}-${each.key}"
  description = "Deploy ${each.value}"
  policy      = data.aws_iam_policy_document.deploy[each.key].json
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = local.deploys

  role       = aws_iam_role.github[each.key].name
  policy_arn = aws_iam_policy.deploy[each.key].arn
}

data "aws_iam_policy_document" "deploy" {
  #checkov:skip=CKV_AWS_109:it manages policies of roles, but only with the boundary
  #checkov:skip=CKV_AWS_111:Terraform creates and deletes everything in these services
  #checkov:skip=CKV_AWS_356:as above
  #checkov:skip=CKV_AWS_108:as above
  #checkov:skip=CKV_AWS_107:as above
  for_each = local.deploys

  statement {
    sid       = "Manage"
    actions   = [for service in local.managed_services : "${service}:*"]
    resources = ["*"]
  }

  # Bucket names are global; those of an environment start with its name and a hyphen.
  statement {
    sid       = "Buckets"
    actions   = ["s3:*"]
    resources = ["arn:${local.partition}:s3:::${each.value}-*"]
  }

  # https://developer.hashicorp.com/terraform/language/backend/s3#s3-bucket-permissions
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [local.state_bucket_arn]
  }

  statement {
    sid       = "State"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [local.state_arns[each.value], "${local.state_arns[each.value]}.tflock"]
  }

  statement {
    sid       = "Unlock"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.state_arns[each.value]}.tflock"]
  }

  statement {
    sid       = "FindImages"
    actions   = local.pull_actions
    resources = [local.repository_arn]
  }

  # The keys of CloudFront. Other parameters may be secrets that a deployment has no use for.
  statement {
    sid       = "Keys"
    actions   = ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:ListTagsForResource", "ssm:PutParameter"]
    resources = ["arn:${local.partition}:ssm:*:${local.account_id}:parameter/${each.value}-order-pipeline/origin-key/*"]
  }

  statement {
    sid       = "Read"
    actions   = ["iam:Get*", "iam:List*", "ssm:DescribeParameters"]
    resources = ["*"]
  }

  # Also to change one: a role of this name may be somebody else's, and have no boundary.
  statement {
    sid = "RolesWithBoundary"
    actions = [
      "iam:AttachRolePolicy",
      "iam:CreateRole",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = local.role_arns[each.value]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundaries[each.value]]
    }
  }

  # These actions know no boundary.
  statement {
    sid       = "TagRoles"
    actions   = ["iam:TagRole", "iam:UntagRole"]
    resources = local.role_arns[each.value]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = local.role_arns[each.value]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com", "events.amazonaws.com", "firehose.amazonaws.com", "sns.amazonaws.com", "vpc-flow-logs.amazonaws.com"]
    }
  }

  # AWS creates these roles for its own services when they are first used.
  statement {
    sid       = "ServiceLinkedRoles"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/*"]
  }
}

locals {
  # By environment. All roles of an environment start with its name and a hyphen.
  role_arns = { for name in var.environments : name => ["arn:${local.partition}:iam::${local.account_id}:role/${name}-*"] }
}
