# What SES needs to send the mails of the map's one service that sends any. There are no templates
# here: workers/services/templates.py holds them, where they are tested against the events, and
# sends finished text.

locals {
  # The identity is the account's: a second environment of it uses what the first one made.
  made_email_identity = toset(var.manage_email_identity ? ["this"] : [])
}

resource "aws_sesv2_email_identity" "this" {
  for_each = local.made_email_identity

  email_identity         = local.email_identity
  configuration_set_name = aws_sesv2_configuration_set.this[each.key].configuration_set_name
}

# The code names no configuration set: every mail of the identity goes by this one, so it is the
# account's too.
resource "aws_sesv2_configuration_set" "this" {
  for_each = local.made_email_identity

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
  # Whoever bounced or complained gets no more mail: a redelivery must not cost the reputation.
  suppression_options {
    suppressed_reasons = ["BOUNCE", "COMPLAINT"]
  }
}
