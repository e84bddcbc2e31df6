"""The domain: one module per service, free of AWS, of threads and of each other."""
