"""Uses all operations of the client, and ends with a failure where one is not what it should be."""

import array

import transmit

node = transmit.Node()


def number(n):
    return {"x": array.array("q", [n])}


def same(got, want):
    if got != want:
        raise AssertionError("%r, and not %r" % (got, want))


# Values come back as they were, whatever their type and shape.
values = {code: (array.array(code, [1, 2, 3, 100, 0, 7]), (2, 3)) for code in transmit.NUMBERS}
values["none"] = (array.array("d"), (0, 300))
values["one"] = (array.array("d", [2.5]), ())
key = node.insert("queue", values)
(item,) = node.sample("queue", 10)
same((item.key, item.times, item.size), (key, 1, 1))
same({name: (list(v), s) for name, (v, s) in item.steps[0].items()}, {name: (list(v), s) for name, (v, s) in values.items()})

# Sampling gives what there is; an item of a queue is read once.
for n in range(2):
    node.insert("queue", number(n))
same([list(i.steps[0]["x"][0]) for i in node.sample("queue", 10)], [[0], [1]])

# Keys are good for changes.
keys = [node.insert("typed", number(n), priority=n) for n in range(4)]
same(node.update_priorities("typed", keys + [77], [5.0] * 5), 4)
same(node.sample("typed")[0].priority, 5.0)
same(node.delete("typed", keys[:1]), 1)
same(node.reset("typed"), 3)

# Registers and hand-offs.
same(node.send("weights", b"first"), 1)
same(node.send("weights", b""), 2)
same(node.get("weights"), (b"", 2))
node.put("job", b"\x00" * 300000)
same(node.take("job"), b"\x00" * 300000)

# What is wrong is told, and the next request is well.
for ask, code in [
    (lambda: node.insert("typed", {"x": array.array("f", [1])}), 2),
    (lambda: node.insert("nowhere", number(1)), 1),
    (lambda: node.insert("typed", number(1), priority=-1.0), 3),
    (lambda: node.sample("nowhere"), 1),
    (lambda: node.update_priorities("typed", [1], [float("nan")]), 3),
]:
    try:
        ask()
    except transmit.Fault as fault:
        same(fault.code, code)
    else:
        raise AssertionError("no fault %d" % code)
for step in {"x": [1]}, {"x": array.array("u", "a")}, {"x": (b"1", (1,))}:  # what the schema has no type for is told by name, before anything is sent
    try:
        node.insert("typed", step)
    except TypeError as wrong:
        same("step['x']" in str(wrong), True)
    else:
        raise AssertionError("no error")
node.insert("typed", number(1))
same(list(node.sample("typed")[0].steps[0]["x"][0]), [1])
