package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// collected is what a reader found.
type collected struct {
	got     []string // a line for each message
	bodies  int
	reasons []Reason
}

func (c *collected) message(m *meta, data []byte) {
	c.got = append(c.got, fmt.Sprintf("message %s#%d %s from %v %v: %d %x", m.to.Id, m.to.RequestId, m.typ, m.sender, m.header, len(data), sum(data)))
	c.bodies += len(data)
}

func (c *collected) parcel(m *meta, body []byte, room *[]byte) {
	if room != nil && len(*room) != len(body) {
		panic("another room")
	}
	c.got = append(c.got, fmt.Sprintf("parcel %s %s %x%x: %d %x", m.target.Text, m.label.Text, m.trace, m.head, len(body), sum(body)))
	c.bodies += len(body)
}
func (c *collected) beat(uint64, uint64) {}
func (c *collected) bad(r Reason, _ int) { c.reasons = append(c.reasons, r) }
func (c *collected) flush()              {}

func (c *collected) leaves()                   { c.got = append(c.got, "leaves") }
func (c *collected) acknowledged(uint64) error { return nil }

func sum(b []byte) (s uint64) {
	for _, x := range b {
		s = s*31 + uint64(x)
	}
	return s
}

// expected is the line for an item.
func expected(it *item) string {
	if it.parcel {
		return fmt.Sprintf("parcel %s %s %x: %d %x", it.to, it.typeName, it.head, len(it.data), sum(it.data))
	}
	return fmt.Sprintf("message %s#%d %s from %v %v: %d %x", it.to, it.target.RequestId, it.typeName, it.sender, it.header, len(it.data), sum(it.data))
}

func anyItem(r *rand.Rand, targets, largest int) item {
	data := make([]byte, 4+r.IntN(largest))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	to := fmt.Sprint("n/", r.IntN(targets))
	if r.IntN(2) == 0 {
		it := item{parcel: true, to: to, typeName: fmt.Sprint("method", r.IntN(3)), head: data[:min(len(data), r.IntN(5))], data: data}
		if n := len(it.head); n > 0 && r.IntN(2) == 0 {
			it.traced = uint16(1 + r.IntN(n))
		}
		it.size = envelopeCost + len(it.head) + len(data)
		return it
	}
	if r.IntN(5) == 0 {
		to = "future$" + to
	}
	it := item{to: to, target: &protoactor.PID{Id: to, RequestId: uint32(r.IntN(2))}, typeName: "type", data: data, owned: true}
	if r.IntN(2) == 0 {
		it.sender = &protoactor.PID{Address: "a:1", Id: fmt.Sprint("future$", r.IntN(9)), RequestId: 3}
	}
	if r.IntN(4) == 0 {
		it.header = map[string]string{"k": strings.Repeat("v", r.IntN(30))}
	}
	it.size = envelopeCost + len(data)
	return it
}

// What is put into an outbox comes out of a reader: all of it, whole, each receiver's in order within its lane. Sections 3 to 5 of WIRE.md.
func TestOutboxAndReaderAgainstAnOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	o := newOutbox(1<<30, 1<<30, 1<<20)
	var w writer
	var wire bytes.Buffer
	want := map[string][]string{} // by lane and receiver
	written, stampedOnes := 0, 0
	stamps := map[[2]string]*stamp{}
	write := func() {
		require.Equal(t, taken, o.take(&w))
		written += w.fresh
		_, err := w.writeTo(&wire)
		require.NoError(t, err)
	}
	const n = 3000
	for i := range n {
		largest := 300
		if r.IntN(20) == 0 {
			largest = 400 << 10
		}
		it := anyItem(r, 4, largest)
		by := stamps[[2]string{it.to, it.typeName}]
		if by == nil {
			by = stampOf(&it)
			stamps[[2]string{it.to, it.typeName}] = by
		}
		by.size = it.size - len(it.data)
		binary.BigEndian.PutUint32(it.data, uint32(i)) // no two are alike
		lane := r.IntN(2)
		key := fmt.Sprint(lane, it.to)
		want[key] = append(want[key], expected(&it))
		switch {
		case lane == urgentLane:
			require.NoError(t, o.putNow(lane, &it))
		case it.parcel && len(it.head) == 0 && o.putStamped(by, it.data):
			stampedOnes++
		default:
			require.NoError(t, o.put(t.Context(), &it))
		}
		if it.parcel {
			clear(it.data) // it was copied
		}
		if r.IntN(20) == 0 {
			write()
		}
		// Large messages are put faster than single writes take them, and beside them nothing small is put by stamp.
		for i%300 == 0 && len(o.lanes[dataLane].busy) > 0 {
			write()
		}
	}
	require.NotZero(t, stampedOnes)
	o.drain(ErrClosed)
	for !o.left {
		messages, bytes := o.depth()
		require.Equal(t, messages == 0, bytes == 0)
		write()
	}
	depth, _ := o.depth()
	require.Equal(t, n, depth, "nothing is acknowledged")
	require.NoError(t, o.acknowledged(o.sent.seq))
	o.nudge(1)
	require.Equal(t, taken, o.take(&w))
	messages, size := o.depth()
	require.Zero(t, messages)
	require.Zero(t, size)
	require.Equal(t, n, written)
	require.Empty(t, o.lanes[dataLane].busy)

	var c collected
	require.ErrorIs(t, newReader(oneByOne{&wire, r}, &c, 1<<20).run(), io.EOF)
	require.Len(t, c.got, n+1)
	require.Equal(t, "leaves", c.got[n])
	got := map[string][]string{}
	for _, line := range c.got[:n] {
		to := strings.Fields(line)[1]
		to, _, _ = strings.Cut(to, "#")
		got[to] = append(got[to], line)
	}
	for key, lines := range want {
		require.Equal(t, lines, among(got[key[1:]], lines), "those of one lane, in order, among those of its receiver")
	}
}

// among is the lines of all that are among some, in their order.
func among(all, some []string) []string {
	var found []string
	for _, line := range all {
		if slices.Contains(some, line) {
			found = append(found, line)
		}
	}
	return found
}

// oneByOne gives odd pieces.
type oneByOne struct {
	r    io.Reader
	rand *rand.Rand
}

func (o oneByOne) Read(b []byte) (int, error) { return o.r.Read(b[:1+o.rand.IntN(len(b))]) }

// Section 5 of WIRE.md: "others pass between the chunks".
func TestSmallMessagesPassALargeOne(t *testing.T) {
	o := newOutbox(1<<30, 1<<30, 64<<20)
	put := func(to string, size int) {
		it := item{parcel: true, to: to, typeName: "m", data: make([]byte, size), size: size + envelopeCost}
		require.NoError(t, o.put(t.Context(), &it))
	}
	put("big", 10)
	put("big", 10<<20)
	put("big", 20) // has to wait
	var w writer
	var wire bytes.Buffer
	for i := range 100 {
		put("small", 30+i)
		require.Equal(t, taken, o.take(&w))
		_, err := w.writeTo(&wire)
		require.NoError(t, err)
	}
	var c collected
	require.ErrorIs(t, newReader(&wire, &c, 64<<20).run(), io.EOF)
	require.Len(t, c.got, 103)
	place := func(want string) int {
		return slices.IndexFunc(c.got, func(line string) bool { return strings.HasPrefix(line, want) })
	}
	require.Zero(t, place("parcel big m : 10 "))
	require.Less(t, place("parcel small m : 35 "), place("parcel big m : 10485760 "))
	require.Less(t, place("parcel big m : 10485760 "), place("parcel big m : 20 "))
}

func TestTablesBeginAnewWhenTheyAreFull(t *testing.T) {
	var s said
	var h heard
	for i := range 3*maxNames + 7 {
		for range 2 {
			name := fmt.Sprint("name", i)
			c := cursor{b: s.add(nil, name, false)}
			require.Equal(t, name, c.name(&h).Text)
			require.False(t, c.failed)
			require.Empty(t, c.b)
		}
		require.Len(t, h.names, len(s.places))
		require.LessOrEqual(t, len(h.names), maxNames)
	}
	for i := range 1000 {
		c := cursor{b: s.add(nil, fmt.Sprintf("%0*d", maxName, i), i%2 == 0)}
		require.Len(t, c.name(&h).Text, maxName)
		require.LessOrEqual(t, h.bytes, maxTableBytes)
	}
}

// frameOf is a frame with a head that says what it should.
func frameOf(kind frameKind, body ...byte) []byte {
	b := append(addHead(nil), body...)
	setHead(b, 0, kind, 0)
	return b
}

// spoiltFrames end a link: what comes after them cannot be trusted.
var spoiltFrames = map[string][]byte{
	"too long":               {0xff, 0xff, 0xff, byte(frameMessage)},
	"empty message":          frameOf(frameMessage),
	"empty parcel":           frameOf(frameParcel),
	"a name that is none":    frameOf(frameParcel, 77, 77),
	"a name cut off":         frameOf(frameParcel, nameNew, 200, 'x'),
	"an endless number":      frameOf(frameParcel, bytes.Repeat([]byte{0xff}, 20)...),
	"a head beyond the end":  frameOf(frameParcel, nameNew, 1, 'x', nameNew, 1, 'y', 9, 0),
	"a trace beyond the end": frameOf(frameTraced, nameNew, 1, 'x', nameNew, 1, 'y', 9, 0, 0),
	"a trace and no head":    frameOf(frameTraced, nameNew, 1, 'x', nameNew, 1, 'y', 1, 0),
	"a sender of which kind": frameOf(frameMessage, nameNew, 1, 'x', 0, nameNew, 1, 'y', 2),
	"headers that are not":   frameOf(frameMessage, nameNew, 1, 'x', 0, nameNew, 1, 'y', 0, 0xff, 0xff, 0x03),
	"a chunk of nothing":     frameOf(frameChunk, 0, 1, 2, 3),
	"a chunk beyond places":  frameOf(frameChunk, maxSlots, 1),
	"an empty chunk":         append(frameOf(frameChunk), 0),
	"no place":               frameOf(frameOpen, maxSlots, byte(frameParcel), 0xff, 0xff, 0xff, 0x01, nameOnce, 0, nameOnce, 0, 0),
	"a small large one":      frameOf(frameOpen, 0, byte(frameParcel), 5, nameOnce, 0, nameOnce, 0, 0),
	"acknowledged nothing":   frameOf(frameAck),
	"a large beat":           frameOf(frameOpen, 0, byte(frameBeat), 0xff, 0xff, 0x3f, nameOnce, 0, nameOnce, 0, 0),
	"opened twice": append(frameOf(frameOpen, 0, byte(frameParcel), 0xff, 0xff, 0x7, nameOnce, 0, nameOnce, 0, 0),
		frameOf(frameOpen, 0, byte(frameParcel), 0xff, 0xff, 0x7, nameOnce, 0, nameOnce, 0, 0)...),
}

func TestSpoiltFramesEndTheReader(t *testing.T) {
	for name, b := range spoiltFrames {
		var c collected
		require.ErrorIs(t, newReader(bytes.NewReader(b), &c, 1<<20).run(), errFrame, name)
		require.Empty(t, c.got, name)
	}
	huge := frameOf(frameOpen, append([]byte{0, byte(frameParcel)}, append(binary.AppendUvarint(nil, 1<<62), nameOnce, 0, nameOnce, 0, 0)...)...)
	require.ErrorIs(t, newReader(bytes.NewReader(huge), &collected{}, 1<<20).run(), ErrTooLarge)

	var c collected
	wire := append(frameOf(frameKind(99), 1, 2, 3), frameOf(frameBeat)...)
	wire = append(wire, frameOf(frameParcel, nameOnce, 1, 'x', nameOnce, 0, 0, 'y')...)
	require.ErrorIs(t, newReader(bytes.NewReader(append(wire, frameOf(frameLeave)...)), &c, 1<<20).run(), io.EOF)
	require.Equal(t, []Reason{BadFrame}, c.reasons, "a kind of a later version is passed over")
	require.Len(t, c.got, 2)
}

// timely notes how much had come whenever a reader gave it on.
type timely struct {
	collected
	most, last int
}

func (s *timely) flush() {
	s.most = max(s.most, len(s.got)-s.last)
	s.last = len(s.got)
}

// What has come is given on long before all is handled that one read has brought.
func TestAReaderGivesWay(t *testing.T) {
	o := newOutbox(1<<30, 1<<30, 1<<20)
	const n = 2000
	it := item{parcel: true, to: "x", typeName: "y", data: make([]byte, 50), size: 60}
	for range n {
		require.NoError(t, o.put(t.Context(), &it))
	}
	var w writer
	require.Equal(t, taken, o.take(&w))
	var wire bytes.Buffer
	_, err := w.writeTo(&wire)
	require.NoError(t, err)
	var s timely
	require.ErrorIs(t, newReader(&wire, &s, 1<<20).run(), io.EOF)
	require.Len(t, s.got, n)
	require.LessOrEqual(t, s.most, stintBytes/len(it.data))
}

func FuzzReader(f *testing.F) {
	for _, b := range spoiltFrames {
		f.Add(b)
	}
	o := newOutbox(1<<30, 1<<30, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		it := anyItem(r, 2, 100)
		_ = o.putNow(dataLane, &it)
	}
	it := item{parcel: true, to: "x", typeName: "y", data: make([]byte, inlineBytes+1), size: inlineBytes + 100}
	_ = o.putNow(urgentLane, &it)
	o.drain(ErrClosed)
	var w writer
	var wire bytes.Buffer
	for !o.left {
		o.take(&w)
		_, _ = w.writeTo(&wire)
	}
	f.Add(wire.Bytes())
	f.Add(append(frameOf(frameAck, 3), voidFrame...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c collected
		err := newReader(bytes.NewReader(b), &c, 1<<18).run()
		known := false
		for _, want := range []error{io.EOF, io.ErrUnexpectedEOF, errFrame, ErrTooLarge, errForgotten} {
			known = known || errors.Is(err, want)
		}
		require.True(t, known, err)
		require.LessOrEqual(t, c.bodies, len(b), "nothing comes out that did not go in")
	})
}

func TestOutboxRefusesWhatDoesNotFit(t *testing.T) {
	o := newOutbox(1000, 1000, 5000)
	for name, it := range map[string]item{
		"body":   {parcel: true, to: "x", data: make([]byte, 5001), size: 5100},
		"id":     {parcel: true, to: strings.Repeat("x", maxName+1), size: maxName + 100},
		"sender": {to: "x", target: &protoactor.PID{}, sender: &protoactor.PID{Id: strings.Repeat("x", maxName+1)}, size: maxName + 100},
		"header": {to: "x", target: &protoactor.PID{}, size: metaBytes + 1},
	} {
		require.ErrorIs(t, o.putNow(dataLane, &it), ErrTooLarge, name)
		require.ErrorIs(t, o.put(t.Context(), &it), ErrTooLarge, name)
	}
}

// A link whose peer sends nonsense ends, and the next one is as good as any.
func TestSpoiltFramesOverALink(t *testing.T) {
	p := memoryPair(t, nil)
	in, pid := newInbox(t, p.b, "x", 16)
	ctx := within(t, 10*1e9)
	for _, name := range []string{"too long", "a chunk of nothing"} {
		require.NoError(t, p.a.Send(ctx, pid, nil, text("first")))
		receive(t, in.user)
		l, err := p.a.peer("b:1").acquire(ctx)
		require.NoError(t, err)
		_, err = l.current().Write(spoiltFrames[name]) // the writer is idle, so the test stands in for it
		require.NoError(t, err)
		require.ErrorIs(t, receive(t, p.bDowns), errFrame)
		require.ErrorIs(t, receive(t, p.aDowns), ErrUnreachable)
	}
	require.NoError(t, p.a.Send(ctx, pid, nil, text("last")))
	require.Equal(t, "last", receive(t, in.user).Message.(*wrapperspb.StringValue).Value)
	require.EqualValues(t, 2, p.b.peer("a:1").stats().Drops[BadFrame])
}

// What a peer says that does not make sense, in frames that do: section 6 of WIRE.md.
func TestBadEnvelopesOverALink(t *testing.T) {
	p := memoryPair(t, nil)
	in, pid := newInbox(t, p.b, "x", 64)
	ctx := within(t, 10*1e9)
	require.NoError(t, p.a.Send(ctx, pid, nil, text("first")))
	receive(t, in.user)
	l, err := p.a.peer("b:1").acquire(ctx)
	require.NoError(t, err)
	data := []byte{0x0a, 1, 'x'}
	to := func(id, typ string) item {
		return item{to: id, target: &protoactor.PID{Id: id}, typeName: typ, data: data, owned: true, size: 100}
	}
	const str = "google.protobuf.StringValue"
	fromNobody, fromGuardian := to("x", str), to("x", str)
	fromNobody.sender, fromGuardian.sender = &protoactor.PID{Address: "a:1"}, &protoactor.PID{Address: "a:1", Id: "guardian$1"}
	for _, it := range []item{
		to("", str), to("guardian$1", str), to("x", "no.such.Type"), to("x", ""), to("nobody", str), fromNobody, fromGuardian,
		{parcel: true, to: "x", typeName: "m", size: 100},
	} {
		require.NoError(t, l.out.put(ctx, &it))
	}
	require.NoError(t, p.a.Send(ctx, pid, nil, text("last")))
	require.Equal(t, "last", receive(t, in.user).Message.(*wrapperspb.StringValue).Value)
	require.Equal(t, map[Reason]uint64{BadEnvelope: 3, Reserved: 2, UnknownType: 2, NoProcess: 1}, p.b.peer("a:1").stats().Drops)
	require.Equal(t, LinkUp, p.a.Stats().Peers[0].State)
}

// A link that has been idle for half a heartbeat holds no more than a little memory.
func TestIdleOutboxIsSmall(t *testing.T) {
	o := newOutbox(4<<20, 4<<20, 4<<20)
	var w writer
	for range 40 {
		it := item{parcel: true, to: "x", typeName: "y", data: make([]byte, wholeBytes), size: wholeBytes + envelopeCost}
		require.NoError(t, o.putNow(dataLane, &it))
	}
	for messages, _ := o.depth(); messages > 0; messages, _ = o.depth() {
		o.nudge(1) // which lets go of nothing while there is something to write
		require.Equal(t, taken, o.take(&w))
		require.NoError(t, o.acknowledged(o.sent.seq))
	}
	o.nudge(1)
	require.Equal(t, taken, o.take(&w))
	require.Nil(t, o.lanes[dataLane].page)
	require.Zero(t, o.sent.entries.len())
}

// A large body is whole however its memory grew, and one that is announced and not sent costs little: section 5 of WIRE.md.
func TestMemoryForLargeBodiesComesWithThem(t *testing.T) {
	for _, size := range []int{believedBytes, believedBytes + 1, 4*believedBytes + 1, 9<<20 + 17} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7 / 5)
		}
		o := newOutbox(1<<30, 1<<30, 64<<20)
		it := item{parcel: true, to: "x", typeName: "m", data: data, size: size + envelopeCost}
		require.NoError(t, o.put(t.Context(), &it))
		o.drain(ErrClosed)
		var w writer
		var wire bytes.Buffer
		for !o.left {
			require.Equal(t, taken, o.take(&w))
			_, err := w.writeTo(&wire)
			require.NoError(t, err)
		}
		var c collected
		require.ErrorIs(t, newReader(&wire, &c, 64<<20).run(), io.EOF)
		require.Equal(t, []string{expected(&it), "leaves"}, c.got)
	}
	r := newReader(bytes.NewReader(huge(8<<20)), &collected{}, 64<<20)
	require.ErrorIs(t, r.run(), io.EOF)
	for i := range r.lanes {
		for _, in := range r.lanes[i].slots {
			require.LessOrEqual(t, cap(*in.room), believedBytes)
		}
	}
}
