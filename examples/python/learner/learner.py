"""Learns a line from what actors in Go have seen, and sends its weights back."""

import array
import sys

import transmit

batches, size, rate = int(sys.argv[1]), 32, 0.1
node = transmit.Node()
weights = [0.0, 0.0, 0.0]  # of x0, x1, and 1


def publish():
    node.send("weights", transmit.encode_step({"w": array.array("d", weights)}))


publish()
for batch in range(batches):
    keys, errors = [], []
    step = [0.0, 0.0, 0.0]
    while len(keys) < size:
        for item in node.sample("seen", size - len(keys)):
            (x, shape), (y, _) = item.steps[0]["x"], item.steps[0]["y"]
            if shape != (2,):
                raise ValueError("x has another shape: %r" % (shape,))
            inputs = [x[0], x[1], 1.0]
            error = sum(w * i for w, i in zip(weights, inputs)) - y[0]
            step = [s + error * i for s, i in zip(step, inputs)]
            keys.append(item.key)
            errors.append(abs(error))
    weights = [w - rate * s / size for w, s in zip(weights, step)]
    node.update_priorities("seen", keys, [e + 0.01 for e in errors])
    publish()
    if (batch + 1) % 100 == 0:
        print("batch %d: error %.4f" % (batch + 1, sum(errors) / len(errors)))
node.put("result", transmit.encode_step({"w": array.array("d", weights)}))
