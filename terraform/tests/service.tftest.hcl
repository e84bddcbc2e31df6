# One service on Fargate: its container, the permissions of its roles, its scaling. Offline, like
# queue.tftest.hcl.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
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
  cluster          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline", name = "dev-order-pipeline" }
  cpu_architecture = "ARM64"
  environment      = { AWS_REGION = "eu-west-1", ENVIRONMENT = "dev", STOP_TIMEOUT = "120" }
  image            = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev-order-pipeline@sha256:0123"
  log_group        = { name = "/ecs/dev-order-pipeline/payment", days = 7 }
  repository_arn   = "arn:aws:ecr:eu-west-1:123456789012:repository/dev-order-pipeline"
  role_name        = "dev-payment-task"
  security_groups  = ["sg-0123456789abcdef0"]
  subnet_ids       = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  secrets_key_arns = []
  stop_timeout     = 120

  metrics_namespace     = "OrderPipeline"
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

run "a_consumer" {
  command = plan
  module { source = "./modules/service" }

  # the container is read-only and has time to stop
  assert {
    condition     = output.container.readonlyRootFilesystem && length(output.container.mountPoints) == 1 && output.container.user == "10001:10001" && output.container.linuxParameters.capabilities.drop == ["ALL"]
    error_message = "a container runs as root, has a writable image or keeps capabilities"
  }
  assert {
    condition     = output.container.stopTimeout == 120 && output.container.stopTimeout == tonumber(var.environment["STOP_TIMEOUT"])
    error_message = "ECS would send SIGKILL before the code expects it"
  }
  assert {
    condition     = output.container.command == ["payment"] && output.container.healthCheck.command == ["CMD", "workers", "healthcheck"]
    error_message = "not the command of the service, or not the image's own health check"
  }

  # secrets are references that only ECS reads
  assert {
    condition     = output.container.secrets == [{ name = "GATEWAY_KEY", valueFrom = var.capacity.secrets.GATEWAY_KEY }]
    error_message = "the secret is missing"
  }
  assert {
    condition = anytrue([
      for each in jsondecode(data.aws_iam_policy_document.execution.json).Statement :
      each.Action == "secretsmanager:GetSecretValue" && each.Resource == var.capacity.secrets.GATEWAY_KEY
    ])
    error_message = "ECS cannot read the secret"
  }
  assert {
    condition     = !strcontains(output.task_policy, "secretsmanager")
    error_message = "the task's role may read the secret"
  }

  # a consumer has these permissions and no others
  assert {
    condition = jsonencode({ for each in jsondecode(output.task_policy).Statement : each.Sid => [sort(flatten([each.Action])), each.Resource] }) == jsonencode({
      Consume            = [["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"], var.queue.arn]
      DeadLetter         = [["sqs:SendMessage"], var.queue.dlq_arn]
      ProtectFromScaleIn = [["ecs:UpdateTaskProtection"], "arn:aws:ecs:eu-west-1:123456789012:task/dev-order-pipeline/*"]
      Publish            = [["sns:Publish"], var.publishes_to]
      Documents          = [["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], var.table.arn]
    })
    error_message = "permissions differ: ${output.task_policy}"
  }

  # only ECS in this account may assume the roles
  assert {
    condition = jsondecode(data.aws_iam_policy_document.assume.json).Statement == [{
      Action    = "sts:AssumeRole"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:eu-west-1:123456789012:*" }
      }
    }]
    error_message = "others may assume the role"
  }

  # the target backlog follows from latency and handling time
  assert {
    # floor(60 / 0.6) would be 99
    condition     = output.target_backlog == 100
    error_message = "60 s at 600 ms each are 100 messages, not ${output.target_backlog}"
  }
  assert {
    # with FILL, a late minute would look like an empty queue or a service without tasks
    condition     = one([for each in aws_appautoscaling_policy.backlog["this"].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : each.expression if each.return_data]) == "IF(FILL(paused, 0) > 0, 100, visible / running)"
    error_message = "not the plain ratio"
  }

  # a pause is reported per environment and service
  assert {
    condition = one([
      for each in aws_appautoscaling_policy.backlog["this"].target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics :
      { for dimension in each.metric_stat[0].metric[0].dimensions : dimension.name => dimension.value } if each.id == "paused"
    ]) == { Environment = "dev", Service = "payment" }
    error_message = "scaling looks at the pause of something else"
  }
  assert {
    condition     = length(aws_appautoscaling_policy.wake) + length(aws_cloudwatch_metric_alarm.wake) == 0
    error_message = "a service that always has a task needs no alarm to start the first"
  }
  assert {
    condition     = aws_appautoscaling_policy.backlog["this"].target_tracking_scaling_policy_configuration[0].scale_in_cooldown > output.container.stopTimeout
    error_message = "scale-in is faster than a stop"
  }

  # apply waits for a deployment, and an alarm rolls it back
  assert {
    condition     = aws_ecs_service.this.wait_for_steady_state
    error_message = "apply would succeed while ECS rolls the deployment back"
  }
  assert {
    condition     = one(aws_ecs_service.this.alarms) == { alarm_names = toset([var.release_alarm]), enable = true, rollback = true }
    error_message = "a release that starts well and does harm would stay"
  }

  # the first task is not on Spot
  assert {
    condition = jsonencode({ for each in aws_ecs_service.this.capacity_provider_strategy : each.capacity_provider => [each.base, each.weight] }) == jsonencode({
      FARGATE      = [1, 70]
      FARGATE_SPOT = [null, 30]
    })
    error_message = "not 30 percent, or no task off Spot"
  }
}

run "the_relay_reads_the_outbox_and_no_documents" {
  command = plan
  module { source = "./modules/service" }

  variables {
    queue = null
    table = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/dev-orders", sweeps = true }
  }

  assert {
    condition = jsonencode({ for each in jsondecode(output.task_policy).Statement : each.Sid => [sort(flatten([each.Action])), each.Resource] }) == jsonencode({
      Publish     = [["sns:Publish"], var.publishes_to]
      SweepOutbox = [["dynamodb:Query"], "${var.table.arn}/index/outbox"]
      MarkOutbox  = [["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:UpdateItem"], var.table.arn]
    })
    error_message = "permissions differ: ${output.task_policy}"
  }

  # the rows of orders, in the same table, are not the relay's
  assert {
    condition = one([for each in jsondecode(output.task_policy).Statement : each.Condition if each.Sid == "MarkOutbox"]) == {
      "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["lease#outbox#*", "outbox#*"] }
    }
    error_message = "the relay may change orders"
  }
}

run "a_consumer_with_a_shell_that_sends_mail_and_handles_ten_at_a_time" {
  command = plan
  module { source = "./modules/service" }

  variables {
    enable_execute_command = true
    session_log_arn        = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/dev-order-pipeline/sessions"
    email                  = { arns = ["arn:aws:ses:eu-west-1:123456789012:identity/example.com"], sender = "orders@example.com" }
    queue                  = { name = "q", arn = "arn:aws:sqs:eu-west-1:123456789012:q", dlq_arn = "arn:aws:sqs:eu-west-1:123456789012:q-dlq", concurrency = 10 }
  }

  # the agent of ECS Exec writes to volumes; the image stays read-only
  assert {
    condition     = output.container.readonlyRootFilesystem && output.container.linuxParameters.initProcessEnabled
    error_message = "ECS Exec makes the image writable, or leaves processes behind"
  }
  assert {
    condition = (
      jsonencode({ for each in output.container.mountPoints : each.sourceVolume => each.containerPath }) ==
      jsonencode({ agent = "/managed-agents", "agent-log" = "/var/log/amazon", "agent-state" = "/var/lib/amazon", tmp = "/tmp" }) &&
      toset(aws_ecs_task_definition.this.volume[*].name) == toset(output.container.mountPoints[*].sourceVolume)
    )
    error_message = "ECS Exec would not work"
  }

  # a session is logged, with the task's role and to that group alone
  assert {
    condition = jsonencode({ for each in jsondecode(output.task_policy).Statement : each.Sid => [sort(flatten([each.Action])), each.Resource] if strcontains(each.Sid, "Session") }) == jsonencode({
      FindSessionLog = [["logs:DescribeLogGroups"], "*"]
      LogSessions    = [["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], "${var.session_log_arn}:*"]
    })
    error_message = "sessions are not logged, or the task may write to other logs: ${output.task_policy}"
  }

  # mail can be sent only from the sender's address
  assert {
    condition = [for each in jsondecode(output.task_policy).Statement : each if each.Sid == "SendEmail"] == [{
      Sid       = "SendEmail"
      Effect    = "Allow"
      Action    = "ses:SendEmail"
      Resource  = var.email.arns[0]
      Condition = { StringEquals = { "ses:FromAddress" = "orders@example.com" } }
    }]
    error_message = "mail could be sent from another address"
  }

  # ten handlers have ten times the backlog
  assert {
    condition     = output.target_backlog == 1000
    error_message = "the target backlog must be proportional to the concurrency"
  }
}

run "a_consumer_that_may_scale_to_zero_starts_with_its_first_message" {
  command = plan
  module { source = "./modules/service" }

  variables {
    capacity = {
      cpu     = 256, memory = 512, desired = 0, min = 0, max = 9, acceptable_latency = 60, handling_ms = 600, spot_share = 30
      secrets = {}, schedules = {}
    }
  }

  # without a task there is no ratio of messages to tasks, so an alarm starts the first
  assert {
    condition = (
      aws_appautoscaling_policy.wake["this"].policy_type == "StepScaling" &&
      one(one(aws_appautoscaling_policy.wake["this"].step_scaling_policy_configuration).step_adjustment).scaling_adjustment == 1 &&
      one(aws_appautoscaling_policy.wake["this"].step_scaling_policy_configuration).adjustment_type == "ChangeInCapacity"
    )
    error_message = "nothing starts the first task"
  }
  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.wake["this"].metric_query : query.expression if query.return_data] == ["IF(visible > 0 AND FILL(running, 0) < 1, 1, 0)"]
    error_message = "the alarm must see messages that wait while no task reports"
  }
  assert {
    # the newest minute of `running` can be late, which looks like no task
    condition     = aws_cloudwatch_metric_alarm.wake["this"].evaluation_periods >= 2
    error_message = "a late metric would start a task"
  }
}

run "capacity_follows_the_calendar" {
  command = plan
  module { source = "./modules/service" }

  variables {
    capacity = {
      cpu     = 256, memory = 512, desired = 1, min = 1, max = 9, acceptable_latency = 60, handling_ms = 600, spot_share = 30
      secrets = {}
      schedules = {
        sale  = { at = "at(2027-11-25T20:00:00)", min = 50, max = 90, timezone = "Europe/Berlin" }
        night = { at = "cron(0 22 * * ? *)", min = 0, max = 9, timezone = "Etc/UTC" }
      }
    }
  }

  assert {
    condition = { for name, each in aws_appautoscaling_scheduled_action.this : name => [each.schedule, each.timezone, one(each.scalable_target_action).min_capacity, one(each.scalable_target_action).max_capacity] } == {
      sale  = ["at(2027-11-25T20:00:00)", "Europe/Berlin", "50", "90"]
      night = ["cron(0 22 * * ? *)", "Etc/UTC", "0", "9"]
    }
    error_message = "not the schedules"
  }
  assert {
    condition     = length(aws_appautoscaling_policy.wake) == 1
    error_message = "nothing starts the first task after a night without tasks"
  }
}

run "secrets_by_key_and_under_a_customer_managed_key" {
  command = plan
  module { source = "./modules/service" }

  variables {
    capacity = {
      cpu = 256, memory = 512, desired = 1, min = 1, max = 9, acceptable_latency = 60, handling_ms = 600, spot_share = 30
      secrets = {
        GATEWAY_KEY    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf:key::"
        GATEWAY_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf:secret:AWSCURRENT:"
        GATEWAY_URL    = "arn:aws:ssm:eu-west-1:123456789012:parameter/gateway/url"
      }
      schedules = {}
    }
    secrets_key_arns = ["arn:aws:kms:eu-west-1:123456789012:key/0123"]
  }

  # the container gets a key of the secret; the policy names the secret, which IAM knows
  assert {
    condition     = [for each in output.container.secrets : each.valueFrom if each.name == "GATEWAY_KEY"] == [var.capacity.secrets.GATEWAY_KEY]
    error_message = "the container would get the whole secret"
  }
  assert {
    condition = { for each in jsondecode(data.aws_iam_policy_document.execution.json).Statement : each.Action => each.Resource if startswith(each.Sid, "Read") } == {
      "secretsmanager:GetSecretValue" = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf"
      "ssm:GetParameters"             = "arn:aws:ssm:eu-west-1:123456789012:parameter/gateway/url"
    }
    error_message = "ECS cannot read the secrets"
  }
  assert {
    condition = [for each in jsondecode(data.aws_iam_policy_document.execution.json).Statement : each if each.Action == "kms:Decrypt"] == [{
      Sid       = "DecryptSecrets"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = "arn:aws:kms:eu-west-1:123456789012:key/0123"
      Condition = { StringEquals = { "kms:ViaService" = ["secretsmanager.eu-west-1.amazonaws.com", "ssm.eu-west-1.amazonaws.com"] } }
    }]
    error_message = "ECS cannot decrypt the secrets"
  }
}

run "a_service_may_do_to_the_bucket_of_large_events_what_it_is_told" {
  command = plan
  module { source = "./modules/service" }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/key"
    payloads    = { arn = "arn:aws:s3:::dev-payloads", get = true, put = false }
  }

  assert {
    condition = [
      for each in jsondecode(output.task_policy).Statement : [each.Action, each.Resource] if strcontains(each.Sid, "Payloads")
    ] == [["s3:GetObject", "arn:aws:s3:::dev-payloads/*"]]
    error_message = "not the right to read, and that alone"
  }
  assert {
    condition     = strcontains(output.task_policy, "s3.eu-west-1.amazonaws.com")
    error_message = "the service may not use the key of the bucket"
  }
}
