"""Every form of instruction means, to a disassembler, what it was written for."""

import random
import re
import shutil
import subprocess

import numpy as np
import pytest

from tinygrad_lite.fusion.machine_loops import LOGICAL, REAL
from tinygrad_lite.machine.lanes import Lanes
from tinygrad_lite.machine.loops import elementwise
from tinygrad_lite.machine.products import product_code
from tinygrad_lite.machine.registers import Placed
from tinygrad_lite.machine.x86 import JUMPS, Assembler, Memory, Op

OLD, NEW = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"], [f"r{i}" for i in range(8, 16)]
WIDE = [f"r{name}" for name in OLD] + NEW
HALF = [f"e{name}" for name in OLD] + [f"{name}d" for name in NEW]
BYTE = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"] + [f"{name}b" for name in NEW]
"""Integer registers of 64, 32 and 8 bits."""

TWO_SOURCES = {
    **{f"v{name}ps": Op(code) for name, code in {
        "add": 0x58, "mul": 0x59, "sub": 0x5C, "div": 0x5E, "and": 0x54, "andn": 0x55, "or": 0x56, "xor": 0x57,
        "unpckl": 0x14, "unpckh": 0x15,
    }.items()},
    "vpaddd": Op(0xFE, 1, 1), "vpaddq": Op(0xD4, 1, 1), "vpsubd": Op(0xFA, 1, 1), "vpsubq": Op(0xFB, 1, 1),
    "vpminub": Op(0xDA, 1, 1), "vpcmpeqd": Op(0x76, 1, 1), "vpcmpeqq": Op(0x29, 2, 1),
    "vfmadd213ps": Op(0xA8, 2, 1), "vfmadd231ps": Op(0xB8, 2, 1),
    "vfnmadd213ps": Op(0xAC, 2, 1), "vfnmadd231ps": Op(0xBC, 2, 1),
}  # fmt: skip
"""Instructions `op register, first, second`, by the disassembler's names; the form for float32 where there are two."""

ONE_SOURCE = {"vsqrtps": Op(0x51), "vmovups": Op(0x10)}
COMPARISONS = {"eq": 0x00, "lt_oq": 0x11, "le_oq": 0x12, "neq": 0x04, "ge_oq": 0x1D, "gt_oq": 0x1E, "unord": 0x03}
FROM_MEMORY = {
    "vbroadcastss": (Op(0x18, 2, 1), "DWORD"), "vbroadcastsd": (Op(0x19, 2, 1), "QWORD"),
    "vpmovzxbd": (Op(0x31, 2, 1), "QWORD"), "vpmovzxbq": (Op(0x32, 2, 1), "DWORD"),
    "vpbroadcastb": (Op(0x78, 2, 1), "BYTE"),
}  # fmt: skip
"""Instructions that read memory, and how much."""


def for_float64(name, op):
    """The form for float64 of an instruction, by names that end in "ps"."""
    return f"{name[:-2]}pd", Op(op.opcode, op.map, op.prefix, 1) if op.map == 2 else Op(op.opcode, op.map, 1)


def both(table):
    """The instructions for float32 and those for float64."""
    return table | dict(for_float64(name, op) for name, op in table.items() if name.endswith("ps"))


KNOWN = {
    *both(TWO_SOURCES).values(), *both(ONE_SOURCE).values(), *(op for op, _ in FROM_MEMORY.values()),
    Op(0xC2), Op(0xC2, 1, 1), Op(0x08, 3, 1), Op(0x09, 3, 1), Op(0x4A, 3, 1), Op(0x4B, 3, 1), Op(0x72, 1, 1),
    Op(0x73, 1, 1), Op(0x50), Op(0x50, 1, 1), Op(0xF5, 2, 3, 1), Op(0x11), Op(0x11, 1, 1), Op(0x11, 1, 2),
    Op(0x11, 1, 3), Op(0x10, 1, 2), Op(0x10, 1, 3), Op(0x18, 3, 1), Op(0xC6), Op(0xAE), Op(0x2C, 2, 1), Op(0x2D, 2, 1),
    Op(0x2E, 2, 1), Op(0x2F, 2, 1), Op(0x58, 2, 1), Op(0x59, 2, 1), Op(0x66, 1, 1), Op(0x37, 2, 1),
}  # fmt: skip


class Forms:
    """Writes instructions, and what the disassembler is to say of each."""

    def __init__(self):
        self.code, self.expected, self.draw = Assembler(), [], random.Random(0)

    def address(self):
        """A place in memory and its text."""
        base, offset = self.draw.randrange(16), self.draw.choice([0, 8, -64, 32 * 77, -(2**31), 2**31 - 1])
        index = self.draw.choice([None, *(i for i in range(16) if i != 4)])  # the stack pointer is no index
        scale = self.draw.choice([1, 2, 4, 8])
        if self.draw.random() < 0.1:
            return Memory(label="here"), "[here]"
        if index is None:
            scale = 1
        middle = "" if index is None else f"+{WIDE[index]}*{scale}"
        return Memory(base, index, scale, offset), f"[{WIDE[base]}{middle}{'-' if offset < 0 else '+'}{abs(offset):#x}]"

    def note(self, name, *operands):
        self.expected.append(f"{name} {','.join(map(str, operands))}".strip())

    def vectors(self):
        draw = self.draw
        for _ in range(12):
            r, a, b, c = (draw.randrange(16) for _ in range(4))
            place, text = self.address()
            for name, op in both(TWO_SOURCES).items():
                self.code.vector(op, r, a, b)
                self.note(name, f"ymm{r}", f"ymm{a}", f"ymm{b}")
                self.code.vector(op, r, a, place)
                self.note(name, f"ymm{r}", f"ymm{a}", f"YMMWORD PTR {text}")
            for name, op in both(ONE_SOURCE).items():
                self.code.vector(op, r, 0, b)
                self.note(name, f"ymm{r}", f"ymm{b}")
                self.code.vector(op, r, 0, place)
                self.note(name, f"ymm{r}", f"YMMWORD PTR {text}")
            for kind, wide in ("ps", 0), ("pd", 1):
                for how, predicate in COMPARISONS.items():
                    self.code.vector(Op(0xC2, 1, wide), r, a, place, predicate)
                    self.note(f"vcmp{how}{kind}", f"ymm{r}", f"ymm{a}", f"YMMWORD PTR {text}")
                for immediate in 8, 9, 10, 11:
                    self.code.vector(Op(0x08 + wide, 3, 1), r, 0, place, immediate)
                    self.note(f"vround{kind}", f"ymm{r}", f"YMMWORD PTR {text}", hex(immediate))
                for second, said in (b, f"ymm{b}"), (place, f"YMMWORD PTR {text}"):
                    self.code.vector(Op(0x4A + wide, 3, 1), r, a, second, c << 4)
                    self.note(f"vblendv{kind}", f"ymm{r}", f"ymm{a}", said, f"ymm{c}")
                for name, number in ("l", 6), ("r", 2):
                    self.code.vector(Op(0x72 + wide, 1, 1), number, r, b, 5 + a)
                    self.note(f"vps{name}l{'dq'[wide]}", f"ymm{r}", f"ymm{b}", hex(5 + a))
                self.code.vector(Op(0x50, 1, wide), 11, 0, b)
                self.note(f"vmovmsk{kind}", "r11d", f"ymm{b}")
                self.code.vector(Op(0x11, 1, wide), r, 0, place)
                self.note(f"vmovu{kind}", f"YMMWORD PTR {text}", f"ymm{r}")
                self.code.vector(Op(0x11, 1, 2 + wide), r, 0, place, bits=128)
                self.note(f"vmovs{kind[1]}", f"{'DQ'[wide]}WORD PTR {text}", f"xmm{r}")
                self.code.vector(Op(0x10, 1, 2 + wide), r, 0, place, bits=128)
                self.note(f"vmovs{kind[1]}", f"xmm{r}", f"{'DQ'[wide]}WORD PTR {text}")
                self.code.vector(Op(0x2C + wide, 2, 1), r, a, place)
                self.note(f"vmaskmov{kind}", f"ymm{r}", f"ymm{a}", f"YMMWORD PTR {text}")
                self.code.vector(Op(0x2E + wide, 2, 1), r, a, place)
                self.note(f"vmaskmov{kind}", f"YMMWORD PTR {text}", f"ymm{a}", f"ymm{r}")
                self.code.vector(Op(0x58 + wide, 2, 1), r, 0, place)
                self.note(f"vpbroadcast{'dq'[wide]}", f"ymm{r}", f"{'DQ'[wide]}WORD PTR {text}")
                self.code.vector(Op(0x37, 2, 1) if wide else Op(0x66, 1, 1), r, a, place)
                self.note(f"vpcmpgt{'dq'[wide]}", f"ymm{r}", f"ymm{a}", f"YMMWORD PTR {text}")
            self.code.vector(Op(0x10), r, 0, place, bits=128)
            self.note("vmovups", f"xmm{r}", f"XMMWORD PTR {text}")
            self.code.vector(Op(0x18, 3, 1), r, a, place, 1)
            self.note("vinsertf128", f"ymm{r}", f"ymm{a}", f"XMMWORD PTR {text}", "0x1")
            self.code.vector(Op(0xC6), r, a, b, 0xEE)
            self.note("vshufps", f"ymm{r}", f"ymm{a}", f"ymm{b}", "0xee")
            for name, number in ("ld", 2), ("st", 3):
                self.code.vector(Op(0xAE), number, 0, place, bits=128)
                self.note(f"v{name}mxcsr", f"DWORD PTR {text}")
            for name, (op, width) in FROM_MEMORY.items():
                self.code.vector(op, r, 0, place)
                self.note(name, f"ymm{r}", f"{width} PTR {text}")
            self.code.vector(Op(0xF5, 2, 3, 1), r, a, place, bits=128)
            self.note("pdep", WIDE[r], WIDE[a], f"QWORD PTR {text}")
        self.code.zero_upper()
        self.note("vzeroupper")

    def integers(self):
        code = self.code
        for _ in range(60):
            r, b = self.draw.randrange(16), self.draw.randrange(16)
            place, text = self.address()
            number = self.draw.choice([0, 1, 8, -320, 2**31 - 1, -(2**31)])
            for operand, said in (b, WIDE[b]), (place, f"QWORD PTR {text}"):
                two = {"add": code.add, "sub": code.subtract, "imul": code.multiply, "cmp": code.compare}
                for name, write in two.items():
                    write(r, operand)
                    self.note(name, WIDE[r], said)
                with_number = {"add": code.add_number, "and": code.keep_bits, "cmp": code.compare_number}
                for name, write in (with_number | {"mov": code.set_number}).items():
                    write(operand, number)
                    self.note(name, said, hex(number % 2**64))
                for name, write in ("div", code.divide), ("call", code.call):
                    write(operand)
                    self.note(name, said)
            for name, write in ("push", code.push), ("pop", code.pop):
                write(r)
                self.note(name, WIDE[r])
            code.find(r, place)
            self.note("lea", WIDE[r], text)
            code.set_address(r, 0x123456789ABCDEF + r)
            self.note("movabs", WIDE[r], hex(0x123456789ABCDEF + r))
            code.add_at_once(place, number)
            self.note("lock add", f"QWORD PTR {text}", hex(number % 2**64))
            code.set_bits_at_once(place, r)
            self.note("lock or", f"QWORD PTR {text}", WIDE[r])
            code.take_and_add(place, r)
            self.note("lock xadd", f"QWORD PTR {text}", WIDE[r])
            code.exchange(r, place)
            self.note("xchg", f"QWORD PTR {text}", WIDE[r])
            code.load(r, place)
            self.note("mov", WIDE[r], f"QWORD PTR {text}")
            code.move(r, b)
            self.note("mov", WIDE[r], WIDE[b])
            code.clear(r)
            self.note("xor", WIDE[r], WIDE[r])
            for size, width, names in (1, "BYTE", BYTE), (4, "DWORD", HALF), (8, "QWORD", WIDE):
                code.store(r, place, size)
                self.note("mov", f"{width} PTR {text}", names[r])

    def jumps(self):
        names = {None: "jmp", "==": "je", "!=": "jne", "<": "jl", ">=": "jge", "<=": "jle", ">": "jg"}
        assert {*names} == {None, *JUMPS}
        for when, name in names.items():
            self.code.jump("here", when)
            self.note(name, "here")
            self.code.jump("later", when)
            self.note(name, "later")
        self.code.call_label("here")
        self.note("call", "here")
        self.code.pause()
        self.note("pause")
        self.code.system_call()
        self.note("syscall")


def disassembled(code, folder, labels):
    """What the disassembler prints, with the names of places."""
    (folder / "code").write_bytes(code)
    command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", "code"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^ *[0-9a-f]+:\t(.*)$", printed, re.MULTILINE)
    places = {hex(place): name for name, place in labels.items()}
    found = []
    for line in lines:
        text = line.replace("+riz*1", "").removeprefix("rex ")  # a prefix without effect
        text = re.sub(r"\[rip[^]]*\](.*?) +# (\w+)", lambda m: f"[{places.get(m[2], m[2])}]{m[1]}", text)
        text = re.sub(r"^((?:j\w+|call) +)(0x\w+)", lambda m: m[1] + places.get(m[2], m[2]), text)
        found.append(re.sub(r"\s+", " ", text).strip())
    return found


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump of binutils")
def test_instructions_are_what_they_were_written_for(tmp_path):
    forms = Forms()
    forms.code.label("here")
    forms.vectors()
    forms.integers()
    forms.jumps()
    forms.code.label("later")
    forms.code.end()
    forms.note("ret")
    found = disassembled(forms.code.finished(), tmp_path, forms.code.labels)
    assert len(found) == len(forms.expected) > 2000
    for got, expected in zip(found, forms.expected, strict=True):
        assert got == expected


def test_all_instructions_in_use_are_compared_above(monkeypatch):
    used = set()
    write = Assembler.vector

    def noted(self, op, *args, **options):
        used.add(op)
        write(self, op, *args, **options)

    monkeypatch.setattr(Assembler, "vector", noted)
    truth = np.dtype(bool)
    for dtype in np.dtype("float32"), np.dtype("float64"):
        product_code(dtype)
        for table, kind in (REAL, dtype), (LOGICAL, truth):
            for function in table.values():
                lanes = Lanes(dtype)
                for count in range(1, 5):
                    values = [lanes.load(i, kind) for i in range(count)]
                    try:
                        root = function(lanes, *values)
                    except TypeError:  # another number of operands
                        continue
                    elementwise(lanes, Placed([root]), [kind] * count, [dtype])
                    elementwise(lanes, Placed([lanes.compare(root, ">", 0.0)]), [kind] * count, [truth])
    assert used and not used - KNOWN


def test_data_are_aligned_and_found_by_their_label():
    code = Assembler()
    code.end()
    code.data("numbers", b"abc")
    assert code.finished() == b"\xc3" + bytes(31) + b"abc"
