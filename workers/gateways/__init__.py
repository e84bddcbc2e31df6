"""Adapters of payment providers: each implements ``PaymentGateway`` of services/payment.py."""
