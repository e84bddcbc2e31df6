variable "region" {
  description = "AWS region of the state bucket and of the registry."
  type        = string
  default     = "eu-west-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: must be the name of an AWS region, such as eu-west-1."
  }
}

variable "max_retries" {
  description = "Maximum number of times the provider retries a failed request; null uses its default, 25."
  type        = number
  default     = null

  validation {
    condition     = var.max_retries == null ? true : var.max_retries >= 0 && var.max_retries <= 100
    error_message = "max_retries: must be from 0 to 100, or null."
  }
}

variable "environments" {
  description = "Environments in this account. Each gets a role that may deploy it, and nothing else."
  type        = set(string)
  default     = ["dev", "staging", "prod"]

  validation {
    condition     = length(var.environments) > 0 && alltrue([for name in var.environments : can(regex("^[a-z][a-z0-9]{1,11}$", name))])
    error_message = "environments: must be names of 2 to 12 lower-case letters and digits, starting with a letter."
  }

  validation {
    condition     = length(setintersection(var.environments, ["build", "order", "plan"])) == 0
    error_message = "environments: build and plan are environments on GitHub, and order would include the roles of this configuration, order-pipeline-*."
  }
}

variable "registry_account_id" {
  description = "Account that has the image registry, if it is another one; null creates the registry here."
  type        = string
  default     = null

  validation {
    condition     = var.registry_account_id == null ? true : can(regex("^[0-9]{12}$", var.registry_account_id))
    error_message = "registry_account_id: must be an account ID of 12 digits, or null."
  }
}

variable "reader_account_ids" {
  description = "Other accounts whose environments pull images from the registry here."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.reader_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "reader_account_ids: must be account IDs of 12 digits."
  }
}

# GitHub names a repository in its tokens with IDs, if it was created or renamed since 15 July 2026.
# https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
variable "github_repository" {
  description = "GitHub repository whose workflows build images and deploy, as its tokens name it: OWNER@ID/NAME@ID, or OWNER/NAME for an older one; null creates no role."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null ? true : can(regex("^([A-Za-z0-9-]+/[A-Za-z0-9._-]+|[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)$", var.github_repository))
    error_message = "github_repository: must be OWNER@ID/NAME@ID, or OWNER/NAME for a repository that is older than 15 July 2026, without wildcards."
  }
}

variable "github_oidc_provider_arn" {
  description = "ARN of GitHub's identity provider if the account already has one; null creates it."
  type        = string
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn: must be the ARN of the provider token.actions.githubusercontent.com."
  }
}

variable "cost_allocation_tags" {
  description = "Keys of tags by which the bill can be divided, such as Environment, Owner and Project. Only in the account that pays, and not before a day after the first deployment: docs/DELIVERY.md."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for key in var.cost_allocation_tags : can(regex("^[^:]{1,128}$", key))])
    error_message = "cost_allocation_tags: must be keys of your own tags, of 1 to 128 characters without a colon, which AWS uses in its own."
  }
}
