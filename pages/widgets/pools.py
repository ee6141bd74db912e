"""Has all threads share few pools of memory; to be imported before whatever starts threads: pools that are there stay.

Every look is a thread. The C library gives threads up to eight pools a processor, of which each keeps what it once
held: for five minutes a server of thirty sessions grew.
"""

import contextlib
import ctypes

M_ARENA_MAX = -8  # as in glibc's malloc.h
POOLS = 2  # or as many as Streamlit has made by then

with contextlib.suppress(AttributeError):  # of another C library
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, POOLS)
