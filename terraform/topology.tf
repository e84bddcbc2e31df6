# The map, as the code reads it, with the defaults of what a service does not say. Nothing fails
# here: what is wrong with a map is said in rules.tf, in words.

locals {
  topology = jsondecode(file(coalesce(var.topology_file, "${path.module}/../workers/topology.json")))

  # Meaning from the map, capacity from var.services.
  services = {
    for name, service in local.raw_services : name => merge({
      # Texts only: Terraform would take a number for one.
      consumes           = try([for event in service.consumes : regex("^\"(.*)\"$", jsonencode(event))[0]], [])
      publishes          = try([for event in service.publishes : regex("^\"(.*)\"$", jsonencode(event))[0]], [])
      table              = try(tostring(service.table), "")
      visibility_timeout = try(service.visibility_timeout, 60)
      max_attempts       = try(service.max_attempts, 3)
      concurrency        = try(service.concurrency, 10)
      retention          = try(service.retention, 4 * 86400)
      dlq_retention      = try(service.dlq_retention, 14 * 86400)
      sends_email        = try(service.sends_email, false)
    }, local.capacity[name])
  }

  publishers = { for name, service in local.services : name => service if length(service.publishes) > 0 }

  # Those with a queue.
  consumers = { for name, service in local.services : name => service if length(service.consumes) > 0 }

  capacity = {
    for name in keys(local.raw_services) : name => {
      cpu                = try(coalesce(var.services[name].cpu), 256)
      memory             = try(coalesce(var.services[name].memory), 512)
      desired            = try(coalesce(var.services[name].desired), coalesce(var.services[name].min), 1)
      min                = try(coalesce(var.services[name].min), 1)
      max                = try(coalesce(var.services[name].max), 10)
      acceptable_latency = try(coalesce(var.services[name].acceptable_latency), 30)
      handling_ms        = try(coalesce(var.services[name].handling_ms), 500)
      spot_share         = try(coalesce(var.services[name].spot_share), 0)
      secrets            = try(var.services[name].secrets, {})
    }
  }
}
