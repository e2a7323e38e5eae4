package transmit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/pool"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// A WriterConfig describes a writer. The zero value is a good one.
type WriterConfig struct {
	// Keep is how many of the last steps items may be made of, at most 1<<20: the writer and the node keep so many.
	// Zero: 128; negative is an error.
	Keep int
	// BatchBytes is how many bytes of steps are sent at once, while earlier ones are under way. Zero: 256 KiB;
	// negative: each item is sent as it comes.
	BatchBytes int
	// Ahead is how many requests may be under way, at most 64. Zero: 4; negative: 1.
	Ahead int
	// Compress has steps stored in zstd where that makes them smaller. They take the time of it to write and to read.
	Compress bool
}

func (c *WriterConfig) settle() error {
	if c.Keep < 0 || c.Keep > 1<<20 {
		return fmt.Errorf("transmit: WriterConfig.Keep is %d: it must be at least 0 and at most %d", c.Keep, 1<<20)
	}
	if c.Keep == 0 {
		c.Keep = 128
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 256 << 10
	}
	if c.Ahead == 0 {
		c.Ahead = 4
	}
	c.Ahead = min(max(c.Ahead, 1), 64)
	return nil
}

// mostItem is how many bytes an item may have.
const mostItem = table.MaxItemBytes

// mostWindows is how many items are sent at once.
const mostWindows = 1024

// A Writer appends steps to a node, and makes items of them. It is used by one
// goroutine at a time. Close lets it go.
//
// Steps are sent with items, and items in requests of several: an item is on
// its way when [Writer.Item] returns, or waits for those that are; it is in
// its table when [Writer.Flush] has returned. Items of a writer are inserted
// in the order in which they were made.
//
// A request whose link breaks is sent again, and is handled once. When the
// process of the node ends, the items under way are lost or not: the next call
// returns an error that says how many, and later items go to the process that
// takes its place, as they do without an error where none was under way.
type Writer struct {
	node Ref
	cfg  WriterConfig
	err  error // why it can do nothing

	session string
	number  uint64 // of the last request
	settled uint64
	kept    []*[]byte // encoded steps, the last ones, in lent memory
	first   uint64    // number of kept[0]
	sent    uint64    // number of the first step that was not sent
	batch   batch
	flight  []*writing // requests under way, oldest first
	left    []window   // that were not let in, and come before all others
	keys    []uint64   // of items that are in, as Insert needs them
}

// batch is what will be sent next.
type batch struct {
	windows []window
	least   uint64 // the first step of any of the windows, if there are any
	bytes   int    // of steps that were not sent
}

func (b *batch) add(w window) {
	if len(b.windows) == 0 || w.first < b.least {
		b.least = w.first
	}
	b.windows = append(b.windows, w)
}

// writing is a request under way.
type writing struct {
	sent
	first   uint64    // number of steps[0]
	steps   []*[]byte // kept until it is answered, as it may have to be sent again
	windows []window
	waits   bool // for limiters
}

// NewWriter returns a writer to a node. It says nothing to the node yet.
func NewWriter(node Ref, cfg WriterConfig) (*Writer, error) {
	if err := cfg.settle(); err != nil {
		return nil, err
	}
	return &Writer{node: node, cfg: cfg, session: newSession()}, nil
}

// Append appends a step: it takes its place in the window of the items that
// are made next. The step is copied. The error wraps [ErrType], [ErrTooLarge] or [ErrClosed];
// then nothing was appended.
func (w *Writer) Append(s Step) error {
	if w.err != nil {
		return w.err
	}
	p := pool.Get(s.room())
	b, err := s.Encode((*p)[:0])
	if err == nil && len(b) > mostItem {
		err = fmt.Errorf("%w: a step of %d bytes, and the most is %d", ErrTooLarge, len(b), mostItem)
	}
	if err != nil {
		pool.Put(p)
		return err
	}
	*p = b
	if w.cfg.Compress {
		if packed := pack(b); len(packed) < len(b) {
			pool.Put(p)
			p = &packed
		}
	}
	w.kept = append(w.kept, p)
	w.batch.bytes += len(*p)
	if len(w.kept) > 2*w.cfg.Keep {
		w.trim()
	}
	return nil
}

// next is the number of the step that is appended next.
func (w *Writer) next() uint64 { return w.first + uint64(len(w.kept)) }

// Item makes an item of the last steps, and hands it over for a table. It
// waits under ctx when as much is under way as the configuration allows, and
// when a limiter keeps the writer's items waiting.
//
// The error may be one of an item that was handed over before: [ErrNoTable],
// [ErrType], [ErrPriority], [ErrTooLarge] and [ErrWindow] say what is wrong with one item, which is left out, and no more. After ctx's error
// this item has been handed over all the same.
func (w *Writer) Item(ctx context.Context, table string, steps int, priority float64) error {
	if w.err != nil {
		return w.err
	}
	if steps < 1 || steps > min(len(w.kept), w.cfg.Keep) {
		return fmt.Errorf("%w: an item of the last %d steps, and the writer has %d", ErrWindow, steps, min(len(w.kept), w.cfg.Keep))
	}
	first := w.next() - uint64(steps)
	if first < w.reach() {
		return fmt.Errorf("%w: an item of the last %d steps has more than %d bytes", ErrTooLarge, steps, mostItem)
	}
	w.batch.add(window{table, first, uint64(steps), priority})
	var err error
	for ctx.Err() == nil && len(w.flight) > 0 && w.flight[0].future != nil && settled(w.flight[0].future.Done()) {
		err = errors.Join(err, w.collect(ctx))
	}
	if len(w.flight) == 0 || w.batch.bytes >= w.cfg.BatchBytes || len(w.batch.windows) >= mostWindows {
		err = errors.Join(err, w.send(ctx))
	}
	return err
}

// Flush sends what there is, and waits under ctx until all items are in their
// tables. The error is that of Item. After ctx's error Flush may be called again.
func (w *Writer) Flush(ctx context.Context) error {
	if w.err != nil {
		return w.err
	}
	var errs []error
	for len(w.batch.windows) > 0 || len(w.flight) > 0 || len(w.left) > 0 {
		var err error
		if len(w.batch.windows) > 0 && len(w.left) == 0 {
			err = w.send(ctx)
		} else {
			err = w.collect(ctx)
		}
		errs = append(errs, err)
		if err != nil && ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// Close flushes and lets the writer go. Closing again does nothing.
func (w *Writer) Close(ctx context.Context) error {
	if w.err != nil {
		return nil
	}
	err := w.Flush(ctx)
	for _, q := range w.flight {
		q.drop()
	}
	w.leave(ctx)
	w.err = fmt.Errorf("%w: the writer", ErrClosed)
	return err
}

// leave tells the node that the session is over; it would forget it in time anyway.
func (w *Writer) leave(ctx context.Context) {
	if w.number > 0 {
		bye := writeRequest{session: w.session, bye: true}
		actor.Go(context.WithoutCancel(ctx), w.node, (*Node).Write, bye.encode(nil))
	}
	for _, s := range w.kept {
		pool.Put(s)
	}
	w.kept = nil
}

// send posts the batch, once there is room for it.
func (w *Writer) send(ctx context.Context) error {
	var errs []error
	for len(w.left) > 0 || len(w.flight) >= w.cfg.Ahead || len(w.flight) > 0 && (w.flight[0].number == 1 || w.flight[len(w.flight)-1].future == nil) {
		// the first request begins the session, and others must not overtake it, nor one that is yet to be sent: they would take its room
		err := w.collect(ctx)
		errs = append(errs, err)
		if err != nil && ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
	q := &writing{windows: w.batch.windows}
	w.trim()
	w.number++
	q.number = w.number
	q.first = max(w.first, w.sent)
	q.steps = slices.Clone(w.kept[q.first-w.first:])
	r := &writeRequest{
		session: w.session, number: w.number, settled: w.settled, first: q.first,
		steps: make([][]byte, len(q.steps)), windows: q.windows, forget: w.first,
	}
	for i, s := range q.steps {
		r.steps[i] = *s
	}
	q.body = r.lent
	w.sent = w.next()
	w.batch = batch{}
	w.flight = append(w.flight, q)
	q.post(ctx, w.node, (*Node).Write)
	return errors.Join(errs...)
}

// trim forgets steps that no item will be made of any more. Those among them
// that were never sent do not count: the ones after them take their numbers.
func (w *Writer) trim() {
	least := max(w.next()-min(w.next(), uint64(w.cfg.Keep)), w.reach())
	if len(w.batch.windows) > 0 {
		least = min(least, w.batch.least)
	}
	if least <= w.first {
		return
	}
	n := int(least - w.first)
	unsent := least - min(least, max(w.first, w.sent))
	for _, s := range w.kept[n-int(unsent) : n] {
		w.batch.bytes -= len(*s)
	}
	answered := w.answered()
	for i, s := range w.kept[:n] { // those between are under way, and let go with their request
		if w.first+uint64(i) < answered || i >= n-int(unsent) {
			pool.Put(s)
		}
	}
	for i := range w.batch.windows {
		w.batch.windows[i].first -= unsent
	}
	w.batch.least -= min(w.batch.least, unsent)
	w.kept = slices.Delete(w.kept, 0, n)
	w.first = least - unsent
}

// answered is the first step that is under way, or was not sent.
func (w *Writer) answered() uint64 {
	if len(w.flight) > 0 {
		return w.flight[0].first
	}
	return w.sent
}

// reach is the first step that an item may have where so much is to be sent
// that it may be too much for a message: an item has at most so many bytes.
func (w *Writer) reach() uint64 {
	if w.batch.bytes <= mostItem {
		return w.first
	}
	bytes := 0
	for i := len(w.kept) - 1; i >= 0; i-- {
		if bytes += len(*w.kept[i]); bytes > mostItem {
			return w.first + uint64(i) + 1
		}
	}
	return w.first
}

// collect waits for the oldest request; once all have been answered, it waits
// for those items to be let in that were not.
func (w *Writer) collect(ctx context.Context) error {
	if len(w.flight) == 0 {
		w.number++
		r := &writeRequest{session: w.session, number: w.number, settled: w.settled, windows: w.left, forget: w.oldest(), wait: true}
		w.flight = append(w.flight, &writing{windows: w.left, first: w.sent, sent: sent{number: w.number, body: r.lent}, waits: true})
		w.left = nil
	}
	q := w.flight[0]
	b, err := q.wait(ctx, w.node, (*Node).Write)
	if err != nil && ctx.Err() != nil {
		if q.waits { // asked again, it is answered with what it has come to
			q.drop()
			q.future = nil
		}
		return err
	}
	if err != nil {
		return w.restart(err)
	}
	r, err := decodeWriteReply(b)
	if err != nil {
		return w.restart(err)
	}
	if r.fault.ends() {
		if errors.Is(r.fault, ErrForgotten) && w.again() {
			return nil
		}
		return w.restart(r.fault)
	}
	return w.take(q, r)
}

// oldest is the first step that items may still be made of.
func (w *Writer) oldest() uint64 {
	least := w.first
	for _, win := range w.left {
		least = min(least, win.first)
	}
	return least
}

// take notes what has become of a request's items.
func (w *Writer) take(q *writing, r *writeReply) error {
	w.flight = w.flight[1:]
	w.settled = q.number
	w.keys = r.keys
	for _, s := range q.steps[:min(w.first-min(w.first, q.first), uint64(len(q.steps)))] { // which are kept no more
		pool.Put(s)
	}
	rest := q.windows[min(len(r.keys), len(q.windows)):]
	if r.fault == nil || len(rest) == 0 {
		w.left = append(w.left, rest...)
		return r.fault.errorOf()
	}
	w.left = append(w.left, rest[1:]...)
	return fmt.Errorf("item for table %q: %w", rest[0].table, r.fault)
}

// ends tells whether a fault is one of the request, and not of an item.
func (f *Fault) ends() bool { return f != nil && (f.Code == 6 || f.Code == 7 || f.Code == 0) }

// again puts what is under way back into the batch, for a session that begins
// anew, where the node has forgotten this one and cannot have begun any of
// it: requests that were sent once. It reports false where it cannot: then nothing is changed.
func (w *Writer) again() bool {
	windows := slices.Clone(w.left)
	for _, q := range w.flight {
		if q.tries != 1 {
			return false
		}
		windows = append(windows, q.windows...)
	}
	windows = append(windows, w.batch.windows...)
	least := w.next()
	for _, win := range windows {
		least = min(least, win.first)
	}
	if least < w.first || bytesOfAll(w.kept[least-w.first:]) > mostItem { // steps are gone, or too many for a message
		return false
	}
	w.anew()
	w.batch.windows, w.batch.least = windows, least
	return true
}

// restart begins a session anew: what was under way is lost, or not.
func (w *Writer) restart(why error) error {
	items := len(w.left)
	for _, q := range w.flight {
		items += len(q.windows)
	}
	w.anew()
	return fmt.Errorf("transmit: %d items may be lost: %w", items, why)
}

// anew begins another session, whose node has none of the steps.
func (w *Writer) anew() {
	for _, q := range w.flight {
		q.drop()
	}
	w.flight, w.left = nil, nil
	w.session, w.number, w.settled = newSession(), 0, 0
	w.sent = w.first
	w.batch.bytes = bytesOfAll(w.kept)
}

func bytesOfAll(steps []*[]byte) (n int) {
	for _, s := range steps {
		n += len(*s)
	}
	return n
}

// Insert inserts an item of one step into a table, and returns its key. It
// waits under ctx for the table's limiter; after ctx's error the item is in
// the table only if it was let in at that moment, and not later. For many items a [Writer] is faster.
func Insert(ctx context.Context, node Ref, table string, s Step, priority float64) (key uint64, err error) {
	w, err := NewWriter(node, WriterConfig{})
	if err != nil {
		return 0, err
	}
	if err := w.Append(s); err != nil {
		return 0, err
	}
	if err := errors.Join(w.Item(ctx, table, 1, priority), w.Flush(ctx)); err != nil {
		w.withdraw(ctx)
		return 0, err
	}
	w.leave(ctx)
	if len(w.keys) != 1 {
		return 0, fmt.Errorf("%w: an answer with %d keys", ErrRequest, len(w.keys))
	}
	return w.keys[0], nil
}

// withdraw lets go of all requests under way, and of the session with them.
func (w *Writer) withdraw(ctx context.Context) {
	for _, q := range w.flight {
		q.drop()
	}
	w.leave(ctx)
}
