package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"sync"
)

// Client is an embedded registry at the far end of a connection, which calls
// Serve there. It uses two goroutines, which end with Close or with the
// connection. When the connection ends, what was registered is removed over
// there, and every call returns an error that wraps [ErrRegistryUnreachable]:
// make a new Client over a new connection and register again.
type Client struct {
	conn  net.Conn
	life  context.Context // ends with the connection; its cause is what calls return
	end   context.CancelCauseFunc
	loops sync.WaitGroup

	mu      sync.Mutex
	closing bool
	lastID  uint64
	waiting map[uint64]chan answer
	queue   []request
	// queued has room for one: a token in it says that the queue is not empty.
	queued chan struct{}
}

// NewClient returns the registry at the other end of the connection and takes
// the connection over. It does not block: a peer that does not speak the
// format shows as an error of the first call.
func NewClient(conn net.Conn) *Client {
	c := &Client{conn: conn, waiting: make(map[uint64]chan answer), queued: make(chan struct{}, 1)}
	c.life, c.end = context.WithCancelCause(context.Background())
	closed := closeWhenDone(c.life, conn)
	c.loops.Go(func() { c.end(c.lost(c.write())) })
	c.loops.Go(func() {
		c.end(c.lost(c.read()))
		<-closed
	})
	return c
}

// lost words the end of the connection as callers are to see it.
func (c *Client) lost(err error) error {
	if errors.Is(err, ErrProtocol) {
		return err
	}
	return fmt.Errorf("%w: the connection to the launcher's registry ended: %w", ErrRegistryUnreachable, err)
}

// Register implements [Registry].
func (c *Client) Register(ctx context.Context, m Member) error {
	if err := m.Validate(); err != nil {
		return err
	}
	_, err := c.call(ctx, request{Op: opRegister, Member: m.Clone()})
	return err
}

// Deregister implements [Registry].
func (c *Client) Deregister(ctx context.Context, run, host string, incarnation uint64) error {
	if err := errors.Join(validateRun(run), validateHost(host)); err != nil {
		return err
	}
	_, err := c.call(ctx, request{Op: opDeregister, Run: run, Host: host, Incarnation: incarnation})
	return err
}

// Members implements [Registry].
func (c *Client) Members(ctx context.Context, run string) ([]Member, error) {
	if err := validateRun(run); err != nil {
		return nil, err
	}
	a, err := c.call(ctx, request{Op: opMembers, Run: run})
	if err != nil {
		return nil, err
	}
	return a.list(), nil
}

// Describe implements [Registry].
func (c *Client) Describe(ctx context.Context, run string, description []byte) error {
	if err := errors.Join(validateRun(run), validateDescription(description)); err != nil {
		return err
	}
	_, err := c.call(ctx, request{Op: opDescribe, Run: run, Data: append([]byte{}, description...)})
	return err
}

// Description implements [Registry].
func (c *Client) Description(ctx context.Context, run string) ([]byte, error) {
	if err := validateRun(run); err != nil {
		return nil, err
	}
	a, err := c.call(ctx, request{Op: opDescription, Run: run})
	if err != nil {
		return nil, err
	}
	return append([]byte{}, a.Data...), nil
}

// Watch implements [Registry].
func (c *Client) Watch(ctx context.Context, run string) iter.Seq2[[]Member, error] {
	return func(yield func([]Member, error) bool) {
		if err := validateRun(run); err != nil {
			yield(nil, err)
			return
		}
		id, answers, err := c.send(request{Op: opWatch, Run: run})
		if err != nil {
			yield(nil, err)
			return
		}
		defer c.cancelWatch(id)
		for {
			a, err := c.await(ctx, answers)
			if c.life.Err() != nil { // a list that came in the last moment is out of date
				err = context.Cause(c.life)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(a.list(), nil) {
				return
			}
		}
	}
}

// Close implements [Registry]. A call beside the first one waits for it.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	var answers <-chan answer
	err := c.alive()
	if first && err == nil {
		_, answers = c.sendLocked(request{Op: opBye})
	}
	c.mu.Unlock()
	if !first {
		select {
		case <-c.life.Done():
			c.loops.Wait()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err == nil {
		_, err = c.await(ctx, answers)
	}
	c.end(ErrClosed)
	c.loops.Wait()
	if errors.Is(err, ErrClosed) || errors.Is(err, ErrRegistryUnreachable) {
		return nil // without a connection nothing of ours is registered any more
	}
	return err
}

func (c *Client) call(ctx context.Context, q request) (answer, error) {
	id, answers, err := c.send(q)
	if err != nil {
		return answer{}, err
	}
	defer c.forget(id)
	return c.await(ctx, answers)
}

// send queues the request. Its answers come on the channel, which has room
// for one; a newer answer replaces one that was not read.
func (c *Client) send(q request) (id uint64, answers chan answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.alive(); err != nil {
		return 0, nil, err
	}
	if c.closing {
		return 0, nil, ErrClosed
	}
	id, answers = c.sendLocked(q)
	return id, answers, nil
}

// alive returns why the connection has ended, if it has.
func (c *Client) alive() error {
	if c.life.Err() != nil {
		return context.Cause(c.life)
	}
	return nil
}

func (c *Client) sendLocked(q request) (id uint64, answers chan answer) {
	c.lastID++
	q.ID = c.lastID
	answers = make(chan answer, 1)
	c.waiting[q.ID] = answers
	c.enqueueLocked(q)
	return q.ID, answers
}

func (c *Client) enqueueLocked(q request) {
	c.queue = append(c.queue, q)
	select {
	case c.queued <- struct{}{}:
	default:
	}
}

func (c *Client) await(ctx context.Context, answers <-chan answer) (answer, error) {
	select {
	case a := <-answers:
		return a, a.err()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-c.life.Done():
		return answer{}, context.Cause(c.life)
	}
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(id)
}

// forgetLocked gives up a request and reports whether it was not sent yet.
// Then it never is, so that a server who does not read gathers nothing here.
func (c *Client) forgetLocked(id uint64) (unsent bool) {
	delete(c.waiting, id)
	before := len(c.queue)
	c.queue = slices.DeleteFunc(c.queue, func(q request) bool { return q.ID == id })
	return len(c.queue) < before
}

func (c *Client) cancelWatch(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.forgetLocked(id) {
		c.enqueueLocked(request{ID: id, Op: opCancel})
	}
}

// write sends the hello and then what is queued, until the life ends.
func (c *Client) write() error {
	if _, err := c.conn.Write(wireHello[:]); err != nil {
		return err
	}
	var buf []byte
	for {
		select {
		case <-c.queued:
		case <-c.life.Done():
			return context.Cause(c.life)
		}
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		if len(queue) == 0 {
			continue // what was queued has been given up
		}
		buf = buf[:0]
		for _, q := range queue {
			var err error
			if buf, err = appendFrame(buf, q, maxRequestFrame); err != nil {
				return err
			}
		}
		if _, err := c.conn.Write(buf); err != nil {
			return err
		}
	}
}

// read hands answers to those who wait for them. It never waits for a reader.
func (c *Client) read() error {
	if err := readHello(c.conn); err != nil {
		return err
	}
	for {
		var a answer
		if err := readFrame(c.conn, &a, maxAnswerFrame); err != nil {
			return err
		}
		c.mu.Lock()
		answers := c.waiting[a.ID] // nil if nobody waits any more
		c.mu.Unlock()
		if answers == nil {
			continue
		}
		select {
		case <-answers: // this goroutine alone sends, so there is room now
		default:
		}
		answers <- a
	}
}

// list returns the members, an empty list rather than nil.
func (a answer) list() []Member {
	if a.Members == nil {
		return []Member{}
	}
	return a.Members
}
