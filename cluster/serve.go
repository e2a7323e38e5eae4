package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// maxWatches bounds the watches, and with them the goroutines, of one served
// connection.
const maxWatches = 64

// A session is one served connection. The goroutine that called Serve reads
// from it; a second one writes; each open watch has one of its own. All of
// them have ended when Serve returns.
type session struct {
	store *Embedded
	out   chan answer // to the writer; unbuffered, so that a peer who does not read holds up only itself
	ended chan struct{}

	watching sync.WaitGroup
	mu       sync.Mutex
	watches  map[uint64]context.CancelFunc
}

// Serve answers one [Client] over the connection until it ends, ctx ends or
// the registry is closed; it closes the connection, and removes what was
// registered and described over it. The error is nil if the client said
// goodbye or ended the connection between frames, the context's error,
// [ErrClosed], [ErrFull] if too many connections are served, one that wraps
// [ErrProtocol] if the client sent rubbish, or the connection's own.
func (e *Embedded) Serve(ctx context.Context, conn net.Conn) error {
	s := &session{store: e, out: make(chan answer), ended: make(chan struct{}), watches: make(map[uint64]context.CancelFunc)}
	if err := e.enter(s); err != nil {
		return errors.Join(err, conn.Close())
	}
	defer e.leave(s)

	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.life, func() { cancel(ErrClosed) })
	defer stop()
	closed := closeWhenDone(ctx, conn) // this is what ends reads and writes under way

	var writer sync.WaitGroup
	writer.Go(func() {
		if err := s.write(ctx, conn); err != nil {
			cancel(err)
		}
	})
	err := s.read(ctx, conn)
	cancel(err)
	reason := context.Cause(ctx) // the first one, where reading failed only because of it
	s.watching.Wait()
	writer.Wait()
	<-closed
	e.dropOwned(s, reason)
	// After a goodbye the client may close while a list is on its way to it:
	// then writing has failed, and that is nobody's concern.
	if errors.Is(reason, io.EOF) || errors.Is(err, errBye) {
		return nil
	}
	return reason
}

// closeWhenDone closes the connection when ctx has ended, and then the
// channel it returns.
func closeWhenDone(ctx context.Context, conn net.Conn) <-chan struct{} {
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		conn.Close()
	})
	return closed
}

// errBye ends a session whose client said goodbye.
var errBye = errors.New("cluster: client said bye")

func (e *Embedded) enter(s *session) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if len(e.sessions) >= maxSessions {
		return fmt.Errorf("%w: %d connections are served", ErrFull, maxSessions)
	}
	e.sessions[s] = struct{}{}
	return nil
}

func (e *Embedded) leave(s *session) {
	e.mu.Lock()
	delete(e.sessions, s)
	e.mu.Unlock()
	close(s.ended)
}

func (s *session) write(ctx context.Context, conn net.Conn) error {
	if _, err := conn.Write(wireHello[:]); err != nil {
		return err
	}
	var buf []byte
	for {
		select {
		case a := <-s.out:
			var err error
			if buf, err = appendFrame(buf[:0], a, maxAnswerFrame); err != nil {
				return err
			}
			if _, err := conn.Write(buf); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *session) read(ctx context.Context, conn net.Conn) error {
	if err := readHello(conn); err != nil {
		return err
	}
	for {
		var q request
		if err := readFrame(conn, &q, maxRequestFrame); err != nil {
			return err
		}
		err := s.handle(ctx, q)
		if errors.Is(err, errBye) {
			// The answer may still be on its way: the client closes when it
			// has read it. What else it sends is of no interest.
			_, _ = io.Copy(io.Discard, conn)
		}
		if err != nil {
			return err
		}
	}
}

// handle answers one request. Its error ends the session.
func (s *session) handle(ctx context.Context, q request) error {
	a := answer{ID: q.ID}
	var err error
	switch q.Op {
	case opRegister:
		err = s.store.register(ctx, q.Member, s)
	case opDeregister:
		err = s.store.Deregister(ctx, q.Run, q.Host, q.Incarnation)
	case opMembers:
		a.Members, err = s.store.Members(ctx, q.Run)
	case opDescribe:
		err = s.store.describe(ctx, q.Run, q.Data, s)
	case opDescription:
		a.Data, err = s.store.Description(ctx, q.Run)
	case opWatch:
		if err = s.startWatch(ctx, q); err == nil {
			return nil // the watch answers
		}
	case opCancel:
		s.cancelWatch(q.ID)
		return nil
	case opBye:
		s.store.retireOwned(s)
		if err := s.send(ctx, a); err != nil {
			return err
		}
		return errBye
	default:
		err = fmt.Errorf("%w: unknown operation %d", ErrProtocol, q.Op)
	}
	if err != nil {
		a = failed(q.ID, err)
	}
	return s.send(ctx, a)
}

func (s *session) send(ctx context.Context, a answer) error {
	select {
	case s.out <- a:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) startWatch(ctx context.Context, q request) error {
	if err := validateRun(q.Run); err != nil {
		return err
	}
	ctx, err := s.openWatch(ctx, q.ID)
	if err != nil {
		return err
	}
	s.watching.Go(func() {
		defer s.cancelWatch(q.ID)
		for members, err := range s.store.Watch(ctx, q.Run) {
			a := answer{ID: q.ID, Members: members}
			if err != nil {
				if ctx.Err() != nil {
					return // cancelled, or the session ends
				}
				a = failed(q.ID, err)
			}
			if s.send(ctx, a) != nil {
				return
			}
		}
	})
	return nil
}

func (s *session) openWatch(ctx context.Context, id uint64) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.watches[id]; used {
		return nil, fmt.Errorf("%w: a watch with id %d is open", ErrInvalid, id)
	}
	if len(s.watches) >= maxWatches {
		return nil, fmt.Errorf("%w: %d watches are open on this connection: leave one first", ErrFull, maxWatches)
	}
	ctx, cancel := context.WithCancel(ctx)
	s.watches[id] = cancel
	return ctx, nil
}

func (s *session) cancelWatch(id uint64) {
	s.mu.Lock()
	cancel := s.watches[id]
	delete(s.watches, id)
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
