"""installed.py [--after MODULE,...] PROGRAM: runs the program once cthreading is installed, after these imports."""

import sys

if sys.argv[1] == "--after":
    for module in sys.argv[2].split(","):
        __import__(module)
    del sys.argv[1:3]

import cthreading

cthreading.install()
del sys.argv[0], cthreading
__file__ = sys.argv[0]
with open(__file__, encoding="utf-8") as file:
    program = compile(file.read(), __file__, "exec")
__doc__ = None
exec(program, globals())
