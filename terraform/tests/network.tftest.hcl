# The network: what exists with each way out. Offline.

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

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

override_resource {
  target          = aws_sns_topic.this
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-west-1:123456789012:dev-order-events" }
}

override_resource {
  target          = aws_ecs_cluster.this
  override_during = plan
  values          = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/dev-order-pipeline" }
}

override_resource {
  target          = aws_security_group.internet["this"]
  override_during = plan
  values          = { id = "sg-internet" }
}

override_resource {
  target          = aws_security_group.tasks
  override_during = plan
  values          = { id = "sg-tasks" }
}

override_resource {
  target          = aws_security_group.order_api
  override_during = plan
  values          = { id = "sg-order-api" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "no_way_out" {
  command = plan

  assert {
    condition     = length(aws_internet_gateway.this) + length(aws_nat_gateway.this) + length(aws_eip.nat) + length(aws_route.way_out) + length(aws_subnet.public) == 0
    error_message = "a way out that nobody asked for"
  }
  assert {
    condition     = length(aws_vpc_endpoint.interface) == 6 && keys(aws_route_table.private) == ["this"]
    error_message = "tasks reach no AWS API"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.elsewhere) + length(aws_vpc_security_group_egress_rule.internet) == 0
    error_message = "a rule that lets tasks out"
  }
}

run "keys_that_nobody_can_fetch_are_refused" {
  command = plan

  variables {
    jwt_keys = null
  }

  expect_failures = [var.jwt_keys]
}

run "order_api_fetches_the_keys_of_tokens_that_it_is_not_given" {
  command = plan

  variables {
    internet = "nat"
    jwt_keys = null
  }

  assert {
    condition     = toset([for name, groups in local.security_groups : name if contains(groups, "sg-internet")]) == toset(["order-api", "payment"])
    error_message = "order-api cannot reach the issuer, or another service gets out"
  }
  assert {
    condition     = !contains(keys(local.environments["order-api"]), "JWT_KEYS")
    error_message = "keys from nowhere"
  }
}

run "payment_reaches_its_provider" {
  command = plan

  variables {
    availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    internet           = "nat"
    payment_gateway    = "stripe"
    services           = { payment = { secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" } } }
  }

  # a zone that fails takes no other zone's way out with it
  assert {
    condition     = alltrue([for each in [aws_nat_gateway.this, aws_route_table.private, aws_route.way_out] : toset(keys(each)) == toset(var.availability_zones)])
    error_message = "zones share a gateway"
  }
  assert {
    condition     = alltrue([for each in aws_subnet.public : !each.map_public_ip_on_launch])
    error_message = "something here could get a public address"
  }
  # no range overlaps: the private subnets are the first three quarters
  assert {
    condition     = [for zone in var.availability_zones : aws_subnet.private[zone].cidr_block] == ["10.40.0.0/22", "10.40.4.0/22", "10.40.8.0/22"] && [for zone in var.availability_zones : aws_subnet.public[zone].cidr_block] == ["10.40.12.0/24", "10.40.13.0/24", "10.40.14.0/24"]
    error_message = "ranges overlap, or moved"
  }

  # only payment gets out, and only to port 443; AWS's APIs stay inside the VPC
  assert {
    condition     = { for name, groups in local.security_groups : name => groups if contains(groups, "sg-internet") } == { payment = ["sg-tasks", "sg-internet"] }
    error_message = "another service than payment gets out"
  }
  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.internet : [rule.security_group_id, rule.ip_protocol, rule.from_port, rule.to_port]] == [["sg-internet", "tcp", 443, 443]]
    error_message = "more than HTTPS"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.elsewhere) == 0 && length(aws_vpc_endpoint.interface) == 7
    error_message = "AWS APIs go through the gateway, or every task gets out"
  }
}

run "a_cheap_network" {
  command = plan

  variables {
    internet = "nat-only"
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) + length(aws_security_group.endpoints) == 0 && toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"])
    error_message = "not instead of the interface endpoints, or without the free ones"
  }
  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-west-1a"] && keys(aws_route.way_out) == ["eu-west-1a"] && keys(aws_route_table.private) == ["this"]
    error_message = "not one gateway for all zones"
  }
  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.elsewhere : [rule.security_group_id, rule.ip_protocol, rule.from_port, rule.to_port]] == [["sg-tasks", "tcp", 443, 443]]
    error_message = "tasks reach no AWS API, or more than HTTPS"
  }
}

run "an_existing_network" {
  command = plan

  variables {
    vpc_id          = "vpc-0123456789abcdef0"
    subnet_ids      = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    payment_gateway = "stripe"
    services        = { payment = { secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" } } }
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) + length(aws_route_table.private) + length(aws_nat_gateway.this) + length(aws_security_group.internet) == 0
    error_message = "the existing network was changed"
  }
}

run "stripe_without_a_way_out" {
  command = plan

  variables {
    payment_gateway = "stripe"
    services        = { payment = { secrets = { STRIPE_API_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/stripe-AbCdEf" } } }
  }

  expect_failures = [var.payment_gateway]
}

run "an_unknown_way_out" {
  command = plan

  variables {
    internet = "public"
  }

  expect_failures = [var.internet]
}

run "a_way_out_of_an_existing_network" {
  command = plan

  variables {
    internet   = "nat"
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }

  expect_failures = [var.internet]
}

run "four_zones_leave_no_room_for_gateways" {
  command = plan

  variables {
    availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1d"]
    internet           = "nat"
  }

  expect_failures = [var.internet]
}
