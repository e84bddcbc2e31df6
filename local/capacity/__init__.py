"""Capacity: tasks, quotas and cost of a rate of orders, and a simulation of scaling."""
