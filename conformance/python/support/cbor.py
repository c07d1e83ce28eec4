"""CBOR as Kinesis has it, written by hand so that the server is not held against a codec with the same ideas."""

import dataclasses
import struct


@dataclasses.dataclass(frozen=True)
class Millis:
    """A time: tag 1 around whole milliseconds since the epoch."""

    value: int


@dataclasses.dataclass(frozen=True)
class Raw:
    """Bytes that are CBOR already."""

    value: bytes


def head(kind, number):
    """The head of an item of major type `kind`, as short as it can be."""
    if number < 24:
        return bytes([kind << 5 | number])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * width:
            return bytes([kind << 5 | info]) + number.to_bytes(width, "big")
    raise ValueError(number)


def encode(value, indefinite=False):
    """CBOR of a value; with `indefinite`, nothing that may go without a length has one."""
    match value:
        case Raw(raw):
            return raw
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case Millis(millis):
            return b"\xc1" + head(0, millis)
        case bytes() | str():
            kind, raw = (2, value) if isinstance(value, bytes) else (3, value.encode())
            if not indefinite:
                return head(kind, len(raw)) + raw
            # Two pieces; text is cut where a character begins.
            at = len(raw) // 2 if kind == 2 else len(value[: len(value) // 2].encode())
            pieces = [head(kind, len(piece)) + piece for piece in (raw[:at], raw[at:])]
            return bytes([kind << 5 | 31]) + b"".join(pieces) + b"\xff"
        case list():
            items = b"".join(encode(item, indefinite) for item in value)
            return b"\x9f" + items + b"\xff" if indefinite else head(4, len(value)) + items
        case dict():
            entries = b"".join(encode(key, indefinite) + encode(item, indefinite) for key, item in value.items())
            return b"\xbf" + entries + b"\xff" if indefinite else head(5, len(value)) + entries
    raise TypeError(type(value))


def decode(body):
    """The value that is the whole of `body`."""
    value, rest = item(body)
    if rest:
        raise ValueError(f"{len(rest)} bytes after the end")
    return value


BREAK = object()


def item(body):
    """The first value, and what follows it."""
    kind, info, rest = body[0] >> 5, body[0] & 31, body[1:]
    if body[0] == 0xFF:
        return BREAK, rest
    number = info
    if 24 <= info <= 27:
        width = 1 << info - 24
        number, rest = int.from_bytes(rest[:width], "big"), rest[width:]
    length = None if info == 31 else number
    match kind:
        case 0:
            return number, rest
        case 1:
            return -1 - number, rest
        case 2 | 3 if length is not None:
            if len(rest) < length:
                raise ValueError("cut short")
            raw, rest = rest[:length], rest[length:]
            return (raw if kind == 2 else raw.decode()), rest
        case 2 | 3:
            pieces, rest = until_break(rest)
            return (b"" if kind == 2 else "").join(pieces), rest
        case 4:
            return until_break(rest) if length is None else several(rest, length)
        case 5:
            flat, rest = until_break(rest) if length is None else several(rest, 2 * length)
            return dict(zip(flat[::2], flat[1::2], strict=True)), rest
        case 6:
            if number != 1:
                raise ValueError(f"tag {number}")
            value, rest = item(rest)
            if not isinstance(value, int):
                raise ValueError(f"a time that is {value!r}: the SDKs for Java read whole milliseconds only")
            return Millis(value), rest
    match info:
        case 20 | 21:
            return info == 21, rest
        case 22:
            return None, rest
        case 27:
            return struct.unpack(">d", number.to_bytes(8, "big"))[0], rest
    raise ValueError(f"{body[0]:#x}")


def several(body, count):
    values = []
    for _ in range(count):
        value, body = item(body)
        values.append(value)
    return values, body


def until_break(body):
    values = []
    while True:
        value, body = item(body)
        if value is BREAK:
            return values, body
        values.append(value)
