"""The demo (``workers demo``) and the local system (``workers local``)."""
