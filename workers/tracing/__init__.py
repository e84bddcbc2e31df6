"""Traces of OpenTelemetry. Nothing here is imported unless they are exported.

The spans, their names and attributes follow OpenTelemetry's conventions for messaging (in
Development), databases and HTTP: https://opentelemetry.io/docs/specs/semconv/
"""
