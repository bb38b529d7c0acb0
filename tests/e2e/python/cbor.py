"""As much CBOR (RFC 8949) as a COSE receipt has: a reader that shares no code with the writer."""


def read(data):
    """The one value that the bytes hold. Tags come as (number, value)."""
    value, rest = _item(memoryview(data))
    assert not rest, "bytes after the value"
    return value


def write_head(major, number):
    """The head of an item, in its shortest form."""
    if number < 24:
        return bytes([major << 5 | number])
    size = next(n for n in (1, 2, 4, 8) if number < 1 << 8 * n)
    return bytes([major << 5 | 23 + size.bit_length()]) + number.to_bytes(size, "big")


def _item(data):
    first, data = data[0], data[1:]
    major, short = first >> 5, first & 31
    if major == 7:
        assert short == 22, "only null"
        return None, data
    if short < 24:
        number = short
    else:
        size = 1 << short - 24
        number, data = int.from_bytes(data[:size], "big"), data[size:]
        assert number >= (24 if size == 1 else 1 << 4 * size), "not the shortest form"
    if major == 0:
        return number, data
    if major == 1:
        return -1 - number, data
    if major in (2, 3):
        text = bytes(data[:number])
        assert len(text) == number
        return (text if major == 2 else text.decode()), data[number:]
    if major == 4:
        items = []
        for _ in range(number):
            value, data = _item(data)
            items.append(value)
        return items, data
    if major == 5:
        pairs = {}
        for _ in range(number):
            key, data = _item(data)
            assert key not in pairs, "a key twice"
            pairs[key], data = _item(data)
        return pairs, data
    value, data = _item(data)
    return (number, value), data
