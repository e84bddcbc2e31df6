"""The cost model of a consumer on AWS."""
