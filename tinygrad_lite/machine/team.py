"""Threads that share the work of machine code: a loop's outer iterations, or rows, a piece at a time.

Helpers wait in machine code, without Python's lock: a call is shared within a microsecond or so, where Python's
threads take 50. They look for calls for a fraction of a millisecond and then sleep (a futex) until the next one. Who
calls does not depend on them: it takes pieces until none is left, and waits for those that a helper has begun. So a
result needs no helper, and is the same with any number of them.

A call holds the team; others meanwhile work alone, as do calls within blocks of Python's threads (`core/threads.py`).

Sources: Linux's futex(2) and syscalls(2); Intel's manual, volume 3, 9.2 for the order in which other threads see
memory change.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
from contextlib import suppress

from ..core.threads import BLOCKS, get_num_threads
from .ufuncs import executable
from .x86 import R8, R9, R10, R12, R13, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Assembler, Memory, Op

__all__ = ["assemble", "shared"]

LOOKS, TURN = 10_000, 1 << 9
"""How often a helper looks for a call before it sleeps, 0.2 ms on a Zen 3; and before it lets other threads run."""

PATIENCE = 2_000
"""How often who calls looks for a helper's end before it lets other threads run."""

PIECES, FEWEST = 8, 4
"""Into how many pieces a call is cut for each thread, and for each time that it has the fewest elements to be shared;
the smaller number counts."""

OPERANDS, DIMENSIONS = 32, 8
"""The most that a shared loop may have."""

FUTEX, YIELD, WAIT, WAKE = 202, 24, 128, 129
"""Linux's system calls on x86-64, and what a private futex is called for."""

FLAGS = 0x3F
"""The floating-point flags in the register MXCSR."""

_LINE = 64
"""Bytes of a cache line: what one thread writes lies in no other's."""


class _Place:
    """Numbers of 64 bits that the threads share, in bytes from RBX.

    lock : 1 while a call holds the team. posted : calls so far, which helpers wait on. asleep : helpers that sleep.
    active : those that may look at a call. helpers : those that there are. stop : 1 when they are to end.
    opened : 1 while there is a call to share. next : the first iteration that nobody has taken.
    control : the caller's MXCSR. flags : what floating-point flags helpers have raised.
    The call: its body, arguments, dimensions and strides, their numbers, and the iterations of a piece.
    """

    lock, posted, asleep, active, helpers, stop, opened, next, control, flags = (_LINE * i for i in range(10))
    body, arguments, dimensions, strides, data, operands, axes, piece = (_LINE * 10 + 8 * i for i in range(8))


def _at(offset: int) -> Memory:
    return Memory(RBX, offset=offset)


class _Team:
    """The helpers, and the memory that they share. It is never given back: helpers look at it until the process ends.

    hired : the number of threads, the caller's included, for which there are helpers.
    """

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        code = self._code()
        self.pages, start = executable(code.finished())
        ctypes.pythonapi.Py_IncRef(ctypes.py_object((self.memory, self.pages, BLOCKS)))
        self.share, self.help, self.wake = (start + code.labels[name] for name in ("share", "help", "wake"))
        self.lock, self.hired, self.threads = threading.Lock(), 1, list[threading.Thread]()

    def hire(self, count: int) -> None:
        """Have the helpers for so many threads."""
        with self.lock:
            if self.hired == count:
                return
            self._set(_Place.stop, 1)
            ctypes.CFUNCTYPE(None)(self.wake)()
            for thread in self.threads:
                thread.join()
            self._set(_Place.stop, 0)
            self.threads, self.hired = [], count
            for _ in range(count - 1):
                helper = ctypes.CFUNCTYPE(None)(self.help)
                thread = threading.Thread(target=helper, name="tinygrad_lite loops", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # a system allows so many threads, and none when Python ends
                    return
                self.threads.append(thread)

    def forget(self) -> None:
        """In a forked process, where there are no helpers."""
        global _made
        self.memory[: mmap.PAGESIZE] = bytes(mmap.PAGESIZE)
        self.lock, self.hired, self.threads, _made = threading.Lock(), 1, [], threading.Lock()

    def count(self, name: str) -> int:
        """A number of `_Place`."""
        return ctypes.c_int64.from_address(self.address + getattr(_Place, name)).value

    def _set(self, place: int, number: int) -> None:
        ctypes.c_int64.from_address(self.address + place).value = number

    def _code(self) -> Assembler:
        code = Assembler()
        code.label("share")
        self._share(code)
        code.label("help")
        self._help(code)
        code.label("wake")
        code.save()
        code.set_address(RBX, self.address)
        code.add_at_once(_at(_Place.posted), 1)
        _wake(code)
        code.give_back()
        return code

    def _share(self, code: Assembler) -> None:
        """Work on pieces until there are no more: RBX has the memory; RBP and RSP are given back."""
        frame = 8 * (OPERANDS + DIMENSIONS)
        sizes = 8 * OPERANDS
        code.push(RBP)
        code.move(RBP, RSP)
        code.add_number(RSP, -frame)
        code.label("piece")
        code.load(RAX, _at(_Place.piece))
        code.take_and_add(_at(_Place.next), RAX)
        code.load(RCX, _at(_Place.dimensions))
        code.load(RDX, Memory(RCX))
        code.subtract(RDX, RAX)
        code.compare_number(RDX, 0)
        code.jump("no piece", "<=")
        code.compare(RDX, _at(_Place.piece))
        code.jump("last piece", "<=")
        code.load(RDX, _at(_Place.piece))
        code.label("last piece")
        code.store(RDX, Memory(RSP, offset=sizes), 8)
        code.set_number(R8, 1)
        code.label("axis")
        code.compare(R8, _at(_Place.axes))
        code.jump("operands", ">=")
        code.load(R9, Memory(RCX, R8, 8))
        code.store(R9, Memory(RSP, R8, 8, sizes), 8)
        code.add_number(R8, 1)
        code.jump("axis")
        code.label("operands")
        code.clear(R8)
        code.load(RCX, _at(_Place.arguments))
        code.load(RDX, _at(_Place.strides))
        code.label("operand")
        code.load(R9, Memory(RDX, R8, 8))
        code.multiply(R9, RAX)
        code.add(R9, Memory(RCX, R8, 8))
        code.store(R9, Memory(RSP, R8, 8), 8)
        code.add_number(R8, 1)
        code.compare(R8, _at(_Place.operands))
        code.jump("operand", "<")
        code.move(RDI, RSP)
        code.find(RSI, Memory(RSP, offset=sizes))
        code.load(RCX, _at(_Place.data))
        code.call(_at(_Place.body))
        code.jump("piece")
        code.label("no piece")
        code.move(RSP, RBP)
        code.pop(RBP)
        code.end()

    def _help(self, code: Assembler) -> None:
        """What a helper does. R12 has the number of the last call that it knows of, R13 how often it will look."""
        control = Memory(RSP, offset=-8)
        code.save()
        code.set_address(RBX, self.address)
        code.load(R12, _at(_Place.posted))
        code.add_at_once(_at(_Place.helpers), 1)
        code.label("look")
        code.set_number(R13, LOOKS)
        code.label("look again")
        code.compare_number(_at(_Place.stop), 0)
        code.jump("leave", "!=")
        code.load(RAX, _at(_Place.posted))
        code.compare(RAX, R12)
        code.jump("called", "!=")
        code.pause()
        code.add_number(R13, -1)
        code.jump("sleep", "==")
        code.move(RAX, R13)
        code.keep_bits(RAX, TURN - 1)
        code.jump("look again", "!=")
        code.set_number(RAX, YIELD)
        code.system_call()
        code.jump("look again")
        code.label("sleep")
        code.add_at_once(_at(_Place.asleep), 1)
        code.find(RDI, _at(_Place.posted))
        code.set_number(RSI, WAIT)
        code.move(RDX, R12)
        code.clear(R10)
        code.set_number(RAX, FUTEX)
        code.system_call()
        code.add_at_once(_at(_Place.asleep), -1)
        code.jump("look")
        code.label("called")
        code.move(R12, RAX)
        code.add_at_once(_at(_Place.active), 1)
        code.compare_number(_at(_Place.opened), 0)
        code.jump("ended", "==")
        code.vector(Op(0xAE), 2, 0, _at(_Place.control), bits=128)  # MXCSR = memory
        code.call_label("share")
        code.clear(RAX)
        code.store(RAX, control, 8)
        code.vector(Op(0xAE), 3, 0, control, bits=128)  # memory = MXCSR
        code.load(RAX, control)
        code.keep_bits(RAX, FLAGS)
        code.set_bits_at_once(_at(_Place.flags), RAX)
        code.label("ended")
        code.add_at_once(_at(_Place.active), -1)
        code.jump("look")
        code.label("leave")
        code.add_at_once(_at(_Place.helpers), -1)
        code.give_back()


def _wake(code: Assembler) -> None:
    """Wake the helpers that sleep."""
    code.find(RDI, _at(_Place.posted))
    code.set_number(RSI, WAKE)
    code.set_number(RDX, 1 << 30)
    code.set_number(RAX, FUTEX)
    code.system_call()


_team: _Team | None = None
_made = threading.Lock()


def assemble() -> None:
    """Have the helpers that shared loops are to find: as many as `set_num_threads` says, made when they are needed."""
    if sys.platform == "linux" and (count := get_num_threads()) != (1 if _team is None else _team.hired):
        with suppress(OSError):  # where memory is refused, there is no code to share either
            _current().hire(count)


def _current() -> _Team:
    global _team
    with _made:
        if _team is None:
            _team = _Team()
            os.register_at_fork(after_in_child=_team.forget)
    return _team


def shared(body: bytes, operands: int, axes: int, *, least: int, multiple: int = 1) -> bytes:
    """A loop that the team shares, of the code of a loop that works alone.

    operands, axes : how many the loop has; pieces are cut from the first axis. least : calls with fewer elements, the
    product of the axes' lengths, are not shared; 1 or more. multiple : of how many iterations pieces are, a power of 2.
    """
    if sys.platform != "linux" or operands > OPERANDS or axes > DIMENSIONS:
        return body
    team, code, alone = _current(), Assembler(), "body"
    code.load(RAX, Memory(RSI))
    code.compare_number(RAX, 2 * multiple)
    code.jump(alone, "<")
    for axis in range(1, axes):
        code.multiply(RAX, Memory(RSI, offset=8 * axis))
    code.compare_number(RAX, least)
    code.jump(alone, "<")
    code.move(R10, RAX)
    code.set_address(R9, ctypes.addressof(BLOCKS))
    code.load(RAX, Memory(R9))
    code.compare_number(RAX, 0)
    code.jump(alone, "!=")
    code.set_address(R8, team.address)
    code.compare_number(Memory(R8, offset=_Place.helpers), 0)
    code.jump(alone, "==")
    code.set_number(RAX, 1)
    code.exchange(RAX, Memory(R8, offset=_Place.lock))
    code.compare_number(RAX, 0)
    code.jump(alone, "!=")
    code.save()
    code.move(RBX, R8)
    code.find(RAX, Memory(label="body"))
    for register, place in (
        (RAX, _Place.body), (RDI, _Place.arguments), (RSI, _Place.dimensions), (RDX, _Place.strides),
        (RCX, _Place.data),
    ):  # fmt: skip
        code.store(register, _at(place), 8)
    code.set_number(_at(_Place.operands), operands)
    code.set_number(_at(_Place.axes), axes)
    code.set_number(RAX, FEWEST)
    code.multiply(RAX, R10)
    code.clear(RDX)
    code.set_number(RCX, least)
    code.divide(RCX)
    code.move(R10, RAX)
    code.load(RCX, _at(_Place.helpers))
    code.add_number(RCX, 1)
    code.set_number(RAX, PIECES)
    code.multiply(RCX, RAX)
    code.compare(RCX, R10)
    code.jump("pieces", "<=")
    code.move(RCX, R10)
    code.label("pieces")
    code.load(RAX, Memory(RSI))
    code.clear(RDX)
    code.divide(RCX)
    code.add_number(RAX, multiple)
    code.keep_bits(RAX, -multiple)
    code.store(RAX, _at(_Place.piece), 8)
    code.set_number(_at(_Place.next), 0)
    code.set_number(_at(_Place.flags), 0)
    code.vector(Op(0xAE), 3, 0, _at(_Place.control), bits=128)
    code.keep_bits(_at(_Place.control), ~FLAGS)
    code.set_number(RAX, 1)
    code.exchange(RAX, _at(_Place.opened))
    code.add_at_once(_at(_Place.posted), 1)
    code.compare_number(_at(_Place.asleep), 0)
    code.jump("awake", "==")
    _wake(code)
    code.label("awake")
    code.set_address(RAX, team.share)
    code.call(RAX)
    code.clear(RAX)
    code.exchange(RAX, _at(_Place.opened))
    code.label("impatient")
    code.set_number(R13, PATIENCE)
    code.label("wait")
    code.compare_number(_at(_Place.active), 0)
    code.jump("together", "==")
    code.pause()
    code.add_number(R13, -1)
    code.jump("wait", "!=")
    code.set_number(RAX, YIELD)
    code.system_call()
    code.jump("impatient")
    code.label("together")
    code.vector(Op(0xAE), 3, 0, _at(_Place.control), bits=128)
    code.load(RAX, _at(_Place.flags))
    code.set_bits_at_once(_at(_Place.control), RAX)
    code.vector(Op(0xAE), 2, 0, _at(_Place.control), bits=128)
    code.clear(RAX)
    code.exchange(RAX, _at(_Place.lock))
    code.give_back()
    code.data("body", body)
    return code.finished()
