"""What runs beside a task on Fargate: it hands out credentials, and protects from scale-in.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
"""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from botocore.exceptions import ClientError

from local.rehearsal.roles import session


class Agent(ThreadingHTTPServer):
    """One for all tasks of this machine; each has a path of its own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.tasks = {}  # by id

    def admit(self, task_id, *, arn, cluster, credentials):
        """Serve a task; gives what the agent adds to its environment.

        On Fargate the credentials have an address of the link that no other process can ask.
        """
        self.tasks[task_id] = {"arn": arn, "cluster": cluster, "credentials": credentials}
        url = f"http://127.0.0.1:{self.server_port}/{task_id}"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials", "ECS_AGENT_URI": url}

    def protection(self, task, state):
        """Protect a task, or not, with the rights of its own role."""
        ecs = session(task["credentials"]).client("ecs")
        minutes = (
            {"expiresInMinutes": state["ExpiresInMinutes"]} if "ExpiresInMinutes" in state else {}
        )
        try:
            ecs.update_task_protection(
                cluster=task["cluster"],
                tasks=[task["arn"]],
                protectionEnabled=state["ProtectionEnabled"],
                **minutes,
            )
        except ClientError as refused:
            return 400, {"error": {"Arn": task["arn"], **refused.response["Error"]}}
        return 200, {"protection": {"TaskArn": task["arn"], **state}}


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        task = self.server.tasks[self.path.split("/")[1]]
        assert self.path.endswith("/credentials")
        given = task["credentials"]
        self._answer(
            200,
            {
                "AccessKeyId": given["AccessKeyId"],
                "SecretAccessKey": given["SecretAccessKey"],
                "Token": given["SessionToken"],
                "Expiration": given["Expiration"].isoformat(),
            },
        )

    def do_PUT(self):
        task = self.server.tasks[self.path.split("/")[1]]
        assert self.path.endswith("/task-protection/v1/state")
        state = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(*self.server.protection(task, state))

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep quiet."""


@contextmanager
def running_agent():
    """Serve until the end of the block."""
    with Agent() as agent:
        thread = Thread(target=agent.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield agent
        agent.shutdown()
        thread.join()
