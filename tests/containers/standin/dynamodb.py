#!/opt/code/localstack/.venv/bin/python
"""DynamoDB for a LocalStack image without Java: its own moto, corrected like the embedded AWS.

An uncorrected moto copies all tables for each transaction and loses concurrent writes.
The command line is that of DynamoDB Local: ``java ... -port 4511``.
"""

import os
import sys
from threading import Lock

sys.path.insert(0, "/corrections")
os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import run_simple

from local.aws.services.dynamodb import correct_dynamodb

correct_dynamodb()
moto = DomainDispatcherApplication(create_backend_app)
one_at_a_time = Lock()


def application(environ, start_response):
    with one_at_a_time:
        return list(moto(environ, start_response))


run_simple("127.0.0.1", int(sys.argv[sys.argv.index("-port") + 1]), application, threaded=True)
