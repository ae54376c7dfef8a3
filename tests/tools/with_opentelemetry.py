"""The span that is current where a thread, a timer or a task is started is current in it."""

import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import TracerProvider

seen = []


def look():
    seen.append((threading.current_thread().name, trace.get_current_span().get_span_context().span_id))


class Looking(threading.Thread):
    def run(self):
        super().run()


def look_everywhere():
    seen.clear()
    threads = [threading.Thread(target=look), Looking(target=look), threading.Timer(0.001, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(look).result(30)
    assert len(seen) == 4, seen
    return {span for _, span in seen}


before = threading.Thread.start, threading.Thread.run, threading.Timer.run
tracer = TracerProvider().get_tracer("check")
instrumentor = ThreadingInstrumentor()
instrumentor.instrument()
with tracer.start_as_current_span("outer") as span:
    inside = span.get_span_context().span_id
    assert look_everywhere() == {inside}
assert look_everywhere() == {0}
instrumentor.uninstrument()
assert (threading.Thread.start, threading.Thread.run, threading.Timer.run) == before
with tracer.start_as_current_span("outer"):
    assert look_everywhere() == {0}
print(threading.__name__)
