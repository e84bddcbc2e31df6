# The services of the map: all run one image, with the service's name as the command.

locals {
  # The two services without a queue. workers/bootstrap.py uses the same names.
  order_api = "order-api"
  relay     = "relay"

  # The service that charges customers.
  payment = "payment"

  log_group_prefix = "/ecs/${local.name}/"
  log_groups_arn   = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.log_group_prefix}*"

  # The variables that workers/settings.py reads. With all of them set, the code looks up no names,
  # which would need more permissions.
  environments = {
    for name, service in local.services : name => merge(
      {
        ALLOW_SIMULATION = tostring(var.allow_simulation)
        AWS_REGION       = var.region
        ENVIRONMENT      = var.environment
        LOG_LEVEL        = var.log_level
        METRICS_PORT     = "9090"
        NAME_PREFIX      = local.name_prefix
        STOP_TIMEOUT     = tostring(local.stop_timeout)
        TABLE_NAME       = aws_dynamodb_table.this[service.table].name
        TOPIC_ARN        = aws_sns_topic.this.arn
      },
      name == local.order_api ? local.api_environment : {},
      length(service.consumes) == 0 ? {} : {
        CONCURRENCY        = tostring(service.concurrency)
        DLQ_URL            = module.queue[name].dlq_url
        QUEUE_URL          = module.queue[name].url
        VISIBILITY_TIMEOUT = tostring(service.visibility_timeout)
      },
      name == local.payment && var.payment_gateway != null ? { PAYMENT_GATEWAY = var.payment_gateway } : {},
      contains(local.signers, name) ? { SIGNING = var.signing.mode, SIGNING_KEY_ID = var.signing.key_id } : {},
      can(var.max_event_age[name]) ? { MAX_EVENT_AGE = tostring(var.max_event_age[name]) } : {},
      { for setting, rights in { PAYLOAD_BUCKET = lookup(local.payloads_rights, name, null) } : setting => rights.name if rights != null },
      service.sends_email ? { OPERATIONS_EMAIL = var.operations_email, SENDER_EMAIL = var.sender_email } : {},
    )
  }

  # All but the relay, which publishes what order-api has signed.
  signers = var.signing == null ? [] : [for name in keys(local.services) : name if name != local.relay]

  # It checks the tokens itself, behind the gateway or not.
  api_environment = merge(
    {
      AUTH         = "jwt"
      JWT_AUDIENCE = join(",", local.jwt.audience)
      JWT_ISSUER   = local.jwt.issuer
      PORT         = tostring(local.port)
    },
    var.jwt_keys == null ? {} : { JWT_KEYS = var.jwt_keys },
    var.requests_per_minute == null ? {} : { REQUESTS_PER_MINUTE = tostring(var.requests_per_minute) },
  )

  # payment calls the provider, order-api fetches the keys of the tokens.
  calls_internet = concat([local.payment], var.jwt_keys == null ? [local.order_api] : [])

  # The secrets of var.services, the keys of edge.tf, and those of events.
  secrets = {
    for name, service in local.services : name => merge(
      service.secrets,
      name == local.order_api ? local.origin_secrets : {},
      contains(local.signers, name) ? { SIGNING_KEYS = var.signing.keys_arn } : {},
    )
  }

  # Every task has the first; the last is the way out to the internet (internet.tf).
  security_groups = {
    for name in keys(local.services) : name => concat(
      [aws_security_group.tasks.id],
      name == local.order_api ? [aws_security_group.order_api.id] : [],
      contains(local.calls_internet, name) ? values(aws_security_group.internet)[*].id : [],
    )
  }

  port = 8080
}

module "service" {
  source   = "./modules/service"
  for_each = local.services

  name        = each.key
  name_prefix = local.name_prefix
  capacity    = merge(local.capacity[each.key], { secrets = local.secrets[each.key] })
  # Through its capacity providers: ECS refuses a service until the cluster has them.
  cluster          = { arn = aws_ecs_cluster.this.arn, name = aws_ecs_cluster_capacity_providers.this.cluster_name }
  cpu_architecture = var.cpu_architecture
  environment      = local.environments[each.key]
  image            = local.images[each.key]
  log_group        = { name = "${local.log_group_prefix}${each.key}", days = var.log_retention_days }
  repository_arn   = local.repository_arn
  role_name        = local.role_names[each.key]
  security_groups  = local.security_groups[each.key]
  secrets_key_arns = var.secrets_key_arns
  stop_timeout     = local.stop_timeout
  subnet_ids       = local.subnet_ids

  permissions_boundary  = local.permissions_boundary
  tags                  = { Owner = each.value.owner }
  metrics_namespace     = local.metrics
  needs                 = local.task_needs
  release_alarm         = aws_cloudwatch_metric_alarm.release[each.key].alarm_name
  wait_for_steady_state = var.wait_for_steady_state

  # Permissions of the task's role, from the map.
  queue = length(each.value.consumes) == 0 ? null : {
    name        = module.queue[each.key].name
    arn         = module.queue[each.key].arn
    dlq_arn     = module.queue[each.key].dlq_arn
    concurrency = each.value.concurrency
  }
  publishes_to = length(each.value.publishes) == 0 ? null : aws_sns_topic.this.arn
  table        = { arn = local.table_arns[each.value.table], sweeps = each.key == local.relay }
  email        = each.value.sends_email ? { arns = local.email_arns, sender = var.sender_email } : null
  payloads     = lookup(local.payloads_rights, each.key, null)
  kms_key_arn  = var.customer_managed_key ? aws_kms_key.messaging["this"].arn : null

  enable_execute_command = var.enable_execute_command
  session_log_arn        = one([for key in local.sessions : local.session_log_arn])
  tracing                = var.tracing == null ? null : merge(var.tracing, { repository_arn = local.collector_repository_arns[0] })
  http                   = each.key == local.order_api ? { port = local.port, registry_arn = aws_service_discovery_service.order_api.arn } : null
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_224:sessions exist in development only and use TLS; a key of our own would need an endpoint for KMS. Their log has one
  name = local.name

  # It counts the running tasks, which scaling divides by.
  setting {
    name  = "containerInsights"
    value = var.container_insights
  }

  dynamic "configuration" {
    for_each = aws_cloudwatch_log_group.sessions

    content {
      execute_command_configuration {
        logging = "OVERRIDE"

        log_configuration {
          cloud_watch_encryption_enabled = true # refuse sessions if the group had no key
          cloud_watch_log_group_name     = configuration.value.name
        }
      }
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

# --- service discovery of order-api -------------------------------------------------

resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = "${local.name}.internal"
  description = "Private names of ${local.name}"
  vpc         = local.vpc_id
}

# The VPC link of the API reads ports and addresses here. ECS takes a task out when it stops it; API
# Gateway caches the answers, so order-api still accepts requests for a while (LONGEST_DRAIN in
# workers/api/server.py).
resource "aws_service_discovery_service" "order_api" {
  name = local.order_api

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "SRV"
      ttl  = 10
    }
  }

  # ECS reports which tasks are healthy.
  health_check_custom_config {
    failure_threshold = 1
  }
}
