variable "name" {
  description = "Name of the service on the map, and the command of its container."
  type        = string
}

variable "name_prefix" {
  description = "Prefix of names that are unique in the account."
  type        = string
}

variable "capacity" {
  description = "Capacity of the service; see the root variable services."
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
    schedules          = map(object({ at = string, max = number, min = number, timezone = string }))
  })
}

variable "cluster" {
  description = "ARN and name of the ECS cluster."
  type        = object({ arn = string, name = string })
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64."
  type        = string
}

variable "environment" {
  description = "Environment variables of the container."
  type        = map(string)
}

variable "image" {
  description = "Image with its digest."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the repository of the image."
  type        = string
}

variable "log_group" {
  description = "Name of the log group, and the days that it keeps lines."
  type        = object({ name = string, days = number })
}

variable "role_name" {
  description = "Name of the task's role, which the policies of queues and topic refer to."
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

variable "metrics_namespace" {
  description = "Namespace of the metrics that the code writes."
  type        = string
}

variable "needs" {
  description = "IDs of resources that must exist before the first task starts, and until the last has stopped."
  type        = list(string)
}

variable "release_alarm" {
  description = "Name of the alarm that rolls a deployment back."
  type        = string
}

variable "wait_for_steady_state" {
  description = "Whether apply waits for the end of a deployment."
  type        = bool
}

variable "stop_timeout" {
  description = "Seconds from SIGTERM to SIGKILL."
  type        = number
}

variable "enable_execute_command" {
  description = "Whether to enable ECS Exec."
  type        = bool
}

variable "session_log_arn" {
  description = "ARN of the log group of ECS Exec's sessions; null without ECS Exec."
  type        = string
  default     = null
}

variable "tracing" {
  description = "The collector of traces: its image by digest, the ARN of its repository, its memory (MiB), and the share of traces that are sampled; null: no traces."
  type        = object({ image = string, repository_arn = string, memory = number, sample = number })
  default     = null
}

variable "http" {
  description = "Port of the HTTP server and ARN of its service registry; null without a server."
  type        = object({ port = number, registry_arn = string })
}

# --- permissions -------------------------------------------------------------------

variable "permissions_boundary" {
  description = "ARN of the policy that limits both roles; null: none."
  type        = string
  default     = null
}

variable "queue" {
  description = "Queue that the service consumes, its dead-letter queue, and the messages that a task handles at a time; null without a queue."
  type        = object({ name = string, arn = string, dlq_arn = string, concurrency = number })
}

variable "publishes_to" {
  description = "ARN of the topic that the service publishes to; null if it publishes nothing."
  type        = string
}

variable "table" {
  description = "ARN of the service's table. sweeps: the service reads and marks outbox rows, and reads no documents."
  type        = object({ arn = string, sweeps = bool })
}

variable "email" {
  description = "SES resources that the service sends mail with, and its sender; null if it sends none."
  type        = object({ arns = list(string), sender = string })
}

variable "payloads" {
  description = "ARN of the bucket of large events, and whether the service reads from it and stores in it; null without one."
  type        = object({ arn = string, get = bool, put = bool })
  default     = null
}

variable "secrets_key_arns" {
  description = "ARNs of the KMS keys that may encrypt the secrets."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "ARN of the key of queues and topic, if this account manages it."
  type        = string
}

variable "tags" {
  description = "Tags of every resource here."
  type        = map(string)
  default     = {}
}
