# Invalid values, and where they are refused. tests/contract/test_topology_terraform.py compares the
# messages of the map's rules with those of the code.

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

# the registry has the image of every tag
override_data {
  target = data.aws_ecr_image.worker
  values = { image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

variables {
  environment      = "dev"
  image_tag        = "v1"
  sender_email     = "orders@example.com"
  operations_email = "operations@example.com"
}

run "variables_out_of_range" {
  command = plan

  variables {
    environment        = "Production!"
    account_id         = "12345"
    max_retries        = -1
    name_prefix        = "much-too-long-for-a-name-"
    topology_file      = "tests/maps/nowhere.json"
    image_tag          = "latest"
    cpu_architecture   = "RISC-V"
    services           = { payment = { secrets = { KEY = "hunter2" } } }
    log_level          = "loud"
    log_retention_days = 8
    sender_email       = "orders"
    operations_email   = "operations"
    container_insights = "full"
    sandbox_recipients = ["*@example.com"]
    secrets_key_arns   = ["arn:aws:kms:eu-west-1:123456789012:alias/secrets"]
    operators          = ["arn:aws:iam::123456789012:role/*"]
    vpc_cidr           = "10.0.0.0/8"
    availability_zones = ["eu-west-1a"]
    subnet_ids         = ["subnet-0123456789abcdef0"]
  }

  expect_failures = [
    var.account_id, var.container_insights, var.sandbox_recipients, var.secrets_key_arns,
    var.environment, var.max_retries, var.name_prefix, var.topology_file, var.image_tag,
    var.cpu_architecture, var.services, var.log_level, var.log_retention_days, var.sender_email,
    var.operations_email, var.operators, var.vpc_cidr, var.availability_zones, var.subnet_ids,
  ]
}

run "values_that_contradict_each_other" {
  command = plan

  # production has no simulation, no shells, and is protected; an existing network needs subnets; zones are in the region
  variables {
    environment         = "shop"
    region              = "ireland"
    allow_simulation    = true
    deletion_protection = false
    dns_firewall        = {}
    vpc_id              = "vpc-0123456789abcdef0"
    services            = { payment = { spot_share = 101 }, orders = { handling_ms = 0 } }
  }

  expect_failures = [
    var.region, var.services, var.allow_simulation, var.deletion_protection, var.dns_firewall, var.subnet_ids,
  ]
}

run "what_only_development_may_do" {
  command = plan

  variables {
    stage                  = "staging"
    allow_simulation       = true
    enable_execute_command = true
    dns_firewall           = { domains = ["https://example.com/"] }
  }

  expect_failures = [var.allow_simulation, var.enable_execute_command, var.dns_firewall]
}

run "a_stage_that_contradicts_the_name" {
  command = plan

  variables {
    environment = "prod2"
    stage       = "development"
  }

  expect_failures = [var.stage]
}

run "an_unknown_stage" {
  command = plan

  variables {
    stage = "test"
  }

  expect_failures = [var.stage]
}

run "a_map_that_breaks_rules" {
  command = plan

  variables {
    topology_file = "tests/maps/broken.json"
  }

  # analytics: SQS deletes its dead letters before its messages; inventory: its visibility timeout is
  # too short; notification: a field is missing; payment: it consumes an event nobody publishes.
  expect_failures = [
    terraform_data.map, terraform_data.rules["analytics"], terraform_data.rules["inventory"],
    terraform_data.rules["payment"],
  ]
}

run "invalid_capacity" {
  command = plan

  variables {
    services = {
      order-api = { min = 0, desired = 0 }
      payment   = { cpu = 256, memory = 4096 }
      inventory = { min = 5, desired = 5, max = 4 }
      shipping  = {}
    }
  }

  expect_failures = [
    terraform_data.capacity["order-api"], terraform_data.capacity["payment"],
    terraform_data.capacity["inventory"], terraform_data.map,
  ]
}

run "a_name_that_ecr_refuses" {
  command = plan

  variables {
    name_prefix = "Dev-"
  }

  expect_failures = [var.name_prefix]
}

run "a_secret_in_the_wrong_form" {
  command = plan

  variables {
    # a key of the secret needs its stage and version, even if they are empty
    services = { payment = { secrets = { KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf:key" } } }
  }

  expect_failures = [var.services]
}

run "a_schedule_without_a_maximum" {
  command = plan

  variables {
    services = { payment = { schedules = { sale = { at = "at(2027-11-25T20:00:00)", min = 5, max = 0 } } } }
  }

  expect_failures = [var.services]
}

run "a_schedule_after_which_nothing_starts_a_task" {
  command = plan

  variables {
    services = { order-api = { schedules = { night = { at = "cron(0 22 * * ? *)", min = 0, max = 2 } } } }
  }

  expect_failures = [terraform_data.capacity["order-api"]]
}
