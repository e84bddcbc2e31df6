# The collector of traces: a second container of the task, in the same network namespace. The worker
# exports spans to it over loopback; it sends them to X-Ray in batches with the task's role. It is not
# essential: a collector that ends costs spans, never a worker.

locals {
  # SIGTERM reaches the collector after the worker has ended, because the worker depends on it.
  collector_needs = { for field in var.tracing == null ? [] : ["dependsOn"] : field => [{ containerName = local.collector_name, condition = "START" }] }
  collector_name  = "collector"
  collector_url   = "http://127.0.0.1:4318"

  tracing_environment = var.tracing == null ? {} : {
    OTEL_EXPORTER_OTLP_ENDPOINT = local.collector_url
    OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG     = tostring(var.tracing.sample)
  }

  collectors = var.tracing == null ? [] : [{
    name                   = local.collector_name
    image                  = var.tracing.image
    essential              = false
    cpu                    = 32 # of the task's; a share, not a limit
    memory                 = var.tracing.memory
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    stopTimeout            = 10 # a batch waits for 5 s at most

    environment    = [{ name = "AOT_CONFIG_CONTENT", value = yamlencode(local.collector_configuration) }]
    mountPoints    = []
    portMappings   = [] # loopback only
    systemControls = []
    volumesFrom    = []

    linuxParameters = {
      capabilities       = { add = [], drop = ["ALL"] }
      initProcessEnabled = false
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = var.environment["AWS_REGION"]
        "awslogs-stream-prefix" = "collector"
        "mode"                  = "non-blocking"
        "max-buffer-size"       = "1m"
      }
    }
  }]

  # https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/awsxrayexporter
  collector_configuration = {
    receivers = { otlp = { protocols = { http = { endpoint = trimprefix(local.collector_url, "http://") } } } }
    processors = {
      # It refuses spans before ECS would kill the container.
      memory_limiter = { check_interval = "1s", limit_percentage = 75, spike_limit_percentage = 20 }
      batch          = { timeout = "5s", send_batch_size = 50, send_batch_max_size = 50 }
    }
    exporters = {
      awsxray = {
        region     = local.region
        local_mode = true # no metadata of an EC2 instance
        # What an operator searches by. X-Ray indexes at most 50 annotations of a trace.
        indexed_attributes = ["messaging.message.conversation_id", "messaging.message.id", "cloudevents.event_type", "error.type", "workers.outcome"]
      }
    }
    service = {
      pipelines = { traces = { receivers = ["otlp"], processors = ["memory_limiter", "batch"], exporters = ["awsxray"] } }
      telemetry = { logs = { level = "warn" }, metrics = { level = "none" } }
    }
  }
}
