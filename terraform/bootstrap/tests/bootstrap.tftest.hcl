# Plans the account. Offline: no account, no network.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

override_resource {
  target          = aws_iam_openid_connect_provider.github["this"]
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
}

variables {
  github_repository = "example/pipeline"
}

run "the_account" {
  command = plan

  # states
  assert {
    condition     = aws_s3_bucket.state.bucket == "order-pipeline-state-123456789012" && aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "a deleted state could not be restored"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.state.block_public_acls, aws_s3_bucket_public_access_block.state.block_public_policy,
      aws_s3_bucket_public_access_block.state.ignore_public_acls, aws_s3_bucket_public_access_block.state.restrict_public_buckets,
    ])
    error_message = "the states could become public"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "the states are not encrypted"
  }

  # registry
  assert {
    condition     = aws_ecr_repository.worker["this"].image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.worker["this"].image_scanning_configuration[0].scan_on_push
    error_message = "a tag could change its meaning, or an image is not scanned"
  }
  assert {
    condition     = length(aws_ecr_repository_policy.readers) == 0
    error_message = "another account may read the registry"
  }

  # roles
  assert {
    condition = { for role, document in data.aws_iam_policy_document.trust : role => jsondecode(document.json).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] } == {
      build          = "repo:example/pipeline:environment:build"
      plan           = "repo:example/pipeline:environment:plan"
      deploy-dev     = "repo:example/pipeline:environment:dev"
      deploy-staging = "repo:example/pipeline:environment:staging"
      deploy-prod    = "repo:example/pipeline:environment:prod"
    }
    error_message = "other workflows may assume a role"
  }
  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.trust : jsondecode(document.json).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"])
    error_message = "a token for another service opens a role"
  }
  assert {
    condition = toset(flatten([for said in jsondecode(data.aws_iam_policy_document.build.json).Statement : [
      for action in flatten([said.Action]) : action if said.Resource == "*"
    ]])) == toset(["ecr:GetAuthorizationToken"])
    error_message = "the role that builds has a permission on all resources"
  }
  assert {
    condition = alltrue(flatten([for said in jsondecode(data.aws_iam_policy_document.plan.json).Statement : [
      for action in flatten([said.Action]) : can(regex("^[a-z0-9-]+:(Describe|Get|List|View|GET)", action))
    ]]))
    error_message = "the role that plans may do more than read"
  }
  assert {
    condition = alltrue([
      for action in local.plan_actions : !contains(["dynamodb", "logs", "secretsmanager", "ssm"], split(":", action)[0]) || !can(regex(":(Get|\\*)", action))
      ]) && alltrue([
      for action in ["s3:*", "s3:Get*", "s3:GetObject", "sqs:*", "sqs:Receive*", "sqs:ReceiveMessage"] : !contains(local.plan_actions, action)
    ])
    error_message = "a pull request could read what customers wrote"
  }
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without white space
  assert {
    condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.plan.json))) <= 10240
    error_message = "a policy is longer than AWS accepts"
  }
}

run "a_deployment_cannot_grant_itself_anything" {
  command = plan

  # roles only of the environment, and only with the boundary
  assert {
    condition = alltrue(flatten([
      for role, document in data.aws_iam_policy_document.deploy : [
        for said in jsondecode(document.json).Statement : [
          for action in flatten([said.Action]) :
          said.Effect == "Deny" || !startswith(action, "iam:") || startswith(action, "iam:Get") || startswith(action, "iam:List") || action == "iam:CreateServiceLinkedRole" ||
          said.Resource == "arn:aws:iam::123456789012:role/${trimprefix(role, "deploy-")}-*"
        ]
      ]
    ]))
    error_message = "a deployment may change roles of another environment"
  }
  assert {
    condition = alltrue(flatten([
      for role, document in data.aws_iam_policy_document.deploy : [
        for said in jsondecode(document.json).Statement :
        said.Effect == "Deny" || length(setintersection(flatten([said.Action]), ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy"])) == 0 ||
        try(said.Condition.StringEquals["iam:PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/order-pipeline-boundary-${trimprefix(role, "deploy-")}", false)
      ]
    ]))
    error_message = "a deployment may create or take over a role without the boundary"
  }
  assert {
    condition     = alltrue([for policy in aws_iam_policy.boundary : [for said in jsondecode(policy.policy).Statement : said.Action if strcontains(jsonencode(said.Action), "iam:")] == ["iam:PassRole"] && !strcontains(policy.policy, "sts:") && !strcontains(policy.policy, "\"*:*\"")])
    error_message = "a role within the boundary may change or assume roles"
  }
  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.deploy : !strcontains(document.json, "iam:DeleteRolePermissionsBoundary") && !strcontains(document.json, "iam:*")])
    error_message = "a deployment may remove the boundary"
  }
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without white space
  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.deploy : length(jsonencode(jsondecode(document.json))) <= 6144])
    error_message = "a policy is longer than AWS accepts"
  }

  # only its own state, of which it cannot delete a version
  assert {
    condition = alltrue([
      for role, document in data.aws_iam_policy_document.deploy : toset(flatten([
        for said in jsondecode(document.json).Statement : said.Resource if length([for action in flatten([said.Action]) : action if startswith(action, "s3:")]) > 0
        ])) == toset([
        "arn:aws:s3:::${trimprefix(role, "deploy-")}-*",
        "arn:aws:s3:::order-pipeline-state-123456789012",
        "arn:aws:s3:::order-pipeline-state-123456789012/order-pipeline/${trimprefix(role, "deploy-")}.tfstate",
        "arn:aws:s3:::order-pipeline-state-123456789012/order-pipeline/${trimprefix(role, "deploy-")}.tfstate.tflock",
      ]) && !strcontains(document.json, "s3:DeleteObjectVersion")
    ])
    error_message = "a deployment may change the state of another environment"
  }
}

run "an_account_that_uses_the_registry_of_another" {
  command = plan

  variables {
    environments        = ["prod"]
    registry_account_id = "210987654321"
  }

  assert {
    condition     = length(aws_ecr_repository.worker) == 0 && output.repository_url == null && toset(keys(aws_iam_role.github)) == toset(["plan", "deploy-prod"])
    error_message = "a second registry, or a role that pushes to it"
  }
  assert {
    condition     = strcontains(data.aws_iam_policy_document.deploy["deploy-prod"].json, "arn:aws:ecr:eu-west-1:210987654321:repository/order-pipeline")
    error_message = "the deployment does not see the images of the other account"
  }
}

run "other_accounts_can_read_the_registry" {
  command = plan

  variables {
    reader_account_ids = ["210987654321"]
  }

  assert {
    condition     = jsondecode(aws_ecr_repository_policy.readers["this"].policy).Statement[0].Principal.AWS == "arn:aws:iam::210987654321:root" && !strcontains(aws_ecr_repository_policy.readers["this"].policy, "PutImage")
    error_message = "the other account cannot pull, or may push"
  }
}

run "the_tokens_of_a_new_repository_have_ids" {
  command = plan

  variables {
    github_repository = "example@123456/pipeline@456789"
  }

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.trust["deploy-prod"].json).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example@123456/pipeline@456789:environment:prod"
    error_message = "GitHub's tokens for a new repository open no role"
  }
}

run "without_github_there_are_no_roles" {
  command = plan

  variables {
    github_repository = null
  }

  assert {
    condition     = length(aws_iam_role.github) + length(aws_iam_openid_connect_provider.github) + length(aws_iam_policy.deploy) == 0 && length(output.github_roles) == 0
    error_message = "a role that nobody uses"
  }
}

run "the_identity_provider_of_the_account_is_not_created_again" {
  command = plan

  variables {
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.github) == 5
    error_message = "an account can have only one identity provider of GitHub"
  }
}

run "half_of_the_ids_is_refused" {
  command = plan

  variables {
    github_repository = "example@123456/pipeline"
  }

  expect_failures = [var.github_repository]
}

run "a_first_apply_activates_no_tag" {
  command = plan

  assert {
    condition     = length(aws_ce_cost_allocation_tag.this) == 0
    error_message = "AWS refuses a tag that it has not seen"
  }
}

run "tags_are_activated_by_name" {
  command = plan

  variables {
    cost_allocation_tags = ["Environment", "Owner", "Project"]
  }

  assert {
    condition     = { for key, each in aws_ce_cost_allocation_tag.this : each.tag_key => each.status } == { Environment = "Active", Owner = "Active", Project = "Active" }
    error_message = "not the given tags"
  }
}

run "the_keys_of_cloudfront_are_of_the_environment" {
  command = plan

  assert {
    condition = alltrue([
      for role, document in data.aws_iam_policy_document.deploy : alltrue([
        for said in jsondecode(document.json).Statement : said.Resource == "arn:aws:ssm:*:123456789012:parameter/${trimprefix(role, "deploy-")}-order-pipeline/origin-key/*"
        if said.Sid == "Keys"
      ])
    ])
    error_message = "a deployment reads parameters of another environment, or other secrets"
  }
}

run "invalid_values_are_refused" {
  command = plan

  variables {
    cost_allocation_tags     = ["aws:createdBy"]
    environments             = ["plan", "order"]
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
    github_repository        = "example/*"
    max_retries              = -1
    reader_account_ids       = ["1"]
    region                   = "ireland"
    registry_account_id      = "1"
  }

  expect_failures = [
    var.cost_allocation_tags, var.environments, var.github_oidc_provider_arn, var.github_repository, var.max_retries, var.reader_account_ids,
    var.region, var.registry_account_id,
  ]
}
