variable "environment" {
  description = "Name of the environment: a tag, a dimension of the metrics, and by default the start of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment: 2 to 12 lower-case letters and digits, a letter first."
  }
}

variable "region" {
  description = "AWS region that everything is in."
  type        = string
  default     = "eu-west-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: not the name of a region, as eu-west-1 is."
  }
}

variable "max_retries" {
  description = "How often the provider repeats a failed request; null is its own default, 25."
  type        = number
  default     = null

  validation {
    condition     = var.max_retries == null ? true : var.max_retries >= 0 && var.max_retries <= 100
    error_message = "max_retries: from 0 to 100, or null."
  }
}

variable "name_prefix" {
  description = "In front of every name, as the code's NAME_PREFIX; null makes it the environment and a hyphen."
  type        = string
  default     = null

  validation {
    # Role names have 64 characters: this, a service's name (32) and its role's (10).
    condition     = var.name_prefix == null ? true : can(regex("^[A-Za-z0-9_-]{0,20}$", var.name_prefix))
    error_message = "name_prefix: at most 20 letters, digits, hyphens and underscores."
  }
}

# --- what runs ----------------------------------------------------------------

variable "topology_file" {
  description = "The map of services and events; null is the one in the repository, which the image carries."
  type        = string
  default     = null

  validation {
    condition     = var.topology_file == null ? true : can(jsondecode(file(var.topology_file)))
    error_message = "topology_file: cannot be read, or is not JSON."
  }
}

variable "image_tag" {
  description = "Tag or digest (sha256:...) of the worker image in the repository that this makes. Tags there are immutable."
  type        = string

  validation {
    condition     = can(regex("^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a digest (sha256: and 64 hexadecimal digits) or a tag that never moves, so not latest."
  }
}

variable "cpu_architecture" {
  description = "Processor of the tasks: ARM64, which costs less, or X86_64. The image must be built for it."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture: ARM64 or X86_64."
  }
}

variable "services" {
  description = <<-TEXT
    Capacity of each service of the map; what is not said is as in locals.tf.
    cpu (1024ths of a vCPU), memory (MiB);
    desired, min, max (tasks): desired counts when the service is made, from then on scaling decides;
    acceptable_latency (s): how long a message may wait, and handling_ms: what handling one takes, on average;
    spot_share (percent of the tasks beyond the first that run on Fargate Spot);
    secrets: names of environment variables, each with the ARN of a secret or of a parameter of SSM.
  TEXT
  type = map(object({
    cpu                = optional(number)
    memory             = optional(number)
    desired            = optional(number)
    min                = optional(number)
    max                = optional(number)
    acceptable_latency = optional(number)
    handling_ms        = optional(number)
    spot_share         = optional(number)
    secrets            = optional(map(string), {})
  }))
  default = {}

  validation {
    condition     = alltrue([for s in values(var.services) : try(s.spot_share >= 0 && s.spot_share <= 100, true)])
    error_message = "services: spot_share is from 0 to 100 percent; wrong for ${join(", ", [for name, s in var.services : name if !try(s.spot_share >= 0 && s.spot_share <= 100, true)])}."
  }

  validation {
    condition     = alltrue([for s in values(var.services) : try(s.acceptable_latency > 0, true) && try(s.handling_ms > 0, true)])
    error_message = "services: acceptable_latency and handling_ms are more than 0; wrong for ${join(", ", [for name, s in var.services : name if !(try(s.acceptable_latency > 0, true) && try(s.handling_ms > 0, true))])}."
  }

  validation {
    condition = alltrue(flatten([for s in values(var.services) : [
      for arn in values(s.secrets) : can(regex("^arn:[a-z-]+:(secretsmanager:[^:]+:[0-9]+:secret|ssm:[^:]+:[0-9]+:parameter)[:/][^*]+$", arn))
    ]]))
    error_message = "services: secrets are ARNs of Secrets Manager or of parameters of SSM, without a wildcard."
  }
}

variable "log_level" {
  description = "What the services log: debug, info, warning or error."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warning", "error"], var.log_level)
    error_message = "log_level: debug, info, warning or error."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps log lines (days)."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days: one that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "sender_email" {
  description = "From of every mail. Its domain is the identity that SES has to have verified."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.sender_email))
    error_message = "sender_email: not an e-mail address with its domain in lower case."
  }
}

variable "operations_email" {
  description = "Who hears of low stock."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.operations_email))
    error_message = "operations_email: not an e-mail address."
  }
}

variable "allow_simulation" {
  description = "Whether orders may ask services to pretend (a decline, an empty shelf, a technical failure). Never in prod."
  type        = bool
  default     = false

  validation {
    condition     = !(var.allow_simulation && var.environment == "prod")
    error_message = "allow_simulation: not in prod, where an order must mean what it says."
  }
}

# --- how it is run ------------------------------------------------------------

variable "deletion_protection" {
  description = "Whether tables refuse to be deleted, and the repository if it holds images."
  type        = bool
  default     = true

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "deletion_protection: cannot be off in prod; to remove prod, take this rule out first."
  }
}

variable "enable_execute_command" {
  description = "Whether `aws ecs execute-command` opens a shell in a task. It needs a root file system that can be written."
  type        = bool
  default     = false
}

variable "customer_managed_key" {
  description = "Whether topic and queues are encrypted with a key of this account; otherwise SQS and SNS manage theirs."
  type        = bool
  default     = false
}

variable "operator_role_arns" {
  description = "Roles that may send to the queues and publish to the topic by hand (redrive, `workers publish`), beside the services."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operator_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "operator_role_arns: not the ARN of a role, or one with a wildcard."
  }
}

# --- where it is --------------------------------------------------------------

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made, /16 to /24. Not used with vpc_id."
  type        = string
  default     = "10.40.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 99) <= 24
    error_message = "vpc_cidr: an IPv4 range of /16 to /24."
  }
}

variable "availability_zones" {
  description = "Names of two to four zones; each gets a private subnet. Named, so that a new zone of AWS moves nothing. Not used with vpc_id."
  type        = list(string)
  default     = ["eu-west-1a", "eu-west-1b"]

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) >= 2 && length(var.availability_zones) <= 4
    error_message = "availability_zones: two to four different ones."
  }

  validation {
    condition     = alltrue([for zone in var.availability_zones : startswith(zone, var.region)])
    error_message = "availability_zones: a zone of another region."
  }
}

variable "vpc_id" {
  description = "A VPC that is there already, with DNS and a way to AWS (endpoints or NAT); null makes one."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Private subnets of vpc_id for the tasks, in at least two zones."
  type        = list(string)
  default     = []

  validation {
    condition     = var.vpc_id == null ? length(var.subnet_ids) == 0 : length(var.subnet_ids) >= 2
    error_message = "subnet_ids: at least two with vpc_id, none without."
  }
}

# --- who may call, and who is told --------------------------------------------

variable "jwt" {
  description = <<-TEXT
    Whose tokens the API takes: issuer (an https URL that serves /.well-known/openid-configuration), audience (one of these must be
    in the token), and the scopes of which a token needs one, to look at orders and to place or change them; none: any token will do.
    null makes a Cognito user pool, with a client for machines.
  TEXT
  type = object({
    issuer       = string
    audience     = list(string)
    read_scopes  = optional(list(string), [])
    write_scopes = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.jwt == null ? true : can(regex("^https://[^\\s/]+(/\\S*)?$", var.jwt.issuer)) && length(var.jwt.audience) > 0
    error_message = "jwt: an issuer that starts with https://, and at least one audience."
  }
}

variable "api_rate" {
  description = "Requests a second that the API takes, all callers together; what is above gets a 429."
  type        = number
  default     = 100

  validation {
    # Unless AWS has raised it: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    condition     = var.api_rate > 0 && var.api_rate <= 10000
    error_message = "api_rate: more than 0, and at most the account's 10000 a second."
  }
}

variable "api_burst" {
  description = "Requests that the API takes at once, above its rate."
  type        = number
  default     = 200

  validation {
    condition     = var.api_burst >= var.api_rate && var.api_burst <= 5000
    error_message = "api_burst: at least api_rate, and at most the account's 5000."
  }
}

variable "alert_emails" {
  description = "Who gets a mail for each alarm; each address has to confirm once. Other ways can subscribe to the topic themselves."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))]) && length(distinct(var.alert_emails)) == length(var.alert_emails)
    error_message = "alert_emails: e-mail addresses, each once."
  }
}

variable "manage_email_identity" {
  description = "Whether SES's identity of the sender's domain is made here. An account has one: false where another environment made it."
  type        = bool
  default     = true
}

variable "audit_queues" {
  description = "Whether CloudTrail records each send, receive and delete of the queues, in a bucket, for a year. Each costs."
  type        = bool
  default     = false
}

variable "monthly_budget" {
  description = "What the environment may cost a month (USD): 80 percent of it spent, or all of it forecast, is told to the alert topic. null: no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null ? true : var.monthly_budget > 0
    error_message = "monthly_budget: more than 0, or null."
  }
}

variable "github_repository" {
  description = "Repository on GitHub, OWNER/NAME, whose workflows may push the image from an environment named as this one; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null ? true : can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: OWNER/NAME, without a wildcard."
  }
}

variable "github_oidc_provider_arn" {
  description = "GitHub's identity provider, where the account has one already; null makes it."
  type        = string
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn: the ARN of the provider token.actions.githubusercontent.com."
  }
}
