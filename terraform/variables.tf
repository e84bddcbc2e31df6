variable "environment" {
  description = "Name of the environment. Used as a tag, as a dimension of metrics and, by default, as the prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment: must be 2 to 12 lower-case letters and digits, starting with a letter."
  }
}

variable "stage" {
  description = <<-TEXT
    What the environment is for, and so what it may do. production: real orders and money; staging: like it, but payments may be
    simulated; development: shells in tasks, simulated failures and unprotected tables are allowed too.
  TEXT
  type        = string
  default     = "production"

  validation {
    condition     = contains(["production", "staging", "development"], var.stage)
    error_message = "stage: must be production, staging or development."
  }

  validation {
    condition     = var.stage == "production" || !can(regex("^(prod|live)", var.environment))
    error_message = "stage: an environment named ${var.environment} must be production."
  }
}

variable "account_id" {
  description = "Account of the environment. Credentials of another account are refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: must be an account ID of 12 digits."
  }
}

variable "region" {
  description = "AWS region of all resources."
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

variable "name_prefix" {
  description = "Prefix of every name; the code reads it from NAME_PREFIX. null uses the environment and a hyphen."
  type        = string
  default     = null

  validation {
    # Role names have at most 64 characters: the prefix, the service's name (32) and a suffix (10).
    # ECR allows no capitals in names, and no separator at the start or twice in a row.
    condition     = var.name_prefix == null ? true : length(var.name_prefix) <= 20 && can(regex("^([a-z0-9]+([_-][a-z0-9]+)*[_-]?)?$", var.name_prefix))
    error_message = "name_prefix: must be at most 20 lower-case letters and digits, with single hyphens or underscores between them."
  }
}

variable "tags" {
  description = "Tags of every resource, besides Project, Environment and ManagedBy, which Terraform sets."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.tags), ["Environment", "ManagedBy", "Owner", "Project"])) == 0
    error_message = "tags: Environment, ManagedBy, Owner and Project are set by Terraform."
  }
}

variable "permissions_boundary" {
  description = "Name of the policy that limits every role of the environment; null: none. The deploy role of terraform/bootstrap requires order-pipeline-boundary-ENVIRONMENT."
  type        = string
  default     = null
}

# --- what runs ----------------------------------------------------------------

variable "topology_file" {
  description = "Path of the map of services and events; null uses workers/topology.json, which is also in the image."
  type        = string
  default     = null

  validation {
    condition     = var.topology_file == null ? true : can(jsondecode(file(var.topology_file)))
    error_message = "topology_file: cannot be read, or is not JSON."
  }
}

variable "image_tag" {
  description = "Tag or digest (sha256:...) of the worker image to deploy, which the registry must have. null: each service keeps the image that it runs."
  type        = string
  default     = null

  validation {
    condition     = var.image_tag == null ? true : can(regex("^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: must be a digest (sha256: and 64 hexadecimal digits) or a tag other than latest, which would move."
  }
}

variable "image_tags" {
  description = "By service: the tag or digest of its image, if it is not image_tag. Deploys or rolls back one service alone."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for tag in values(var.image_tags) : can(regex("^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$", tag)) && tag != "latest"
    ])
    error_message = "image_tags: each must be a digest (sha256: and 64 hexadecimal digits) or a tag other than latest, which would move."
  }
}

variable "registry_account_id" {
  description = "Account that has the image registry; null: this one."
  type        = string
  default     = null

  validation {
    condition     = var.registry_account_id == null ? true : can(regex("^[0-9]{12}$", var.registry_account_id))
    error_message = "registry_account_id: must be an account ID of 12 digits, or null."
  }
}

variable "cpu_architecture" {
  description = "CPU architecture of the tasks: ARM64, which is cheaper, or X86_64. The image must be built for it."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture: must be ARM64 or X86_64."
  }
}

variable "services" {
  description = <<-TEXT
    Capacity of each service of the map; topology.tf has the defaults.
    cpu (1024ths of a vCPU), memory (MiB);
    desired, min, max (tasks): desired applies when the service is created; afterwards scaling sets the count;
    acceptable_latency (s): the time that a message may wait; handling_ms: the average time to handle one;
    spot_share (percent): the share of tasks on Fargate Spot, not counting the first task;
    secrets: names of environment variables, each with the ARN of a secret (or of one key of it, as ECS writes it:
    ARN:key:stage:version, the last two may be empty) or of an SSM parameter;
    schedules: by name, a time (at(...) or cron(...), in timezone) and the min and max that hold from then on.
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
    schedules = optional(map(object({
      at       = string
      max      = number
      min      = number
      timezone = optional(string, "Etc/UTC")
    })), {})
  }))
  default = {}

  validation {
    condition     = alltrue([for s in values(var.services) : try(s.spot_share >= 0 && s.spot_share <= 100, true)])
    error_message = "services: spot_share must be from 0 to 100 percent; it is not for ${join(", ", [for name, s in var.services : name if !try(s.spot_share >= 0 && s.spot_share <= 100, true)])}."
  }

  validation {
    condition     = alltrue([for s in values(var.services) : try(s.acceptable_latency > 0, true) && try(s.handling_ms > 0, true)])
    error_message = "services: acceptable_latency and handling_ms must be greater than 0; they are not for ${join(", ", [for name, s in var.services : name if !(try(s.acceptable_latency > 0, true) && try(s.handling_ms > 0, true))])}."
  }

  validation {
    condition = alltrue(flatten([for s in values(var.services) : [
      for arn in values(s.secrets) : can(regex("^arn:[a-z-]+:(secretsmanager:[^:*]+:[0-9]{12}:secret:[^:*]+(:[^:*]*:[^:*]*:[^:*]*)?|ssm:[^:*]+:[0-9]{12}:parameter/[^:*]+)$", arn))
    ]]))
    error_message = "services: secrets must be ARNs without wildcards: of a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME), of one key of a secret (the same and :KEY::), or of an SSM parameter (arn:aws:ssm:REGION:ACCOUNT:parameter/NAME)."
  }

  validation {
    condition = alltrue(flatten([for s in values(var.services) : [
      for each in values(s.schedules) : can(regex("^(at|cron)\\(.+\\)$", each.at)) && each.min >= 0 && each.min <= each.max && each.max >= 1
    ]]))
    error_message = "services: a schedule needs at(yyyy-mm-ddThh:mm:ss) or cron(...), and 0 <= min <= max with max at least 1."
  }
}

variable "log_level" {
  description = "Minimum level that the services log: debug, info, warning or error."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warning", "error"], var.log_level)
    error_message = "log_level: must be debug, info, warning or error."
  }
}

variable "log_retention_days" {
  description = "Number of days that CloudWatch keeps log lines."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days: must be a value that CloudWatch accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "sender_email" {
  description = "From address of every mail. SES must have verified its domain."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.sender_email))
    error_message = "sender_email: must be an email address with a lower-case domain."
  }
}

variable "operations_email" {
  description = "Address that is notified of low stock."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.operations_email))
    error_message = "operations_email: must be an email address."
  }
}

variable "allow_simulation" {
  description = "Whether an order may ask services to simulate a result (a declined card, no stock, a technical failure). Only in development."
  type        = bool
  default     = false

  validation {
    condition     = !var.allow_simulation || var.stage == "development"
    error_message = "allow_simulation: must be false unless stage is development."
  }
}

variable "payment_gateway" {
  description = "How payment takes money: stripe, which needs the secret STRIPE_API_KEY in services.payment, or simulated, which takes none. null: payment does not start (docs/PAYMENT.md)."
  type        = string
  default     = null

  validation {
    condition     = var.payment_gateway == null ? true : contains(["simulated", "stripe"], var.payment_gateway)
    error_message = "payment_gateway: must be simulated or stripe."
  }

  validation {
    condition     = var.payment_gateway == "stripe" ? can(var.services.payment.secrets.STRIPE_API_KEY) : true
    error_message = "payment_gateway: stripe needs its key: set services.payment.secrets.STRIPE_API_KEY to the ARN of a secret."
  }

  validation {
    condition     = var.payment_gateway == "stripe" ? var.vpc_id != null || var.internet != "none" : true
    error_message = "payment_gateway: stripe needs a way to api.stripe.com: set internet to nat (or to nat-only for a cheap environment), or vpc_id to a network that has one."
  }

  validation {
    condition     = var.payment_gateway != "simulated" || var.stage != "production"
    error_message = "payment_gateway: must not be simulated in production, where orders would be confirmed without money."
  }
}

variable "signing" {
  description = <<-TEXT
    Signatures of events (docs/runbooks/sign-events.md). null: events are not signed.
    mode: sign, which publishes signed events and only warns of others, or require, which refuses the others;
    key_id: the id of the key that signs;
    keys_arn: the ARN of a secret, or of an SSM parameter, whose value is a JSON object of keys by id.
  TEXT
  type = object({
    mode     = string
    key_id   = string
    keys_arn = string
  })
  default = null

  validation {
    condition     = var.signing == null ? true : contains(["sign", "require"], var.signing.mode)
    error_message = "signing: mode must be sign or require."
  }

  validation {
    condition     = var.signing == null ? true : can(regex("^[A-Za-z0-9._-]{1,40}$", var.signing.key_id))
    error_message = "signing: key_id must be 1 to 40 letters, digits, dots, underscores and hyphens."
  }

  validation {
    condition     = var.signing == null ? true : can(regex("^arn:[a-z-]+:(secretsmanager:[^:*]+:[0-9]{12}:secret:[^:*]+(:[^:*]*:[^:*]*:[^:*]*)?|ssm:[^:*]+:[0-9]{12}:parameter/[^:*]+)$", var.signing.keys_arn))
    error_message = "signing: keys_arn must be the ARN of a secret or of an SSM parameter, without wildcards."
  }
}

variable "max_event_age" {
  description = "By service: the age in days up to which it handles events, if not 90. More is for a new service that is filled from the archive (docs/runbooks/replay.md)."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for days in values(var.max_event_age) : days >= 1 && days <= 36500 && floor(days) == days])
    error_message = "max_event_age: must be whole days, from 1 to 36500."
  }
}

# --- how it runs ------------------------------------------------------------

variable "table_names" {
  description = "By table of the map: its name, if it is not the prefix and the table. For a table that was restored under another name: docs/RESTORE.md."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in values(var.table_names) : can(regex("^[A-Za-z0-9_.-]{3,255}$", name))])
    error_message = "table_names: must be 3 to 255 letters, digits, hyphens, dots and underscores."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the tables."
  type        = bool
  default     = true

  validation {
    condition     = var.deletion_protection || var.stage != "production"
    error_message = "deletion_protection: must be true in production. To destroy it, remove this rule first."
  }
}

variable "archive" {
  description = "Whether every event is archived in S3: for `workers replay`, and for queries with Athena. SNS, Firehose and S3 bill by the event; idle, it costs its four alarms."
  type        = bool
  default     = true
}

variable "archive_days" {
  description = "Number of days that the archive keeps events. They hold addresses of customers."
  type        = number
  default     = 400

  validation {
    # `workers counters` shows 31 days (MAX_HOURS in workers/ops/counters.py), which a rebuild has to find.
    condition     = var.archive_days >= 35 && var.archive_days <= 3650 && floor(var.archive_days) == var.archive_days
    error_message = "archive_days: must be a whole number from 35 to 3650."
  }
}

variable "large_payloads" {
  description = "Whether events that do not fit into a message (254 KiB) are stored in a bucket and carried by reference. Without it, they are refused. To turn it on: first for the consumers, see docs/OPERATIONS.md."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Whether apply waits until every new deployment is done, and fails if ECS has rolled one back."
  type        = bool
  default     = true
}

variable "container_insights" {
  description = "Container Insights of the cluster: enabled counts the tasks of each service, which scaling needs; enhanced also bills metrics of each task and container."
  type        = string
  default     = "enabled"

  validation {
    condition     = contains(["enabled", "enhanced"], var.container_insights)
    error_message = "container_insights: must be enabled or enhanced."
  }
}

variable "enable_execute_command" {
  description = "Whether `aws ecs execute-command` can open a shell in a task. Only in development. Its sessions are logged."
  type        = bool
  default     = false

  validation {
    condition     = !var.enable_execute_command || var.stage == "development"
    error_message = "enable_execute_command: must be false unless stage is development."
  }
}

variable "tracing" {
  description = <<-TEXT
    Sends traces to X-Ray, by a collector next to each worker; null: no traces.
    image: the AWS Distro for OpenTelemetry Collector in a private ECR repository of this region, by digest
    (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:...): the public registry has no VPC endpoint;
    sample: the share of the orders that are traced, from 0 to 1;
    memory (MiB): the most that the collector may use of the task's memory.
  TEXT
  type = object({
    image  = string
    sample = optional(number, 0.1)
    memory = optional(number, 160)
  })
  default = null

  validation {
    condition     = var.tracing == null || can(regex("^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.tracing.image))
    error_message = "tracing: image must be in a private ECR repository of the region, by digest (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:...)."
  }

  validation {
    condition     = try(var.tracing.sample >= 0 && var.tracing.sample <= 1, var.tracing == null)
    error_message = "tracing: sample must be from 0 to 1."
  }

  validation {
    condition     = try(var.tracing.memory >= 96 && var.tracing.memory <= 1024, var.tracing == null)
    error_message = "tracing: memory must be from 96 to 1024 MiB."
  }
}

variable "customer_managed_key" {
  description = "Whether a KMS key of this account encrypts the topic and the queues; otherwise SNS and SQS use their own keys."
  type        = bool
  default     = false
}

variable "secrets_key_arns" {
  description = "ARNs of the KMS keys that encrypt the secrets of services, except AWS's own keys. ECS may decrypt secrets with them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secrets_key_arns : can(regex("^arn:[a-z-]+:kms:[^:*]+:[0-9]{12}:key/[^*]+$", arn))])
    error_message = "secrets_key_arns: must be ARNs of keys (arn:aws:kms:REGION:ACCOUNT:key/ID), not of aliases, without wildcards."
  }
}

variable "operators" {
  description = "ARNs of the roles and users that may assume the operator role, such as the role of a permission set. Without any, there is no operator role."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operators : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))])
    error_message = "operators: must be ARNs of roles or users, without wildcards."
  }
}

# --- network --------------------------------------------------------------

variable "vpc_cidr" {
  description = "Address range of the VPC, /16 to /24. Ignored with vpc_id."
  type        = string
  default     = "10.40.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.vpc_cidr)[1]), 99) <= 24
    error_message = "vpc_cidr: must be an IPv4 range of /16 to /24."
  }
}

variable "availability_zones" {
  description = "Two to four zones; each gets a private subnet. They are listed so that a new zone of AWS changes nothing. Ignored with vpc_id."
  type        = list(string)
  default     = ["eu-west-1a", "eu-west-1b"]

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) >= 2 && length(var.availability_zones) <= 4
    error_message = "availability_zones: must be two to four different zones."
  }

  validation {
    condition     = alltrue([for zone in var.availability_zones : startswith(zone, var.region)])
    error_message = "availability_zones: every zone must be in var.region."
  }
}

variable "vpc_id" {
  description = "ID of an existing VPC with DNS and a route to AWS (endpoints or NAT); null creates a VPC."
  type        = string
  default     = null
}

variable "internet" {
  description = <<-TEXT
    How tasks reach what is outside the VPC that Terraform creates. none: only AWS's APIs, through interface endpoints, which needs jwt_keys;
    nat: as none, and payment and order-api reach the internet through a NAT gateway in each zone; nat-only: one NAT gateway instead of the
    interface endpoints, for a cheap environment. terraform/README.md has the prices. Must be none with vpc_id.
  TEXT
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "nat", "nat-only"], var.internet)
    error_message = "internet: must be none, nat or nat-only."
  }

  validation {
    condition     = var.vpc_id == null || var.internet == "none"
    error_message = "internet: must be none with vpc_id. The existing network decides what its subnets reach."
  }

  validation {
    condition     = var.internet == "none" || length(var.availability_zones) <= 3
    error_message = "internet: with a NAT gateway, set at most three availability_zones. The fourth quarter of vpc_cidr is for the gateways."
  }
}

variable "dns_firewall" {
  description = <<-TEXT
    Whether the VPC that Terraform creates resolves only the names that tasks need, and no others: a lookup of DATA.example.com is a way out
    that no security group and no endpoint sees. null: off. domains: further names, such as that of another provider of payments.
  TEXT
  type = object({
    domains = optional(set(string), [])
  })
  default = null

  validation {
    condition     = alltrue([for name in try(var.dns_firewall.domains, []) : can(regex("^(\\*\\.)?([a-z0-9_-]+\\.)+[a-z]{2,}$", name))])
    error_message = "dns_firewall: domains must be names in lower-case letters, such as api.example.com or *.example.com."
  }

  validation {
    condition     = var.dns_firewall == null || var.vpc_id == null
    error_message = "dns_firewall: must be null with vpc_id. The existing network decides what it resolves."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the existing VPC for the tasks, in at least two zones."
  type        = list(string)
  default     = []

  validation {
    condition     = var.vpc_id == null ? length(var.subnet_ids) == 0 : length(var.subnet_ids) >= 2
    error_message = "subnet_ids: must have at least two subnets with vpc_id, and none without."
  }
}

# --- access and alerts --------------------------------------------

variable "jwt" {
  description = <<-TEXT
    Tokens that the API accepts: issuer (an https URL that serves /.well-known/openid-configuration) and audience (a token must contain
    one of these). Their scopes are orders:write, orders:read and orders:operate: docs/CALLERS.md. null creates a Cognito user pool with
    two clients for machines.
  TEXT
  type = object({
    issuer   = string
    audience = list(string)
  })
  default = null

  validation {
    condition     = var.jwt == null ? true : can(regex("^https://[^\\s/]+(/\\S*)?$", var.jwt.issuer)) && length(var.jwt.audience) > 0
    error_message = "jwt: must have an issuer that starts with https:// and at least one audience."
  }

  validation {
    # order-api gets them as one list.
    condition     = var.jwt == null ? true : alltrue([for audience in var.jwt.audience : can(regex("^[^\\s,]+$", audience))])
    error_message = "jwt: an audience must not be empty, nor have a space or a comma."
  }
}

variable "jwt_keys" {
  description = <<-TEXT
    The JWKS document of the issuer, as text, where order-api cannot fetch it: with internet = none. It has to be replaced before the
    issuer signs with another key. null: order-api fetches the keys, and follows their rotation.
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.jwt_keys == null ? true : try(length(jsondecode(var.jwt_keys).keys) > 0, false)
    error_message = "jwt_keys: must be a JWKS document: {\"keys\": [...]}."
  }

  validation {
    # A user pool with a domain, which the token endpoint needs, cannot be used through a VPC endpoint.
    # https://docs.aws.amazon.com/cognito/latest/developerguide/vpc-interface-endpoints.html
    condition     = var.jwt_keys != null || var.internet != "none" || var.vpc_id != null
    error_message = "jwt_keys: with internet = none, order-api cannot fetch the keys of the tokens. Set internet to nat-only or nat, or jwt_keys to the JWKS document of the issuer."
  }
}

variable "api_rate" {
  description = "Requests per second that the API accepts from all callers together. It answers more with 429."
  type        = number
  default     = 100

  validation {
    # The default quota, which AWS can raise: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    condition     = var.api_rate > 0 && var.api_rate <= 10000
    error_message = "api_rate: must be greater than 0, and at most the account's quota of 10000 per second."
  }
}

variable "api_burst" {
  description = "Requests that the API accepts at once, above its rate."
  type        = number
  default     = 200

  validation {
    condition     = var.api_burst >= var.api_rate && var.api_burst <= 5000
    error_message = "api_burst: must be at least api_rate, and at most the account's quota of 5000."
  }
}

variable "requests_per_minute" {
  description = "Requests per minute that order-api serves each caller, the subject of its token. It answers more with 429. null: no limit but api_rate, which all callers share."
  type        = number
  default     = null

  validation {
    condition     = var.requests_per_minute == null ? true : var.requests_per_minute >= 1 && floor(var.requests_per_minute) == var.requests_per_minute
    error_message = "requests_per_minute: must be a whole number of at least 1, or null."
  }
}

variable "api_domain" {
  description = "Domain of the API, and the ARN of its ACM certificate in var.region. The default endpoint is then off. null: no domain of your own. With edge, set edge.domain instead."
  type = object({
    name            = string
    certificate_arn = string
  })
  default = null

  validation {
    condition     = var.api_domain == null ? true : can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.api_domain.name))
    error_message = "api_domain: name must be a domain in lower-case letters, such as orders.example.com."
  }

  validation {
    condition     = var.api_domain == null ? true : can(regex("^arn:[a-z-]+:acm:${var.region}:[0-9]{12}:certificate/[^*]+$", var.api_domain.certificate_arn))
    error_message = "api_domain: certificate_arn must be of a certificate in ${var.region}, the region of the API. Request one there: aws acm request-certificate --region ${var.region} --validation-method DNS --domain-name NAME"
  }

  validation {
    condition     = var.api_domain == null || var.edge == null
    error_message = "api_domain: must be null with edge, because order-api refuses requests that have not passed CloudFront. Set edge.domain to the domain."
  }
}

variable "edge" {
  description = <<-TEXT
    CloudFront with a web ACL in front of the API. null: off.
    domain: of the API; certificate_arn: its ACM certificate in us-east-1;
    rate_limit: requests that one IP address may send in five minutes, 10 to 2000000000. A shop's back end may have one address;
    origin_keys: names of the keys that prove to order-api that a request came through CloudFront. It sends the first; order-api accepts
    all. Two during a rotation: terraform/README.md;
    enforced: whether order-api refuses requests without a key. false only until clients use the domain.
  TEXT
  type = object({
    domain          = string
    certificate_arn = string
    rate_limit      = number
    origin_keys     = optional(list(string), ["a"])
    enforced        = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.edge == null ? true : can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.edge.domain))
    error_message = "edge: domain must be a domain in lower-case letters, such as orders.example.com."
  }

  validation {
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html
    condition     = var.edge == null ? true : can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/[^*]+$", var.edge.certificate_arn))
    error_message = "edge: certificate_arn must be of a certificate in us-east-1, where CloudFront looks for it. Request one there: aws acm request-certificate --region us-east-1 --validation-method DNS --domain-name DOMAIN"
  }

  validation {
    # https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
    condition     = var.edge == null ? true : var.edge.rate_limit >= 10 && var.edge.rate_limit <= 2000000000
    error_message = "edge: rate_limit must be from 10 to 2000000000 requests in five minutes."
  }

  validation {
    condition = var.edge == null ? true : (
      contains([1, 2], length(distinct(var.edge.origin_keys))) && length(distinct(var.edge.origin_keys)) == length(var.edge.origin_keys) &&
      alltrue([for name in var.edge.origin_keys : can(regex("^[a-z0-9-]{1,20}$", name))])
    )
    error_message = "edge: origin_keys must be one or two different names of lower-case letters, digits and hyphens."
  }
}

variable "alert_emails" {
  description = "Addresses that get a mail for each alarm; each must confirm once. Pagers and chats can subscribe to the topic."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))]) && length(distinct(var.alert_emails)) == length(var.alert_emails)
    error_message = "alert_emails: must be email addresses without duplicates."
  }
}

variable "owner_alerts" {
  description = <<-TEXT
    By owner on the map: who gets the alarms of its services. emails: addresses, each of which must confirm once;
    urls: https endpoints that confirm by themselves, such as those of PagerDuty and Opsgenie.
  TEXT
  type = map(object({
    emails = optional(set(string), [])
    urls   = optional(set(string), [])
  }))
  default = {}

  validation {
    condition = alltrue(flatten([for each in values(var.owner_alerts) : concat(
      [for email in each.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))],
      [for url in each.urls : can(regex("^https://[^\\s]+$", url))],
    )]))
    error_message = "owner_alerts: emails must be e-mail addresses, urls must start with https://."
  }
}

variable "manage_email_identity" {
  description = "Whether to create the SES identity of the sender's domain. An account has one: use false if another environment created it."
  type        = bool
  default     = true
}

variable "sandbox_recipients" {
  description = "Addresses that may get mail while SES keeps the account in its sandbox. SES asks each to confirm once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.sandbox_recipients : can(regex("^[^@\\s*]+@[^@\\s*]+$", email))]) && length(distinct(var.sandbox_recipients)) == length(var.sandbox_recipients)
    error_message = "sandbox_recipients: must be e-mail addresses without duplicates or wildcards."
  }
}

variable "audit_queues" {
  description = "Whether CloudTrail records, in a bucket for a year, each send, receive and delete of the queues, each publish to the topic, and each change of the account. Each event costs money."
  type        = bool
  default     = false
}

variable "monthly_budget" {
  description = "Monthly budget of the environment (USD). The alert topic is notified when 80 percent are spent or 100 percent are forecast. null: no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null ? true : var.monthly_budget > 0
    error_message = "monthly_budget: must be greater than 0, or null."
  }
}

variable "documents_url" {
  description = "Base URL of the directory docs of this repository, for the links to runbooks in alarms; by default the path in the repository."
  type        = string
  default     = "docs"

  validation {
    condition     = can(regex("^[!-~]*[^/]$", var.documents_url)) && length(var.documents_url) <= 200
    error_message = "documents_url: must be at most 200 visible ASCII characters and not end with a slash."
  }
}

variable "reconcile_hours" {
  description = "Hours between two runs of the reconciliation. null: it never runs by itself, and no alarm watches it."
  type        = number
  default     = 1

  validation {
    condition     = var.reconcile_hours == null ? true : contains([1, 2, 3, 4, 6, 8, 12, 24], var.reconcile_hours)
    error_message = "reconcile_hours: must be a divisor of a day in whole hours (1, 2, 3, 4, 6, 8, 12, 24), or null."
  }
}
