"""A shell runs cells with threads, its own thread writes them to the history, and the process ends."""

import os
import sqlite3
import tempfile
import threading

folder = os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

configuration = Config()
configuration.HistoryManager.hist_file = os.path.join(folder, "history.sqlite")
configuration.HistoryManager.enabled = True
configuration.HistoryManager.db_cache_size = 0
shell = InteractiveShell.instance(config=configuration)
saver = shell.history_manager.save_thread
assert saver.is_alive() and saver.daemon and saver in threading.enumerate()
CELLS = (
    "import threading\nfound = []",
    "threads = [threading.Thread(target=found.append, args=(i,)) for i in range(5)]",
    "for thread in threads: thread.start()\nfor thread in threads: thread.join(30)",
    "assert sorted(found) == [0, 1, 2, 3, 4]",
)
for cell in CELLS:
    shell.run_cell(cell, store_history=True).raise_error()
assert shell.user_ns["threading"] is threading
shell.history_manager.end_session()
saver.stop()
saver.join(30)
assert not saver.is_alive()
with sqlite3.connect(configuration.HistoryManager.hist_file) as history:
    lines = [line for (line,) in history.execute("SELECT source_raw FROM history ORDER BY line")]
assert lines == list(CELLS), lines
# The saver of another shell is at work when the interpreter ends.
another = InteractiveShell(config=configuration)
another.run_cell("1 + 1", store_history=True).raise_error()
assert another.history_manager.save_thread.is_alive()
print(threading.__name__)
