"""A client of a transmit node for a program that is a command of a run.

It speaks the messages of transmit/transmit.proto over standard input and
output, and needs Python 3.8 and nothing else. What the program prints goes to
standard error, and so to the log of its node.
"""

import array
import os
import struct
import sys

# Types of elements by their number in the schema; float16 and bfloat16 have no code and stay bytes.
CODES = {1: "B", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 12: "f", 13: "d"}
NUMBERS = {"b": 2, "B": 3, "h": 4, "H": 5, "i": 6, "I": 7, "q": 8, "Q": 9, "f": 12, "d": 13}


class Fault(Exception):
    """What the node has against a request; code is that of the schema, 7 is FORGOTTEN."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


# Messages: a field is its number and kind, and its value (protobuf.dev, "Encoding").


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def uint(number, n):
    return varint(number << 3) + varint(n) if n else b""


def data(number, b):
    return varint(number << 3 | 2) + varint(len(b)) + b


def double(number, x):
    return varint(number << 3 | 1) + struct.pack("<d", x)


def fields(b):
    """The fields of a message: numbers, and values as int (a varint) or bytes."""

    def number(at):
        n = shift = 0
        while True:
            n |= (b[at] & 127) << shift
            if b[at] < 128:
                return n, at + 1
            at, shift = at + 1, shift + 7

    at = 0
    while at < len(b):
        tag, at = number(at)
        kind = tag & 7
        if kind == 0:
            value, at = number(at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = number(at)
            if at + size > len(b):
                raise ValueError("a message that ends too early")
            value, at = b[at : at + size], at + size
        yield tag >> 3, value


def little(a):
    """The bytes of an array as tensors have them, or the inverse."""
    if sys.byteorder == "big":
        a = array.array(a.typecode, a)
        a.byteswap()
    return a


def encode_step(step):
    """A Step: by name an array, of one dimension, or a pair of an array and a shape."""
    out = b""
    for name in sorted(step, key=str.encode):
        values = step[name]
        values, shape = values if isinstance(values, tuple) else (values, (len(values),))
        kind = NUMBERS.get(getattr(values, "typecode", None))
        if kind is None:
            what = f"an array of {values.typecode!r}" if hasattr(values, "typecode") else f"a {type(values).__name__}"
            raise TypeError(f"step[{name!r}] is {what}: it must be an array.array of one of {', '.join(sorted(NUMBERS))}")
        tensor = data(1, name.encode()) + uint(2, kind)
        tensor += data(3, b"".join(map(varint, shape))) + data(4, little(values).tobytes())
        out += data(1, tensor)
    return out


def decode_step(b):
    """By name a pair of an array (bytes, where Python has no such type) and a shape."""
    step = {}
    for field, tensor in fields(b):
        if field == 2:
            raise ValueError("a step in zstd: its writer has Compress set")
        name, dtype, shape, values = "", 0, [], b""
        for number, value in fields(tensor):
            if number == 1:
                name = value.decode()
            elif number == 2:
                dtype = value
            elif number == 3:
                shape += [value] if isinstance(value, int) else varints(value)
            elif number == 4:
                values = value
        if dtype in CODES:
            elements = array.array(CODES[dtype])
            elements.frombytes(values)
            values = little(elements)
        step[name] = values, tuple(shape)
    return step


def varints(b):
    found, n, shift = [], 0, 0
    for byte in b:
        n, shift = n | (byte & 127) << shift, shift + 7
        if byte < 128:
            found.append(n)
            n = shift = 0
    return found


class Item:
    """An item as it was when it was sampled."""

    def __init__(self, message):
        self.key = self.times = self.size = 0
        self.priority = self.probability = 0.0
        self.steps = []
        for number, value in fields(message):
            if number == 1:
                self.key = struct.unpack("<Q", value)[0]
            elif number == 2:
                self.priority = struct.unpack("<d", value)[0]
            elif number == 3:
                self.probability = struct.unpack("<d", value)[0]
            elif number == 4:
                self.times = value
            elif number == 5:
                self.size = value
            elif number == 6:
                self.steps.append(decode_step(value))


class Node:
    """The node. One request is under way at a time, from one thread."""

    def __init__(self):
        self.incoming = sys.stdin.buffer
        self.outgoing = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # whoever prints is not to disturb
        sys.stdout = sys.stderr
        self.id = 0
        self.begin_writer()
        self.begin_reader()

    def begin_writer(self):
        self.writer, self.written, self.steps = os.urandom(16), 0, 0

    def begin_reader(self):
        self.reader, self.read = os.urandom(16), 0

    def ask(self, kind, message):
        """One Ask, and the field of its Answer."""
        self.id += 1
        frame = uint(1, self.id) + data(kind, message)
        self.outgoing.write(struct.pack("<I", len(frame)) + frame)
        self.outgoing.flush()
        size = struct.unpack("<I", self.exactly(4))[0]
        answer = dict(fields(self.exactly(size)))
        if answer.get(1) != self.id:
            raise ValueError("an answer to another question")
        if 2 in answer:
            raise fault(answer[2])
        return answer

    def exactly(self, n):
        b = self.incoming.read(n)
        if len(b) < n:
            raise EOFError("the run has ended")
        return b

    def insert(self, table, step, priority=1.0):
        """Inserts a step as an item, waits until it is in, and returns its key."""
        window = data(1, table.encode()) + uint(2, self.steps) + uint(3, 1) + double(4, priority)
        brings = uint(4, self.steps) + data(5, encode_step(step)) + data(6, window)
        self.steps += 1
        forget = uint(7, self.steps)
        keys = self.write(brings + forget)
        while not keys:  # a limiter keeps it waiting
            keys = self.write(data(6, window) + forget + uint(8, 1))
        return struct.unpack("<Q", keys)[0]

    def write(self, content):
        self.written += 1
        head = data(1, self.writer) + uint(2, self.written) + uint(3, self.written - 1)
        reply = dict(fields(self.ask(2, head + content)[3]))
        if 1 in reply:
            why = fault(reply[1])
            if why.code in (0, 6, 7):  # of the request, and not of an item: the session cannot go on
                self.begin_writer()
            raise why
        return reply.get(2)

    def sample(self, table, items=1, size=1 << 20):
        """Waits for samples: at least one, at most so many, and no further one where another as large as the last would make them more than size bytes."""
        self.read += 1
        head = data(1, self.reader) + uint(2, self.read) + uint(3, self.read - 1)
        samples = []
        for number, value in fields(self.ask(3, head + data(4, table.encode()) + uint(5, items) + uint(6, size))[4]):
            if number == 1:
                self.begin_reader()
                raise fault(value)
            samples.append(Item(value))
        return samples

    def change(self, table, keys=(), priorities=(), everything=False):
        packed = data(2, struct.pack("<%dQ" % len(keys), *keys)) + data(3, struct.pack("<%dd" % len(priorities), *priorities))
        return self.ask(4, data(1, table.encode()) + packed + uint(4, everything))[5]

    def update_priorities(self, table, keys, priorities):
        """Returns how many of the items are still there."""
        return self.change(table, keys, priorities) if keys else 0

    def delete(self, table, keys):
        return self.change(table, keys)

    def reset(self, table):
        return self.change(table, everything=True)

    def value(self, kind, name, value=b""):
        reply = dict(fields(self.ask(5, uint(1, kind) + data(2, name.encode()) + data(3, value))[6]))
        return reply.get(1, b""), reply.get(2, 0)

    def send(self, name, value):
        """Stores the latest value of a register, and returns its version."""
        return self.value(0, name, value)[1]

    def get(self, name):
        """Waits until a register has a value, and returns the latest and its version."""
        return self.value(1, name)

    def put(self, name, value):
        """Waits until a hand-off's value was taken, and leaves another."""
        self.value(2, name, value)

    def take(self, name):
        """Waits for a value of a hand-off, and takes it."""
        return self.value(3, name)[0]


def fault(message):
    found = dict(fields(message))
    return Fault(found.get(1, 0), found.get(2, b"").decode())
