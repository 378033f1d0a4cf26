"""A real kernel that loses messages: the file $LOSSES says how often, $LOST which of them.

Started by the kernelspec that tests/book/test_running.py writes.
"""

import os
from pathlib import Path

from ipykernel.kernelapp import launch_new_instance
from jupyter_client.session import Session

send = Session.send


def lossy_send(self, stream, msg_or_type, content=None, parent=None, *rest, **options):
    kind = msg_or_type if isinstance(msg_or_type, str) else msg_or_type["header"]["msg_type"]
    code = ((parent or {}).get("content") or {}).get("code", "")
    losses = Path(os.environ["LOSSES"])
    if "lose" in code and content != {"execution_state": "busy"} and (left := losses.read_text()):
        if kind == "status":  # the last message about a cell
            losses.write_text(left[1:])
        if kind in os.environ["LOST"].split():
            return None
    return send(self, stream, msg_or_type, content, parent, *rest, **options)


if __name__ == "__main__":
    Session.send = lossy_send
    launch_new_instance()
