"""A debugger stops where a thread fails and nobody catches it, and at a line that a thread runs; the program ends."""

import subprocess
import sys
import threading

import debugpy

CLIENT = """
import json, socket, sys

port, script, line = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = socket.create_connection(("127.0.0.1", port), 30)
stream = connection.makefile("rwb")
sent = 0
waiting = []


def send(command, **arguments):
    global sent
    sent += 1
    body = json.dumps({"seq": sent, "type": "request", "command": command, "arguments": arguments}).encode()
    stream.write(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    stream.flush()
    return sent


def receive(suits):
    for message in waiting:
        if suits(message):
            waiting.remove(message)
            return message
    while True:
        length = 0
        while header := stream.readline().strip():
            if header.startswith(b"Content-Length:"):
                length = int(header.partition(b":")[2])
        assert length, "the debugger has closed the connection"
        message = json.loads(stream.read(length))
        if suits(message):
            return message
        waiting.append(message)


def ask(command, **arguments):
    number = send(command, **arguments)
    answer = receive(lambda message: message.get("request_seq") == number)
    assert answer["success"], answer
    return answer.get("body")


def event(name):
    return receive(lambda message: message.get("event") == name).get("body")


def stopped():
    body = event("stopped")
    names = {thread["id"]: thread["name"] for thread in ask("threads")["threads"]}
    frames = ask("stackTrace", threadId=body["threadId"])["stackFrames"]
    return body, names[body["threadId"]], frames[0]["name"]


ask("initialize", adapterID="check", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
attaching = send("attach", justMyCode=False)
event("initialized")
ask("setBreakpoints", source={"path": script}, breakpoints=[{"line": line}])
ask("setExceptionBreakpoints", filters=["uncaught"])
ask("configurationDone")
receive(lambda message: message.get("request_seq") == attaching)
for _ in range(2):
    body, thread, function = stopped()
    print(body["reason"], thread, function, flush=True)
    if body["reason"] == "exception":
        info = ask("exceptionInfo", threadId=body["threadId"])
        print(info["exceptionId"].rpartition(".")[2], flush=True)
    ask("continue", threadId=body["threadId"])
ask("disconnect", terminateDebuggee=False)
"""


def reach_a_line():
    return "this line"  # the line with the breakpoint


def fail():
    raise LookupError("nobody catches this")


threading.excepthook = lambda args: None
_, port = debugpy.listen(("127.0.0.1", 0))
line = reach_a_line.__code__.co_firstlineno + 1
command = [sys.executable, "-c", CLIENT, str(port), __file__, str(line)]
client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
debugpy.wait_for_client()
for name, function in (("at a line", reach_a_line), ("failing", fail)):
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), name
out, _ = client.communicate(timeout=30)
expected = ["breakpoint at a line reach_a_line", "exception failing fail", "LookupError"]
assert out.splitlines() == expected, out
assert client.returncode == 0
print(threading.__name__)
