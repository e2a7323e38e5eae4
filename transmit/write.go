package transmit

import (
	"context"
	"fmt"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// mostKept is how many bytes of steps a writer may refer to.
const mostKept = 256 << 20

// write is a request to insert windows, which may have to wait.
type write struct {
	session *session
	windows []window
	at      int     // of windows: the next
	faults  []error // of windows, for what their steps are; nil: of none
	waits   bool    // it may stand in lines
	line    *shelf  // in whose line it stands
	reply   *reply
	done    signal // closed when nothing is left to wait for
}

// Write handles a message WriteRequest of transmit.proto. Programs use [Writer] and [Insert].
func (n *Node) Write(ctx context.Context, b []byte) ([]byte, error) {
	r, err := decodeWriteRequest(b)
	if err != nil {
		return (&writeReply{fault: faultOf(err)}).encode(nil), nil
	}
	reply, err := n.state.write(ctx, b, r)
	if err != nil {
		return nil, err
	}
	return reply.encode(nil), nil
}

func (s *state) write(ctx context.Context, whole []byte, r *writeRequest) (*writeReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.bye {
		s.endSession(r.session)
		return &writeReply{}, nil
	}
	if err := ctx.Err(); err != nil { // it was given up, and its session may have ended before it got its turn
		return nil, err
	}
	ss, err := s.sessionFor(ctx, r.session, r.number == 1)
	if ctx.Err() != nil && err == ctx.Err() {
		return nil, err
	}
	if err != nil {
		return &writeReply{fault: faultOf(err)}, nil
	}
	rep, fresh, err := s.begin(ctx, ss, r.number, r.settled, true)
	if ctx.Err() != nil && err == ctx.Err() {
		return nil, err
	}
	if err != nil {
		return &writeReply{fault: faultOf(err)}, nil
	}
	if !fresh {
		return &rep.write, nil
	}
	ss.busy++
	defer func() { ss.busy-- }()
	defer close(rep.done)
	if err := s.appendSteps(ctx, ss, whole, r); err != nil {
		ss.stuck = true
		rep.write.fault = faultOf(err)
		return &rep.write, nil
	}
	w := &write{session: ss, windows: r.windows, reply: rep, done: make(signal)}
	s.inspect(w)
	if r.wait || !ss.stuck {
		s.advance(w)
	}
	if r.wait && !closed(w.done) {
		w.waits = true
		s.stand(w)
		s.settle(w.line)
		s.waitFor(ctx, w.done)
		if w.line != nil {
			w.line.inserters = without(w.line.inserters, w)
			s.settle(w.line) // who stood behind it may be for another table next
		}
	}
	ss.stuck = w.at < len(w.windows) || rep.write.fault != nil
	if !ss.stuck { // windows that are left over need their steps
		ss.stream.Forget(r.forget)
	}
	return &rep.write, nil
}

// waitFor waits without the lock.
func (s *state) waitFor(ctx context.Context, done signal) {
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.mu.Lock()
}

// appendSteps stores the steps of a request.
func (s *state) appendSteps(ctx context.Context, ss *session, whole []byte, r *writeRequest) error {
	if ss.stream == nil {
		ss.stream = table.NewStream(s.store, r.first)
		ss.checked = map[*shelf]span{}
	}
	if len(r.steps) == 0 {
		return nil
	}
	if r.first != ss.stream.Next() {
		return fmt.Errorf("%w: steps from %d, and %d is the next", ErrRequest, r.first, ss.stream.Next())
	}
	bytes := 0
	for _, b := range r.steps {
		bytes += len(b)
	}
	if ss.stream.Bytes()+int64(bytes) > mostKept {
		return fmt.Errorf("%w: a writer may refer to %d bytes of steps; it should keep fewer (WriterConfig.Keep)", ErrTooLarge, mostKept)
	}
	if few := bytes / len(r.steps); few > table.SlabSize/16 && cap(whole)-bytes <= bytes/32 {
		actor.Keep(ctx) // a copy would cost more than what is lost of the memory
		spans := make([]table.Span, len(r.steps))
		for i, b := range r.steps {
			spans[i] = spanIn(whole, b)
		}
		for _, id := range s.store.PutShared(whole, spans) {
			ss.stream.Append(id)
		}
		return nil
	}
	for _, b := range r.steps {
		ss.stream.Append(s.store.Put(b))
	}
	return nil
}

// advance inserts windows until one has to wait, one is at fault, or all are in.
func (s *state) advance(w *write) {
	for w.at < len(w.windows) {
		win := &w.windows[w.at]
		sh := s.tables[win.table]
		if err := s.check(w, sh); err != nil {
			w.reply.write.fault = faultOf(err)
			break
		}
		if len(sh.inserters) > 0 && sh.inserters[0] != w || !sh.MayInsert() {
			return
		}
		k := sh.Insert(w.session.stream, win.first, win.count, win.priority)
		w.reply.write.keys = append(w.reply.write.keys, uint64(k))
		w.at++
		if s.watcher != nil {
			s.watcher.inserted(sh, w.session.stream, *win, k)
		}
		s.serve(sh)
		if w.waits && w.at < len(w.windows) && s.next(w) != nil && s.next(w) != sh {
			return // it goes to the end of another line
		}
	}
	close(w.done)
}

// check says why the next window can never be inserted.
func (s *state) check(w *write, sh *shelf) error {
	win := &w.windows[w.at]
	if sh == nil {
		return fmt.Errorf("%w: %q", ErrNoTable, win.table)
	}
	if err := sh.Check(w.session.stream, win.first, win.count, win.priority); err != nil {
		return fmt.Errorf("table %q: %w", sh.name, err)
	}
	if w.faults != nil && w.faults[w.at] != nil {
		return fmt.Errorf("table %q: %w", sh.name, w.faults[w.at])
	}
	return nil
}

// next is the table of the next window; nil: there is none of that name.
func (s *state) next(w *write) *shelf { return s.tables[w.windows[w.at].table] }

// stand puts a write that has to wait at the end of the line of its next table.
func (s *state) stand(w *write) {
	w.line = s.next(w)
	w.line.inserters = append(w.line.inserters, w)
}

// settle lets those through who wait for a table, as far as its limiter does,
// and then for tables to which these have come.
func (s *state) settle(sh *shelf) {
	for todo := []*shelf{sh}; len(todo) > 0; todo = todo[1:] {
		sh := todo[0]
		for {
			s.serve(sh)
			if len(sh.inserters) == 0 {
				break
			}
			w := sh.inserters[0]
			at := w.at
			s.advance(w)
			if closed(w.done) {
				w.line, sh.inserters = nil, sh.inserters[1:]
				continue
			}
			if s.next(w) == sh {
				if w.at == at {
					break
				}
				continue
			}
			sh.inserters = sh.inserters[1:]
			s.stand(w)
			todo = append(todo, w.line)
		}
	}
}
