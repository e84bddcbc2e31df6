# The SES resources of the service that sends mail. SES holds no templates: they are in
# workers/services/templates.py, where tests check them against the events.

locals {
  # An account has one identity per domain: a second environment uses that of the first.
  new_email_identity = toset(var.manage_email_identity ? ["this"] : [])
}

resource "aws_sesv2_email_identity" "this" {
  for_each = local.new_email_identity

  email_identity         = local.email_identity
  configuration_set_name = aws_sesv2_configuration_set.this[each.key].configuration_set_name
}

# In the sandbox, SES sends only to addresses that have confirmed.
resource "aws_sesv2_email_identity" "recipient" {
  for_each = toset(var.sandbox_recipients)

  email_identity = each.value
}

# The default of every mail of the identity, because the code names no configuration set. So the
# account has one, too.
resource "aws_sesv2_configuration_set" "this" {
  for_each = local.new_email_identity

  configuration_set_name = local.email_configuration_set

  delivery_options {
    tls_policy = "REQUIRE"
  }
  reputation_options {
    reputation_metrics_enabled = true
  }
  sending_options {
    sending_enabled = true
  }
  # Addresses that bounced or complained get no more mail, so a redelivery cannot hurt the sender's
  # reputation.
  suppression_options {
    suppressed_reasons = ["BOUNCE", "COMPLAINT"]
  }
}
