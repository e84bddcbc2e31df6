variable "name" {
  description = "Name of the service on the map: also the command of its container."
  type        = string
}

variable "name_prefix" {
  description = "In front of names that are the account's."
  type        = string
}

variable "capacity" {
  description = "How much of it runs: see the variable services of the root."
  type = object({
    cpu                = number
    memory             = number
    desired            = number
    min                = number
    max                = number
    acceptable_latency = number
    handling_ms        = number
    spot_share         = number
    secrets            = map(string)
  })
}

variable "cluster" {
  description = "The ECS cluster."
  type        = object({ arn = string, name = string })
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64."
  type        = string
}

variable "environment" {
  description = "The container's environment."
  type        = map(string)
}

variable "image" {
  description = "The image, with a tag that never moves or a digest."
  type        = string
}

variable "repository_arn" {
  description = "Where the image is pulled from."
  type        = string
}

variable "log_group" {
  description = "Name of the log group that is made, and how long it keeps lines (days)."
  type        = object({ name = string, days = number })
}

variable "role_name" {
  description = "Name of the task's role: policies of queues and topic name it."
  type        = string
}

variable "security_groups" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Private subnets of the tasks."
  type        = list(string)
}

variable "stop_timeout" {
  description = "From SIGTERM to SIGKILL (s)."
  type        = number
}

variable "enable_execute_command" {
  description = "Whether ECS Exec works."
  type        = bool
}

variable "http" {
  description = "The port that is served and the registry of addresses it is found in; null for a service that nobody calls."
  type        = object({ port = number, registry_arn = string })
}

# --- rights -------------------------------------------------------------------

variable "queue" {
  description = "The queue that it consumes, its dead-letter queue, and how many messages a task handles at a time; null for none."
  type        = object({ name = string, arn = string, dlq_arn = string, concurrency = number })
}

variable "publishes_to" {
  description = "ARN of the topic it publishes to; null if it publishes nothing."
  type        = string
}

variable "table" {
  description = "Its table; sweeps: it reads the outbox and marks rows there, and no documents."
  type        = object({ arn = string, sweeps = bool })
}

variable "email" {
  description = "What it sends mails with (identities, configuration sets, templates) and from; null if it sends none."
  type        = object({ arns = list(string), sender = string })
}

variable "kms_key_arn" {
  description = "Key of queues and topic, if it is one of this account."
  type        = string
}
