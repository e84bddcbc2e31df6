# Traces: the collector next to a worker, the permissions of both, the endpoint. Offline, like
# queue.tftest.hcl.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name        = "payment"
  name_prefix = "dev-"
  capacity = {
    cpu       = 256, memory = 512, desired = 2, min = 1, max = 9, acceptable_latency = 60, handling_ms = 600, spot_share = 30
    secrets   = { GATEWAY_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf" }
    schedules = {}
  }
  cluster           = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline", name = "dev-order-pipeline" }
  cpu_architecture  = "ARM64"
  environment       = { AWS_REGION = "eu-west-1", ENVIRONMENT = "dev", STOP_TIMEOUT = "120" }
  image             = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev-order-pipeline@sha256:0123"
  metrics_namespace = "OrderPipeline"
  log_group         = { name = "/ecs/dev-order-pipeline/payment", days = 7 }
  repository_arn    = "arn:aws:ecr:eu-west-1:123456789012:repository/dev-order-pipeline"
  role_name         = "dev-payment-task"
  security_groups   = ["sg-0123456789abcdef0"]
  subnet_ids        = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  secrets_key_arns  = []
  stop_timeout      = 120

  needs                 = ["vpce-0123456789abcdef0"]
  release_alarm         = "dev-order-pipeline-payment-release"
  wait_for_steady_state = true

  queue = {
    name        = "dev-payment-queue"
    arn         = "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue"
    dlq_arn     = "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue-dlq"
    concurrency = 1
  }
  publishes_to           = "arn:aws:sns:eu-west-1:123456789012:dev-order-events"
  table                  = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/dev-payment", sweeps = false }
  email                  = null
  kms_key_arn            = null
  enable_execute_command = false
  http                   = null
}

run "a_consumer_without_traces" {
  command = plan
  module { source = "./modules/service" }

  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.this.container_definitions)) == 1 && !strcontains(aws_ecs_task_definition.this.container_definitions, "dependsOn")
    error_message = "a task has a collector that nobody asked for"
  }
  assert {
    condition     = !strcontains(data.aws_iam_policy_document.task.json, "xray")
    error_message = "a task may write traces without a collector"
  }
}

run "a_consumer_with_traces" {
  command = plan
  module { source = "./modules/service" }

  variables {
    tracing = {
      image          = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/adot@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      repository_arn = "arn:aws:ecr:eu-west-1:123456789012:repository/adot"
      memory         = 160
      sample         = 0.25
    }
  }

  # a collector that ends does not end the worker, and stops after it
  assert {
    condition     = output.collectors[0].essential == false && output.container.essential
    error_message = "a dead collector would end the worker"
  }
  assert {
    condition     = one([for each in jsondecode(aws_ecs_task_definition.this.container_definitions) : each if each.name == "payment"]).dependsOn == [{ condition = "START", containerName = "collector" }]
    error_message = "ECS would stop the collector before the worker has exported its last spans"
  }
  assert {
    condition     = output.collectors[0].memory == 160 && output.collectors[0].memory < var.capacity.memory
    error_message = "the collector has no limit of memory"
  }
  assert {
    condition     = output.collectors[0].readonlyRootFilesystem && output.collectors[0].user == "10001:10001" && output.collectors[0].linuxParameters.capabilities.drop == ["ALL"] && length(output.collectors[0].portMappings) == 0
    error_message = "the collector runs as root, has a writable image, keeps capabilities or listens to others"
  }

  # the worker exports to what the collector listens on
  assert {
    condition = (
      { for each in one([for each in jsondecode(aws_ecs_task_definition.this.container_definitions) : each if each.name == "payment"]).environment : each.name => each.value }["OTEL_EXPORTER_OTLP_ENDPOINT"]
      == "http://${yamldecode(output.collectors[0].environment[0].value).receivers.otlp.protocols.http.endpoint}"
    )
    error_message = "the worker exports to another address"
  }
  assert {
    condition     = { for each in one([for each in jsondecode(aws_ecs_task_definition.this.container_definitions) : each if each.name == "payment"]).environment : each.name => each.value }["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    error_message = "the share of traces is not passed on"
  }
  assert {
    condition     = yamldecode(output.collectors[0].environment[0].value).exporters.awsxray.region == "eu-west-1" && yamldecode(output.collectors[0].environment[0].value).service.pipelines.traces.exporters == ["awsxray"]
    error_message = "the collector does not send to X-Ray in the region"
  }

  assert {
    condition = anytrue([
      for each in jsondecode(data.aws_iam_policy_document.task.json).Statement : each.Action == "xray:PutTraceSegments" && each.Resource == "*"
    ])
    error_message = "the collector may not write traces"
  }
  assert {
    condition = anytrue([
      for each in jsondecode(data.aws_iam_policy_document.execution.json).Statement :
      try(contains(each.Action, "ecr:BatchGetImage") && contains(each.Resource, var.tracing.repository_arn) && contains(each.Resource, var.repository_arn), false)
    ])
    error_message = "ECS cannot pull the collector's image"
  }
}
