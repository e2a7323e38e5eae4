package transmit

import (
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
	node   string // whose the directory is
	keep   int
	logger *slog.Logger
	turn   chan struct{} // has one element: whoever takes it saves
	next   uint64        // number of the next; belongs to whose turn it is
	end    context.CancelFunc
	group  sync.WaitGroup // of the goroutine that saves at intervals

	mu   sync.Mutex
	done CheckpointInfo
}

const (
	ownerName = "NODE"        // says whose the directory is
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
func (s *state) openCheckpoints(ctx context.Context, node string) error {
	c := s.config.Checkpoints
	if c.Dir == "" {
		return nil
	}
	if c.Keep == 0 {
		c.Keep = 2
	}
	v := &saver{dir: c.Dir, node: node, keep: c.Keep, logger: s.logger, turn: make(chan struct{}, 1)}
	v.turn <- struct{}{}
	if err := v.own(); err != nil {
		return err
	}
	if err := v.restore(ctx, s); err != nil {
		return err
	}
	s.saver = v
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	v.end = end
	if c.Every > 0 {
		v.group.Go(func() { v.saveEvery(background, s, c.Every) })
	}
	return nil
}

// closeCheckpoints saves for the last time.
func (s *state) closeCheckpoints(ctx context.Context) error {
	if s.saver == nil {
		return nil
	}
	s.saver.end()
	s.saver.group.Wait()
	_, err := s.saver.save(ctx, s)
	return err
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

// own sees to it that the directory is there, this node's, and can be written.
func (v *saver) own() error {
	mine := "Checkpoints of the tlaunch transmit node " + v.node + "\n"
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	owner := filepath.Join(v.dir, ownerName)
	text, err := os.ReadFile(owner)
	switch {
	case err == nil && string(text) != mine:
		return fmt.Errorf("%w: %s says %q; give each node a directory of its own", ErrDirectory, owner, strings.TrimSpace(string(text)))
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if err != nil {
		others, listed := os.ReadDir(v.dir)
		if listed != nil {
			return fmt.Errorf("%w: %w", ErrDirectory, listed)
		}
		if len(others) > 0 && !(len(others) == 1 && others[0].Name() == ownerName+half) {
			return fmt.Errorf("%w: %s has files of another program, such as %s; name an empty directory, or one that is yet to be made", ErrDirectory, v.dir, others[0].Name())
		}
	}
	// Writing it anew shows that one may. What a power failure left of it must
	// not look like another's, nor the directory be gone with the checkpoints in it.
	_, err = writeWhole(owner, func(f *os.File) (int64, error) {
		n, err := f.WriteString(mine)
		return int64(n), err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	_ = syncDir(filepath.Dir(v.dir)) // as far as this account may read it
	return nil
}

// numbers are those of the checkpoints that are there, the newest first.
func (v *saver) numbers() ([]uint64, error) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	var numbers []uint64
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		if strings.HasSuffix(rest, half) { // whoever wrote it was killed
			_ = os.Remove(filepath.Join(v.dir, e.Name()))
		}
		if n, err := strconv.ParseUint(rest, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

func (v *saver) path(number uint64) string {
	return filepath.Join(v.dir, fmt.Sprintf("%s%016d", prefix, number))
}

// restore fills s from the newest checkpoint that is good.
func (v *saver) restore(ctx context.Context, s *state) error {
	numbers, err := v.numbers()
	if err != nil {
		return err
	}
	v.next = 1
	if len(numbers) == 0 {
		return nil
	}
	v.next = numbers[0] + 1
	var bad []error
	for _, n := range numbers {
		began := time.Now()
		err := s.load(v.path(n), v.node)
		if err == nil {
			v.done.Number = n
			for i := range bad { // they are out of the way of those that are good
				_ = os.Rename(v.path(numbers[i]), v.path(numbers[i])+damaged)
			}
			s.logger.InfoContext(ctx, "restored tables from a checkpoint", "file", v.path(n), "steps", s.store.Len(), "took", time.Since(began))
			return nil
		}
		s.clear()
		if !errors.Is(err, errDamaged) {
			return err
		}
		bad = append(bad, err)
		s.logger.WarnContext(ctx, "a checkpoint is damaged; the one before it is tried", "file", v.path(n), "error", err)
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
	bytes, err := picture.write(ctx, v.path(v.next), v.node)
	done.Took, done.Bytes = time.Since(done.Time), bytes
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
	numbers, err := v.numbers()
	if err != nil {
		v.logger.WarnContext(ctx, "could not look for old checkpoints", "error", err)
		return
	}
	for _, n := range numbers[min(v.keep, len(numbers)):] {
		if err := os.Remove(v.path(n)); err != nil {
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
