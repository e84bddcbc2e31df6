# The map, as the code reads it: it states every field of every service, and nothing here has a
# default. rules.tf reports what is wrong with a map.

locals {
  topology = jsondecode(file(coalesce(var.topology_file, "${path.module}/../workers/topology.json")))

  # The fields of Service in workers/topology.py.
  service_fields = [
    "concurrency", "consumes", "dlq_retention", "max_attempts", "owner", "publishes",
    "retention", "sends_email", "table", "visibility_timeout",
  ]
  missing_fields = {
    for name in keys(local.topology.services) :
    name => sort(setsubtract(local.service_fields, keys(local.topology.services[name])))
  }

  # What a service does comes from the map, its capacity from var.services. An incomplete service
  # fails the plan in rules.tf, with one message instead of one for each use of the field.
  services = {
    for name, service in local.topology.services : name => merge(service, local.capacity[name])
    if length(local.missing_fields[name]) == 0
  }

  publishers = { for name, service in local.services : name => service if length(service.publishes) > 0 }

  # The services that have a queue.
  consumers = { for name, service in local.services : name => service if length(service.consumes) > 0 }

  # The services that may have no task, now or from some scheduled time on.
  may_sleep = toset([for name, each in local.capacity : name if min(each.min, values(each.schedules)[*].min...) == 0])

  capacity = {
    for name in keys(local.topology.services) : name => {
      cpu                = try(coalesce(var.services[name].cpu), 256)
      memory             = try(coalesce(var.services[name].memory), 512)
      desired            = try(coalesce(var.services[name].desired), coalesce(var.services[name].min), 1)
      min                = try(coalesce(var.services[name].min), 1)
      max                = try(coalesce(var.services[name].max), 10)
      acceptable_latency = try(coalesce(var.services[name].acceptable_latency), 30)
      handling_ms        = try(coalesce(var.services[name].handling_ms), 500)
      spot_share         = try(coalesce(var.services[name].spot_share), 0)
      secrets            = try(var.services[name].secrets, {})
      schedules          = try(var.services[name].schedules, {})
    }
  }
}
