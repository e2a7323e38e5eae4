package remote

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A stream is what a link with a stock peer needs of gRPC, on either side: whole frames, in order. One goroutine may send while another
// receives.
type stream interface {
	SendMsg(f any) error
	RecvMsg(f any) error
}

// A link is one living stream or connection with a peer. A reader and a writer goroutine work on it; whichever finds that it is over
// calls finish, and the keeper, which started them, clears up.
type link struct {
	e      *Endpoint
	p      *peer // set before the link is taken into use
	made   time.Time
	member *Identity // who is at the other end, where certificates of a run say so
	sends  bool      // we may write messages to it

	// Of a stock peer.
	stream stream
	q      *queue
	hangUp func() // says that nothing more will be written; nil on the accepting side

	// Of an endpoint of this package, with which both directions use one connection, and another one when that is lost.
	own bool
	carriage
	ctx         context.Context // ends with the link
	cancel      context.CancelFunc
	caller      bool // this side dials
	failures    int  // in a row, of tries and of connections that were of no use; owned by tend
	id          uint64
	called      string // the address that the caller has dialled
	incarnation uint64 // of the peer
	system      string // and its actor system's id, which tells processes apart
	parcels     bool   // the peer takes them
	traces      bool   // and traced ones
	streams     bool   // it knows of streams
	out         *outbox
	peerLeft    atomic.Bool // it writes no more messages
	known       atomic.Bool // the peer knows of the link, for it has said something on it

	// Of its reader.
	in      *reader
	quota   int         // bytes that the peer writes at most without acknowledgement
	unacked int         // bytes that have come since it was told
	ackSoon atomic.Bool // late is running
	late    *time.Timer

	handled   chan struct{} // closed when the reader has ended; nil: it was never started
	abandoned atomic.Bool   // the end was told while the reader was still held: what it has left is dropped
	told      chan struct{} // closed when Config.Down was told of the end

	once sync.Once
	over chan struct{} // closed by finish
	err  error         // why; nil: in order. Read after over
	lost int           // messages that were queued then. Read after over
}

func (e *Endpoint) newLink(s stream) *link {
	return &link{
		e: e, stream: s, made: time.Now(), q: newQueue(e.cfg.QueueBytes, e.cfg.UrgentBytes),
		over: make(chan struct{}), told: make(chan struct{}),
	}
}

// finish ends the link. The first call decides why.
func (l *link) finish(err error) {
	l.once.Do(func() {
		l.err = err
		cause := err
		if cause == nil {
			cause = errLeft
		}
		l.lost = l.endQueue(cause)
		if l.own {
			l.cancel()
		}
		close(l.over)
	})
}

// run keeps the link until it is over. breakOff ends the stream for certain.
func (l *link) run(breakOff func()) {
	l.p.awaitEndings(l)
	var workers, writer sync.WaitGroup
	read := l.read
	if l.own {
		read = l.readFrames
		writer.Go(l.writeFrames)
		workers.Go(l.beat)
		workers.Go(l.tend)
	} else {
		workers.Go(l.write)
	}
	l.handled = make(chan struct{})
	workers.Go(func() {
		defer close(l.handled)
		read()
	})
	<-l.over
	if c := l.current(); c != nil {
		// The writer's last word is that there is no link any more: nobody shall wait for it to go on.
		_ = c.SetWriteDeadline(time.Now().Add(lastWord)) // fails only where the connection has ended
		writer.Wait()
		l.lose(c, l.err)
	}
	breakOff()
	l.p.ended(l, l.err, l.lost)
	writer.Wait()
	workers.Wait()
}

// lastWord is how long the news may take that a link is over.
const lastWord = 250 * time.Millisecond

// read hands what arrives to its processes, until the stream ends or the peer says goodbye.
func (l *link) read() {
	for {
		var f frame
		if err := l.stream.RecvMsg(&f); err != nil {
			switch {
			case errors.Is(err, io.EOF):
				err = nil
			case status.Code(err) == codes.ResourceExhausted: // gRPC's word for a message above the limit, which ends the stream
				l.e.dropped(l.p, TooLarge, 1)
				if l.network != "" {
					l.e.strikes.add(l.network, offence)
				}
			}
			l.finish(err)
			return
		}
		l.p.receivedBytes.Add(uint64(len(f.bytes)))
		if !l.handle(f.bytes) {
			l.finish(nil)
			return
		}
	}
}

// handle reports false when the peer leaves.
func (l *link) handle(raw []byte) bool {
	if l.sends {
		return false // a stock server says only one thing here
	}
	var m pb.RemoteMessage
	if err := proto.Unmarshal(raw, &m); err != nil {
		l.e.dropped(l.p, BadFrame, 1)
		l.wasted(l.network, frameCost+len(raw))
		return true
	}
	switch m := m.MessageType.(type) {
	case *pb.RemoteMessage_MessageBatch:
		if rubbish := l.e.deliverBatch(l.p, m.MessageBatch); rubbish > 0 {
			l.wasted(l.network, rubbish)
		}
	case *pb.RemoteMessage_DisconnectRequest:
		return false
	default:
		l.e.dropped(l.p, BadFrame, 1)
		l.wasted(l.network, frameCost+len(raw))
	}
	return true
}

// write puts what is queued on the stream, in batches, until the queue ends.
func (l *link) write() {
	enc := newEncoder()
	var items []item
	for {
		clear(items)
		items = l.q.take(batchBytes, items[:0])
		if len(items) == 0 {
			l.goodbye()
			return
		}
		size, err := l.send(enc.batch(items))
		if err != nil {
			l.e.dropped(l.p, LinkLost, len(items))
			// gRPC tells the reader of this stream why it ended; here it is known only that it has.
			if !errors.Is(err, io.EOF) {
				l.finish(err)
			}
			return
		}
		l.p.sentMessages.Add(uint64(len(items)))
		l.p.sentBytes.Add(uint64(size))
	}
}

// goodbye is said after the last message. The link is over when the peer, who then has everything, hangs up.
func (l *link) goodbye() {
	if l.q.ended() {
		return // the peer does not have everything, or has hung up
	}
	if _, err := l.send(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_DisconnectRequest{
		DisconnectRequest: &pb.DisconnectRequest{},
	}}); err != nil {
		return // the stream has ended already
	}
	if l.hangUp != nil {
		l.hangUp()
	}
}

func (l *link) send(m *pb.RemoteMessage) (size int, err error) {
	raw, err := proto.Marshal(m)
	if err != nil {
		return 0, err
	}
	return len(raw), l.stream.SendMsg(&frame{raw})
}

// mark is what a sign of life carries for its answer to be known by: the time, never zero.
func (l *link) mark() uint64 { return uint64(time.Since(l.made)) + 1 }

// answered notes how long a sign of life took there and back. A peer that makes up marks spoils its own figure.
func (l *link) answered(mark uint64) {
	if now := l.mark(); mark <= now {
		l.p.roundTrip.Store(int64(max(now-mark, 1)))
	}
}

// beat has the writer give signs of life, and gives a connection up over which the peer gives none.
func (l *link) beat() {
	tick := time.NewTicker(l.e.cfg.Heartbeat / 2)
	defer tick.Stop()
	l.out.nudge(l.mark())
	for {
		select {
		case <-tick.C:
			l.out.nudge(l.mark())
			if c := l.current(); c != nil && c.silent(l.e.cfg.Heartbeat) {
				l.lose(c, errSilent)
			}
		case <-l.over:
			return
		}
	}
}
