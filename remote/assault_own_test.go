package remote

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// evil is the hello of a peer that means no good.
var evil = helloOf(minVersion, maxVersion, "evil:1", 1, "evil", 1<<20, true)

// linked is a connection that has been welcomed.
func (v *victim) linked(t *testing.T) net.Conn {
	t.Helper()
	c := v.dial(t)
	h := evil
	h.link.id = rand.Uint64() // of those before, some wait for their connection
	require.NoError(t, writeHello(c, h.append(nil)))
	answer, err := readHello(c)
	require.NoError(t, err)
	require.Equal(t, welcomed, verdict(answer[0]), "%q", answer)
	return c
}

// hellos are first words that are refused.
func hellos(reason Reason, blocks map[string][]byte) (all []assault) {
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		all = append(all, assault{"hello: " + name, reason, 1, func(t *testing.T, v *victim) {
			untilHungUp(t, v.dial(t), blocks[name])
		}})
	}
	return all
}

func saidHello(block []byte) []byte {
	var b bytes.Buffer
	_ = writeHello(&b, block)
	return b.Bytes()
}

func with(change func(h *hello)) []byte {
	h := evil
	change(&h)
	return saidHello(h.append(nil))
}

// frames are written on a link that is up.
func frames(name string, reason Reason, b []byte) assault {
	return assault{"frames: " + name, reason, 1, func(t *testing.T, v *victim) { untilHungUp(t, v.linked(t), b) }}
}

// items are well-formed frames that mean nothing, or what is not allowed.
func items(name string, reason Reason, count int, all ...item) assault {
	return assault{"messages: " + name, reason, uint64(count), func(t *testing.T, v *victim) {
		o := newOutbox(1<<30, 1<<30, 1<<20)
		for i := range all {
			require.NoError(t, o.putNow(dataLane, &all[i]))
		}
		o.drain(ErrClosed)
		c := v.linked(t)
		var w writer
		for !o.left {
			require.Equal(t, taken, o.take(&w))
			_, err := w.writeTo(c)
			require.NoError(t, err)
		}
		untilHungUp(t, c, voidFrame)
	}}
}

func message(to, from string, m proto.Message) item {
	data, _ := proto.Marshal(m)
	it := item{to: to, target: &protoactor.PID{Id: to}, typeName: string(proto.MessageName(m)), data: data, owned: true, size: 100 + len(data)}
	if from != "" {
		it.sender = &protoactor.PID{Address: "evil:1", Id: from}
	}
	return it
}

// huge opens large messages in all places, and sends nothing of them.
func huge(size uint64) (b []byte) {
	for _, lane := range []frameKind{0, frameUrgent} {
		for slot := range byte(maxSlots) {
			open := append([]byte{slot, byte(frameParcel)}, binary.AppendUvarint(nil, size)...)
			b = append(b, frameOf(frameOpen|lane, append(open, nameOnce, 1, 'x', nameOnce, 1, 't', 0)...)...)
		}
	}
	return b
}

func ownAssaults() []assault {
	all := hellos(RefusedHandshake, map[string][]byte{
		"too long":          append([]byte(helloMagic), 0xff, 0xff),
		"nobody":            with(func(h *hello) { h.most = 0 }),
		"only versions":     saidHello([]byte{minVersion, maxVersion}),
		"length beyond it":  saidHello([]byte{minVersion, maxVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}),
		"a cut-off stream":  with(func(h *hello) { h.stream = streamHello{true, "n/0", string(bytes.Repeat([]byte("x"), maxName+1))} }),
		"no known purpose":  saidHello(append(evil.append(nil)[:len(evil.append(nil))-1], 7)),
		"of something else": []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
	})
	all = append(all, hellos(RefusedVersion, map[string][]byte{
		"of the future":     with(func(h *hello) { h.minVersion, h.maxVersion = 98, 99 }),
		"no range":          with(func(h *hello) { h.minVersion, h.maxVersion = 2, 1 }),
		"a garbled version": saidHello(nil),
	})...)
	all = append(all, hellos(RefusedIdentity, map[string][]byte{
		"an unprintable address": with(func(h *hello) { h.address = "evil\n\x00" }),
		"no address":             with(func(h *hello) { h.address = "" }),
		"an endless address":     with(func(h *hello) { h.address = string(bytes.Repeat([]byte("x"), 2000)) }),
	})...)
	all = append(all, assault{"hello: the victim's own address", RefusedIdentity, 1, func(t *testing.T, v *victim) {
		untilHungUp(t, v.dial(t), with(func(h *hello) { h.address = v.e.cfg.Address }))
	}})
	for name, change := range map[string]func(h *linkHello){
		"a connection that was there before": func(h *linkHello) {},
		"it has got what was never sent":     func(h *linkHello) { h.try, h.received = 9, 1<<40 },
	} {
		all = append(all, assault{"hello: " + name, RefusedHandshake, 1, func(t *testing.T, v *victim) {
			h := evil
			h.link = linkHello{id: rand.Uint64(), try: 5}
			c := v.dial(t)
			require.NoError(t, writeHello(c, h.append(nil)))
			_, err := readHello(c)
			require.NoError(t, err)
			h.link.begun = true
			change(&h.link)
			untilHungUp(t, v.dial(t), saidHello(h.append(nil)))
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(spoiltFrames)) {
		all = append(all, frames(name, BadFrame, spoiltFrames[name]))
	}
	sound := wrapperspb.String("sound")
	unknown := message("x", "", sound)
	unknown.typeName = "no.such.Type"
	cut := message("x", "", sound)
	cut.data = []byte{0x0a, 0xff}
	return append(all,
		frames("a large message beyond all bounds", TooLarge, huge(1<<62)),
		frames("an acknowledgement of what was not sent", BadFrame, frameOf(frameAck, 100)),
		frames("one beyond the limit", TooLarge, huge(1<<20+1)),
		frames("several that are too much together", TooLarge, huge(1<<19+1)),
		assault{"frames: large messages announced, and nothing sent", "", 0, func(t *testing.T, v *victim) {
			c := v.linked(t)
			_, err := c.Write(huge(1 << 17))
			require.NoError(t, err)
			v.goesOn(t)
			require.NoError(t, c.Close())
		}},
		assault{"frames: cut off in the middle", "", 0, func(t *testing.T, v *victim) {
			c := v.linked(t)
			_, err := c.Write([]byte{0xff, 0xff, 0, byte(frameMessage), 1, 2, 3})
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}},
		assault{"frames: kinds of the future", BadFrame, 1000, func(t *testing.T, v *victim) {
			untilHungUp(t, v.linked(t), append(bytes.Repeat(frameOf(99, 1, 2, 3), 1000), voidFrame...))
		}},
		assault{"frames: marks without end", "", 0, func(t *testing.T, v *victim) {
			untilHungUp(t, v.linked(t), append(bytes.Repeat(frameOf(frameBeat, 1, 1), 100_000), voidFrame...))
		}},
		assault{"frames: names without end", NoProcess, 20_000, func(t *testing.T, v *victim) {
			var s said
			var b []byte
			for i := range 20_000 {
				it := message(fmt.Sprintf("%0*d", 500, i), "", sound)
				at := len(b)
				b = append(s.addMeta(addHead(b), &it), it.data...)
				setHead(b, at, frameMessage, 0)
			}
			untilHungUp(t, v.linked(t), append(b, voidFrame...))
		}},
		items("unknown types", UnknownType, 3, unknown, unknown, unknown),
		items("data that is cut off", BadPayload, 1, cut),
		items("to nobody", NoProcess, 1, message("nobody", "", sound)),
		items("without a target", BadEnvelope, 1, message("", "", sound)),
		items("to a process that panics", Panicked, 1, message("panics", "", sound)),
		items("to parts of the system", Reserved, 3, message("guardian$1", "", &protoactor.Stop{}), message("eventstream", "", sound), message("deadletter", "", sound)),
		items("from a part of the system", Reserved, 1, message("x", "guardian$1", sound)),
		items("watches for others", BadSystem, 3, message("x", "", &protoactor.Watch{}), message("x", "", &protoactor.Unwatch{}),
			message("x", "", &protoactor.Watch{Watcher: protoactor.NewPID("honest.own", "z")})),
		items("ends of what nobody watches", Unwatched, 1, message("x", "", &protoactor.Terminated{Who: protoactor.NewPID("evil:1", "z")})),
		items("an end without who", BadSystem, 1, message("x", "", &protoactor.Terminated{})),
		items("stops of futures", BadSystem, 2, message("future$1", "", &protoactor.Stop{}), message("future$2", "", &protoactor.Stop{})),
		items("parcels without meaning", BadEnvelope, 2, item{parcel: true, to: "x", typeName: "t", size: 100}, item{parcel: true, to: "tlaunch", typeName: "r", size: 100}),
	)
}
