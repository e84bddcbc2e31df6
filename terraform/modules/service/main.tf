# One service on Fargate: task definition and service. Roles are in iam.tf, scaling in scaling.tf.

locals {
  family = "${var.name_prefix}${var.name}"

  environment = merge(var.environment, local.tracing_environment)

  # The code writes no files, but a library may. On Fargate the mount keeps the mode that /tmp has in the
  # image because the Dockerfile declares VOLUME /tmp; otherwise only root could write there.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
  volumes = merge({ tmp = "/tmp" }, var.enable_execute_command ? local.agent_volumes : {})

  # The agent of ECS Exec runs as root and writes into the container. AWS supports that only with a writable
  # root file system, and names no directories; users report that these suffice.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-considerations
  # https://github.com/aws/containers-roadmap/issues/1359
  agent_volumes = {
    agent       = "/managed-agents"
    agent-log   = "/var/log/amazon"
    agent-state = "/var/lib/amazon"
  }

  container = {
    name                   = var.name
    image                  = var.image
    command                = [var.name]
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    stopTimeout            = var.stop_timeout

    # Sorted, and with the defaults of AWS: otherwise each plan would show a difference.
    environment    = [for key in sort(keys(local.environment)) : { name = key, value = local.environment[key] }]
    secrets        = [for key in sort(keys(var.capacity.secrets)) : { name = key, valueFrom = var.capacity.secrets[key] }]
    mountPoints    = [for name in sort(keys(local.volumes)) : { sourceVolume = name, containerPath = local.volumes[name], readOnly = false }]
    portMappings   = var.http == null ? [] : [{ name = "http", containerPort = var.http.port, hostPort = var.http.port, protocol = "tcp" }]
    systemControls = []
    volumesFrom    = []

    linuxParameters = {
      capabilities       = { add = [], drop = ["ALL"] }
      initProcessEnabled = var.enable_execute_command # ECS Exec leaves child processes behind
    }
    healthCheck = {
      command     = ["CMD", "workers", "healthcheck"]
      interval    = 30
      timeout     = 10
      retries     = 3
      startPeriod = 60
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = var.environment["AWS_REGION"]
        "awslogs-stream-prefix" = "task"
        # Lose lines rather than block the worker while CloudWatch does not accept them.
        "mode"            = "non-blocking"
        "max-buffer-size" = "4m"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; customers' addresses never reach a log
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  name              = var.log_group.name
  retention_in_days = var.log_group.days
  tags              = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.family
  container_definitions    = jsonencode(concat([merge(local.container, local.collector_needs)], local.collectors))
  cpu                      = var.capacity.cpu
  memory                   = var.capacity.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  skip_destroy             = true # a rollback needs the previous revision
  tags                     = var.tags

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }

  dynamic "volume" {
    for_each = local.volumes

    content {
      name = volume.key
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_ecs_service" "this" {
  name                          = var.name
  cluster                       = var.cluster.arn
  task_definition               = aws_ecs_task_definition.this.arn
  availability_zone_rebalancing = "ENABLED"
  desired_count                 = var.capacity.desired
  enable_ecs_managed_tags       = true
  enable_execute_command        = var.enable_execute_command
  propagate_tags                = "SERVICE"
  tags                          = var.tags
  wait_for_steady_state         = var.wait_for_steady_state

  # With it, a new spot_share updates the service; without it, provider 5 replaces the service.
  force_new_deployment = true

  deployment_maximum_percent         = 200
  deployment_minimum_healthy_percent = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # For a release that starts well and then does harm.
  alarms {
    alarm_names = [var.release_alarm]
    enable      = true
    rollback    = true
  }

  # The first task is never on Spot.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 1
    weight            = 100 - var.capacity.spot_share
  }

  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = var.capacity.spot_share
  }

  network_configuration {
    assign_public_ip = false
    security_groups  = var.security_groups
    subnets          = var.subnet_ids
  }

  dynamic "service_registries" {
    for_each = var.http == null ? [] : [var.http]

    content {
      registry_arn = service_registries.value.registry_arn
      port         = service_registries.value.port
    }
  }

  lifecycle {
    ignore_changes = [desired_count] # scaling owns it

    # The service is steady again after a rollback, too.
    # https://github.com/hashicorp/terraform-provider-aws/issues/20858
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "${var.name}: ECS has rolled the deployment back to ${self.task_definition}. Its events say why: aws ecs describe-services --cluster ${var.cluster.name} --services ${var.name}"
    }
  }

  # Tasks that start without their permissions fail, and the circuit breaker counts them.
  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execution, var.needs]
}
