"""What threads of every kind do not catch becomes an event, which has what was set before they were started."""

import threading
from concurrent.futures import ThreadPoolExecutor

import sentry_sdk
from sentry_sdk.transport import Transport

events = []
reported = []


class Kept(Transport):
    def capture_envelope(self, envelope):
        events.extend(item.payload.json for item in envelope.items if item.type == "event")


class Failing(threading.Thread):
    def run(self):
        raise LookupError(self.name)


def fail():
    with sentry_sdk.start_transaction(name="work"):
        sentry_sdk.capture_message("working")
    raise LookupError(threading.current_thread().name)


threading.excepthook = lambda args: reported.append(str(args.exc_value))
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Kept, traces_sample_rate=1.0)
sentry_sdk.set_tag("set", "before")

timer = threading.Timer(0.001, fail)
timer.name = "a timer"
threads = [threading.Thread(target=fail, name="a function"), Failing(name="a subclass"), timer]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
with ThreadPoolExecutor(1, thread_name_prefix="a pool") as pool:
    assert pool.submit(lambda: sentry_sdk.get_isolation_scope()._tags["set"]).result(30) == "before"
sentry_sdk.flush()

messages = [event for event in events if "message" in event]
named = sorted(event["contexts"]["trace"]["data"]["thread.name"] for event in messages)
assert named == ["a function", "a timer"], messages
expected = ["a function", "a subclass", "a timer"]
assert sorted(reported) == expected, reported
failures = [event for event in events if "exception" in event]
assert sorted(event["exception"]["values"][0]["value"] for event in failures) == expected, events
for event in failures:
    [value] = event["exception"]["values"]
    assert value["type"] == "LookupError" and value["mechanism"]["type"] == "threading", value
    assert value["stacktrace"]["frames"][-1]["function"] in ("fail", "run")
    assert event["tags"]["set"] == "before", event
print(threading.__name__)
