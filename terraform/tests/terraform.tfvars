# Of every test.
account_id = "123456789012"
jwt_keys   = "{\"keys\": [{\"kid\": \"1\"}]}"
