"""For asyncio: barriers where tasks wait for each other."""

from cthreading._core import _AioBarrier as Barrier

__all__ = ("Barrier",)
