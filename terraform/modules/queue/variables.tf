variable "name" {
  description = "Name of the queue; its dead-letter queue and that of its subscription are named after it."
  type        = string
}

variable "arn_prefix" {
  description = "What the ARN of every queue starts with: arn:PARTITION:sqs:REGION:ACCOUNT."
  type        = string
}

variable "topic_arn" {
  description = "The topic that the queue subscribes to."
  type        = string
}

variable "consumes" {
  description = "Types of the events that get through the filter."
  type        = list(string)
}

variable "visibility_timeout" {
  description = "How long a received message is hidden (s)."
  type        = number
}

variable "max_receive_count" {
  description = "After this many receives SQS itself moves a message to the dead-letter queue."
  type        = number
}

variable "retention" {
  description = "How long the queue keeps a message (s)."
  type        = number
}

variable "dlq_retention" {
  description = "How long the dead-letter queues keep a message (s)."
  type        = number
}

variable "consumer_role_arn" {
  description = "Role of the service that consumes the queue: it may send to the dead-letter queue."
  type        = string
}

variable "operator_role_arns" {
  description = "Roles that may send by hand."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of this account that encrypts the queues; null leaves it to SQS."
  type        = string
  default     = null
}
