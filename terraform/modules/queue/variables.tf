variable "name" {
  description = "Name of the queue and prefix of the names of its two dead-letter queues, without the suffix of FIFO queues."
  type        = string
}

variable "fifo" {
  description = "Whether the queues are FIFO queues with high throughput; the topic must be a FIFO topic then."
  type        = bool
  default     = false
}

variable "arn_prefix" {
  description = "Prefix of the ARN of every queue: arn:PARTITION:sqs:REGION:ACCOUNT."
  type        = string
}

variable "topic_arn" {
  description = "ARN of the topic that the queue subscribes to."
  type        = string
}

variable "consumes" {
  description = "Event types that the filter lets through."
  type        = list(string)
}

variable "visibility_timeout" {
  description = "Seconds that a received message stays invisible."
  type        = number
}

variable "max_receive_count" {
  description = "Number of receives after which SQS moves a message to the dead-letter queue."
  type        = number
}

variable "retention" {
  description = "Seconds that the queue keeps a message."
  type        = number
}

variable "dlq_retention" {
  description = "Seconds that the dead-letter queues keep a message."
  type        = number
}

variable "consumer_role_arn" {
  description = "ARN of the role of the consumer, which may send to the dead-letter queue."
  type        = string
}

variable "operator_role_arn" {
  description = "ARN of the role of operators, who may send dead letters back to the queue; null if there is none."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the queues; null uses SQS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource here."
  type        = map(string)
  default     = {}
}
