package transmit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// saver saves what a node has, and keeps the directory where that is. A nil
// saver saves nothing.
type saver struct {
	dir    string
	whose  owner
	keep   int
	logger *slog.Logger
	lock   *os.File       // held for as long as the node has the directory
	turn   chan struct{}  // has one element: whoever takes it saves
	next   uint64         // number of the next; belongs to whose turn it is
	end    func()         // of saving at intervals
	group  sync.WaitGroup // of the goroutine that saves at intervals

	mu   sync.Mutex
	done CheckpointInfo
}

// owner is whose checkpoints are: a node of a program.
type owner struct {
	program string // empty: the node was added to none
	node    string
}

func (o owner) String() string {
	if o.program == "" {
		return "node " + o.node
	}
	return fmt.Sprintf("node %s of program %q", o.node, o.program)
}

// errLast is why a checkpoint is not finished when the node stops: the last is made then, of all that there is.
var errLast = errors.New("the last checkpoint comes next")

const (
	ownerName = "NODE"        // says whose the directory is
	lockName  = "LOCK"        // is locked by who uses it
	prefix    = "checkpoint-" // of files, with the number
	half      = ".tmp"        // of a file that is being written
	damaged   = ".damaged"
)

// info is how saving has gone.
func (v *saver) info() CheckpointInfo {
	if v == nil {
		return CheckpointInfo{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.done
}

// openCheckpoints takes the directory, restores from it, and begins to save at intervals.
func (s *state) openCheckpoints(ctx context.Context, whose owner) (err error) {
	c := s.config.Checkpoints
	if c.Dir == "" {
		return nil
	}
	if c.Keep == 0 {
		c.Keep = 2
	}
	v := &saver{dir: c.Dir, whose: whose, keep: c.Keep, logger: s.logger, turn: make(chan struct{}, 1)}
	v.turn <- struct{}{}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.unlock())
		}
	}()
	if err := v.own(ctx); err != nil {
		return err
	}
	if err := v.restore(ctx, s); err != nil {
		return err
	}
	s.saver = v
	background, end := context.WithCancelCause(context.WithoutCancel(ctx))
	v.end = func() { end(errLast) }
	if c.Every > 0 {
		v.group.Go(func() { v.saveEvery(background, s, c.Every) })
	}
	return nil
}

// closeCheckpoints saves for the last time, and lets go of the directory.
func (s *state) closeCheckpoints(ctx context.Context) error {
	if s.saver == nil {
		return nil
	}
	s.saver.end()
	s.saver.group.Wait()
	_, err := s.saver.save(ctx, s)
	return errors.Join(err, s.saver.unlock())
}

func (v *saver) saveEvery(ctx context.Context, s *state, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_, _ = v.save(ctx, s) // it has told the log
		case <-ctx.Done():
			return
		}
	}
}

// savedFile is a checkpoint that is there.
type savedFile struct {
	number uint64
	path   string
}

// files are the checkpoints that are there, the newest first, by their numbers: names that others have given need not have as many digits as ours.
func (v *saver) files() ([]savedFile, error) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	var files []savedFile
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		if strings.HasSuffix(rest, half) { // whoever wrote it was killed
			_ = os.Remove(filepath.Join(v.dir, e.Name()))
		}
		if n, err := strconv.ParseUint(rest, 10, 64); err == nil {
			files = append(files, savedFile{n, filepath.Join(v.dir, e.Name())})
		}
	}
	slices.SortFunc(files, func(a, b savedFile) int {
		return cmp.Or(cmp.Compare(b.number, a.number), strings.Compare(a.path, b.path))
	})
	return files, nil
}

func (v *saver) path(number uint64) string {
	return filepath.Join(v.dir, fmt.Sprintf("%s%016d", prefix, number))
}

// restore fills s from the newest checkpoint that is good.
func (v *saver) restore(ctx context.Context, s *state) error {
	files, err := v.files()
	if err != nil {
		return err
	}
	v.next = 1
	if len(files) == 0 {
		return nil
	}
	v.next = files[0].number + 1
	var bad []error
	for _, f := range files {
		began := time.Now()
		err := s.load(ctx, f.path, v.whose)
		if err == nil {
			v.done.Number = f.number
			for i := range bad { // they are out of the way of those that are good
				_ = os.Rename(files[i].path, files[i].path+damaged)
			}
			s.logger.InfoContext(ctx, "restored tables from a checkpoint", "file", f.path, "steps", s.store.Len(), "took", time.Since(began))
			return nil
		}
		s.clear()
		if !errors.Is(err, errDamaged) {
			return err
		}
		bad = append(bad, err)
		s.logger.WarnContext(ctx, "a checkpoint is damaged; the one before it is tried", "file", f.path, "error", err)
	}
	return fmt.Errorf("no checkpoint is good; to begin without, move %s away: %w", v.dir, errors.Join(bad...))
}

// save saves what s has, as it is when its turn comes. A failure changes nothing of what was saved before.
func (v *saver) save(ctx context.Context, s *state) (CheckpointInfo, error) {
	select {
	case <-v.turn:
	case <-ctx.Done():
		return CheckpointInfo{}, ctx.Err()
	}
	defer func() { v.turn <- struct{}{} }()
	done := CheckpointInfo{Number: v.next, Time: time.Now()}
	picture := s.picture()
	done.Held = time.Since(done.Time)
	bytes, err := picture.write(ctx, v.path(v.next), v.whose)
	done.Took, done.Bytes = time.Since(done.Time), bytes
	if err != nil && context.Cause(ctx) == errLast {
		return CheckpointInfo{}, err
	}
	v.note(done, err)
	if err != nil {
		v.logger.ErrorContext(ctx, "could not save a checkpoint; what was saved before is as it was", "dir", v.dir, "error", err)
		return CheckpointInfo{}, err
	}
	v.next++
	v.logger.DebugContext(ctx, "saved a checkpoint", "file", v.path(done.Number), "bytes", bytes, "took", done.Took, "held", done.Held)
	v.prune(ctx)
	return v.info(), nil
}

// note keeps what has become of a try. Log and disk are slow, and those who ask for it are not to wait for them.
func (v *saver) note(done CheckpointInfo, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.done.Failures++
		v.done.Failure = err.Error()
		return
	}
	done.Failures = v.done.Failures
	v.done = done
}

// prune removes old checkpoints.
func (v *saver) prune(ctx context.Context) {
	files, err := v.files()
	if err != nil {
		v.logger.WarnContext(ctx, "could not look for old checkpoints", "error", err)
		return
	}
	for _, f := range files[min(v.keep, len(files)):] {
		if err := os.Remove(f.path); err != nil {
			v.logger.WarnContext(ctx, "could not remove an old checkpoint", "error", err)
		}
	}
}

// Checkpoint saves what the node has when it is called, or a little later. The
// error is one of the file system, ctx's, or wraps [ErrRequest] where the node has no directory.
func (n *Node) Checkpoint(ctx context.Context) (CheckpointInfo, error) {
	if n.state.saver == nil {
		return CheckpointInfo{}, fmt.Errorf("%w: the node keeps no checkpoints; set Config.Checkpoints.Dir", ErrRequest)
	}
	return n.state.saver.save(ctx, n.state)
}

// Checkpoint has a node save what it has, and waits until that is on disk.
func Checkpoint(ctx context.Context, node Ref) (CheckpointInfo, error) {
	return actor.Call0(ctx, node, (*Node).Checkpoint)
}
