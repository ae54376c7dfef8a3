"""A kernel executes cells, shows what their threads print, and its process ends when it is told to."""

import sys
import threading

from jupyter_client.manager import KernelManager

CELL = """
import threading
def work():
    print("from", threading.current_thread().name, threading.__name__)
thread = threading.Thread(target=work, name="a thread of a cell")
thread.start()
thread.join(30)
assert not thread.is_alive() and threading.current_thread() is threading.main_thread()
"""

here = ["-m", "cthreading"] * (threading.__name__ == "cthreading")
manager = KernelManager()
manager.kernel_spec.argv = [sys.executable, *here, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=40)
    printed = []
    answer = client.execute_interactive(
        CELL,
        timeout=30,
        output_hook=lambda message: printed.append(message["content"].get("text", "")),
    )
    assert answer["content"]["status"] == "ok", answer["content"]
    assert "".join(printed) == f"from a thread of a cell {threading.__name__}\n", printed
    process = manager.provisioner.process
    client.shutdown()
    assert process.wait(30) == 0
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(threading.__name__)
