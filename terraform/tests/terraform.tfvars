# Of every test.
account_id = "123456789012"
