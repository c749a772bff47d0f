"""Says of each request on its input whether the reference library takes its signature."""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "deploy" / "local"))

from stack_parts import cache  # noqa: E402

# Its notes are not the answer.
answer, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, str(cache.notify_site()))

from standardwebhooks import Webhook, WebhookVerificationError  # noqa: E402


def is_verified(webhook, request):
    try:
        webhook.verify(request["body"], request["headers"])
    except WebhookVerificationError:
        return False
    return True


asked = json.load(sys.stdin)
judge = Webhook(asked["secret"])
json.dump([is_verified(judge, request) for request in asked["requests"]], answer)
