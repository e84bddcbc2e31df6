# The scheduled reconciliation: EventBridge starts one task of `workers reconcile` every so many hours.
# Its last log line has the number of differences, as a metric.

locals {
  reconcile           = toset(var.reconcile_hours == null ? [] : ["this"])
  reconcile_name      = "reconcile"
  reconcile_family    = "${local.name_prefix}${local.reconcile_name}"
  reconcile_role_arns = [for kind in ["task", "execution"] : "arn:${local.partition}:iam::${local.account_id}:role/${local.reconcile_family}-${kind}"]
  reconcile_rule_arn  = "arn:${local.partition}:events:${var.region}:${local.account_id}:rule/${local.name}-${local.reconcile_name}"

  reconcile_container = {
    name                   = local.reconcile_name
    image                  = local.images[local.order_api]
    entryPoint             = ["workers"] # that of the image runs a service
    command                = ["reconcile", "--json"]
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    environment = [for key, value in merge(
      {
        AWS_REGION  = var.region
        ENVIRONMENT = var.environment
        NAME_PREFIX = local.name_prefix
      },
      length(var.table_names) == 0 ? {} : { TABLE_NAMES = jsonencode(var.table_names) },
    ) : { name = key, value = value }]
    mountPoints     = []
    portMappings    = []
    systemControls  = []
    volumesFrom     = []
    linuxParameters = { capabilities = { add = [], drop = ["ALL"] }, initProcessEnabled = false }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = "${local.log_group_prefix}${local.reconcile_name}"
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "task"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "reconcile" {
  #checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; the lines hold ids of orders, no data of customers
  #checkov:skip=CKV_AWS_338:var.log_retention_days sets the retention; each environment decides
  for_each = local.reconcile

  name              = "${local.log_group_prefix}${local.reconcile_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_task_definition" "reconcile" {
  for_each = local.reconcile

  family                   = local.reconcile_family
  container_definitions    = jsonencode([local.reconcile_container])
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.reconcile["execution"].arn
  task_role_arn            = aws_iam_role.reconcile["task"].arn
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

# --- the schedule -------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "reconcile" {
  for_each = local.reconcile

  name                = "${local.name}-${local.reconcile_name}"
  description         = "Compare orders, payments, refunds, reservations and mails"
  schedule_expression = var.reconcile_hours == 1 ? "rate(1 hour)" : "rate(${coalesce(var.reconcile_hours, 1)} hours)"
}

resource "aws_cloudwatch_event_target" "reconcile" {
  for_each = local.reconcile

  rule     = aws_cloudwatch_event_rule.reconcile[each.key].name
  arn      = aws_ecs_cluster.this.arn
  role_arn = aws_iam_role.reconcile["schedule"].arn

  ecs_target {
    task_definition_arn = aws_ecs_task_definition.reconcile[each.key].arn_without_revision # the latest
    launch_type         = "FARGATE"

    network_configuration {
      security_groups = [aws_security_group.tasks.id]
      subnets         = local.subnet_ids
    }
  }

  # The rule starts with its role, and fails without the permissions.
  depends_on = [aws_iam_role_policy.reconcile]
}

# --- the roles: the task's, the one that starts it, and the schedule's ---------------

resource "aws_iam_role" "reconcile" {
  for_each = { for kind, document in data.aws_iam_policy_document.reconcile_assume : kind => document.json }

  name                 = "${local.reconcile_family}-${each.key}"
  description          = "The scheduled reconciliation: ${each.key}"
  assume_role_policy   = each.value
  permissions_boundary = local.permissions_boundary
}

resource "aws_iam_role_policy" "reconcile" {
  for_each = aws_iam_role.reconcile

  name   = each.key
  role   = each.value.name
  policy = data.aws_iam_policy_document.reconcile[each.key].json
}

data "aws_iam_policy_document" "reconcile_assume" {
  for_each = {
    for kind, trusted in {
      task      = { service = "ecs-tasks.amazonaws.com", arn = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:*" }
      execution = { service = "ecs-tasks.amazonaws.com", arn = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:*" }
      schedule  = { service = "events.amazonaws.com", arn = local.reconcile_rule_arn }
    } : kind => trusted if var.reconcile_hours != null
  }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value.service]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [each.value.arn]
    }
  }
}

data "aws_iam_policy_document" "reconcile" {
  for_each = {
    for kind, rights in {
      # It reads and compares; it never writes. What seems to differ is looked up at every consumer.
      task = [
        {
          sid     = "ReadTables", actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan"]
          targets = local.story_table_arns, only = {}
        },
        {
          sid     = "ReadOutbox", actions = ["dynamodb:Query"]
          targets = ["${local.table_arns[local.services[local.relay].table]}/index/outbox"], only = {}
        },
        # An event that may still wait in a queue is no difference.
        {
          sid     = "CountMessages", actions = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
          targets = values(local.queue_arns), only = {}
        },
      ]
      execution = [
        # This action has no resource.
        { sid = "LogIn", actions = ["ecr:GetAuthorizationToken"], targets = ["*"], only = {} },
        { sid = "Pull", actions = local.pull_rights[1].actions, targets = [local.repository_arn], only = {} },
        { sid = "Log", actions = ["logs:CreateLogStream", "logs:PutLogEvents"], targets = ["arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.log_group_prefix}${local.reconcile_name}:*"], only = {} },
      ]
      schedule = [
        {
          sid     = "Start", actions = ["ecs:RunTask"], only = { "ecs:cluster" = "arn:${local.partition}:ecs:${var.region}:${local.account_id}:cluster/${local.name}" }
          targets = [for revision in ["", ":*"] : "arn:${local.partition}:ecs:${var.region}:${local.account_id}:task-definition/${local.reconcile_family}${revision}"]
        },
        { sid = "Pass", actions = ["iam:PassRole"], targets = local.reconcile_role_arns, only = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } },
      ]
    } : kind => rights if var.reconcile_hours != null
  }

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.targets

      dynamic "condition" {
        for_each = statement.value.only

        content {
          test     = condition.key == "ecs:cluster" ? "ArnEquals" : "StringEquals"
          variable = condition.key
          values   = [condition.value]
        }
      }
    }
  }
}

# --- the alarms ---------------------------------------------------------------------

# The first counts differences, the second the runs that reported.
resource "aws_cloudwatch_metric_alarm" "reconciliation" {
  for_each = {
    for name, watched in {
      reconciliation-differences = { statistic = "Maximum", comparison = "GreaterThanThreshold", periods = 1, missing = "notBreaching" }
      reconciliation-missed      = { statistic = "SampleCount", comparison = "LessThanThreshold", periods = 2, missing = "breaching" }
    } : name => watched if var.reconcile_hours != null
  }

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = local.alarm_texts[each.key][local.order_api]
  namespace           = local.metrics
  metric_name         = "ReconciliationDifferences"
  dimensions          = { Environment = var.environment, Service = local.reconcile_name }
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = local.alarm_list[each.key].threshold
  period              = 3600 * coalesce(var.reconcile_hours, 1)
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions_of[local.order_api]
  ok_actions          = local.alarm_actions_of[local.order_api]
  tags                = { Owner = local.services[local.order_api].owner }
}
