package transmit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// saved is a configuration with checkpoints, and what the node logs.
func saved(dir string, tables ...Table) (Config, *bytes.Buffer) {
	log := &bytes.Buffer{}
	return Config{Tables: tables, Checkpoints: Checkpoints{Dir: dir}, Logger: slog.New(slog.NewTextHandler(log, nil))}, log
}

// alone is a node without a system, for tests that start and stop many.
func alone(t testing.TB, c Config) *Node {
	n := NewNode(c)
	require.NoError(t, n.Start(t.Context()))
	t.Cleanup(func() { crash(n) })
	return n
}

// crash lets go of what the kernel takes from a process that is killed.
func crash(n *Node) {
	if n.state.saver != nil {
		_ = n.state.saver.unlock() // it may have been stopped
	}
}

// restored is what a node that is started has of a table.
func restored(t testing.TB, c Config, table string) []int64 {
	n := alone(t, c)
	defer crash(n)
	return content(t, n, table)
}

// put inserts numbers into a table of a node without a system.
func put(n *Node, table string, from, to int64) error {
	r := writeRequest{session: newSession(), number: 1}
	for i := from; i < to; i++ {
		b, err := number(i).Encode(nil)
		if err != nil {
			return err
		}
		r.steps = append(r.steps, b)
		r.windows = append(r.windows, window{table, uint64(i - from), 1, float64(i % 5)})
	}
	reply, err := n.state.write(context.Background(), nil, &r)
	if err == nil {
		err = reply.fault.errorOf()
	}
	n.state.mu.Lock()
	defer n.state.mu.Unlock()
	n.state.endSession(r.session)
	return err
}

// content is the numbers that the items of a table have, in the order of insertion.
func content(t testing.TB, n *Node, table string) []int64 {
	var all []int64
	for it := range n.state.tables[table].Snapshot().Items() {
		for _, id := range it.Payloads {
			s, err := DecodeStep(n.state.store.Get(id))
			require.NoError(t, err)
			all = append(all, numberOf(t, s))
		}
	}
	return all
}

func count(from, to int64) (all []int64) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func TestWhatWasSavedIsThereAfterAStart(t *testing.T) {
	ctx := patient(t)
	dir := filepath.Join(t.TempDir(), "new", "dir")
	c, log := saved(dir, Queue("q", 10), Table{Name: "prio", Sampler: Prioritised(1)}, Table{Name: "gone"})
	ref, node := startedNode(t, c)
	w, err := NewWriter(ref, WriterConfig{})
	require.NoError(t, err)
	for i := range int64(8) {
		require.NoError(t, w.Append(number(i)))
		require.NoError(t, w.Item(ctx, "q", 1, 1))
		if i > 1 {
			require.NoError(t, w.Item(ctx, "prio", 3, float64(i%2)))
		}
	}
	require.NoError(t, w.Item(ctx, "gone", 1, 1))
	require.NoError(t, w.Close(ctx))
	_, err = Sample(ctx, ref, "q")
	require.NoError(t, err)
	before, err := Sample(ctx, ref, "prio")
	require.NoError(t, err)
	require.NoError(t, SendInfo(ctx, ref, "weights"))
	require.NoError(t, HandOff[int]{ref, "job"}.Put(ctx, 7))
	done, err := Checkpoint(ctx, ref)
	require.NoError(t, err)
	require.Equal(t, uint64(1), done.Number)
	require.Positive(t, done.Bytes)
	old, err := Info(ctx, ref)
	require.NoError(t, err)
	require.NoError(t, node.Stop(ctx)) // which saves too

	c.Tables = c.Tables[:2]
	ref = started(t, c)
	require.Contains(t, log.String(), "table=gone")
	now, err := Info(ctx, ref)
	require.NoError(t, err)
	require.Equal(t, old.Tables[:2], now.Tables)
	require.Equal(t, uint64(2), now.Checkpoint.Number)
	for i := range int64(7) {
		it, err := Sample(ctx, ref, "q")
		require.NoError(t, err)
		require.Equal(t, []int64{i + 1}, numbers(t, it))
	}
	n, err := UpdatePriorities(ctx, ref, "prio", []uint64{before.Key}, []float64{1e9})
	require.NoError(t, err)
	require.Equal(t, 1, n, "keys are what they were")
	after, err := Sample(ctx, ref, "prio")
	require.NoError(t, err)
	require.Equal(t, before.Key, after.Key)
	require.Equal(t, numbers(t, before), numbers(t, after))
	require.Equal(t, before.Times+1, after.Times)
	weights, err := GetInfo[string](ctx, ref)
	require.NoError(t, err)
	require.Equal(t, "weights", weights)
	job, err := HandOff[int]{ref, "job"}.Take(ctx)
	require.NoError(t, err)
	require.Equal(t, 7, job)
}

func TestTablesMayHaveBecomeSmaller(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 3000))
	require.NoError(t, n.Stop(t.Context()))
	c.Tables[0].MaxItems = 10
	n = alone(t, c)
	require.Equal(t, count(2990, 3000), content(t, n, "t"))
	require.Equal(t, 10, n.state.store.Len())
	require.NoError(t, n.Stop(t.Context()))
}

// Whatever byte is another, or wherever the file ends: the one before it is used, and the log says so.
func TestDamagedCheckpointsAreNotUsed(t *testing.T) {
	dir := t.TempDir()
	c, log := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	for i := range int64(2) {
		require.NoError(t, put(n, "t", 10*i, 10*i+10))
		_, err := n.Checkpoint(t.Context())
		require.NoError(t, err)
	}
	crash(n)
	first, second := n.state.saver.path(1), n.state.saver.path(2)
	good, err := os.ReadFile(second)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(8, 8))
	for i := range 150 {
		bad := bytes.Clone(good)
		switch i % 3 {
		case 0:
			bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		case 1:
			bad = bad[:r.IntN(len(bad))]
		case 2:
			bad = append(bad, byte(r.IntN(256)))
		}
		require.NoError(t, os.WriteFile(second, bad, 0o600))
		log.Reset()
		restored := alone(t, c)
		crash(restored)
		require.Equal(t, count(0, 10), content(t, restored, "t"), "damage %d", i)
		require.Contains(t, log.String(), "a checkpoint is damaged; the one before it is tried")
		require.FileExists(t, second+damaged)
		require.Equal(t, uint64(3), restored.state.saver.next)
	}
	require.NoError(t, os.WriteFile(first, good[:20], 0o600))
	require.ErrorIs(t, NewNode(c).Start(t.Context()), errDamaged, "nothing is begun anew over what may be mended")
	require.NoError(t, os.WriteFile(second, good, 0o600))
	require.Equal(t, count(0, 20), restored(t, c, "t"))
}

func TestOldCheckpointsGo(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir)
	c.Checkpoints.Keep = 3
	n := alone(t, c)
	require.NoError(t, os.WriteFile(filepath.Join(dir, prefix+"0000000000000009"+half), []byte("x"), 0o600))
	for range 5 {
		_, err := n.Checkpoint(t.Context())
		require.NoError(t, err)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{lockName, ownerName, "checkpoint-0000000000000003", "checkpoint-0000000000000004", "checkpoint-0000000000000005"}, names)
}

func TestDirectoriesOfOthersAreRefused(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"files of others": func(dir string) error { return os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600) },
		"another node's":  func(dir string) error { return os.WriteFile(filepath.Join(dir, ownerName), []byte("theirs"), 0o600) },
		"no directory":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "../file"), nil, 0o600) },
		"another's checkpoint": func(dir string) error {
			p := newState(Config{}, nil).picture()
			_, err := p.write(context.Background(), filepath.Join(dir, prefix+"0000000000000009"), owner{"", "other/3"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			c, _ := saved(dir)
			if name == "another's checkpoint" {
				require.NoError(t, alone(t, c).Stop(t.Context()))
			}
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, prepare(dir))
			if name == "no directory" {
				c.Checkpoints.Dir = filepath.Join(dir, "../file")
			}
			before, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.ErrorIs(t, NewNode(c).Start(t.Context()), ErrDirectory)
			after, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, after, len(before), "nothing is touched")
		})
	}
}

func TestCheckpointsComeAtIntervals(t *testing.T) {
	c, _ := saved(t.TempDir(), Queue("q", 9))
	c.Checkpoints.Every = 5 * time.Millisecond
	ref := started(t, c)
	require.Eventually(t, func() bool {
		info, err := Info(t.Context(), ref)
		return err == nil && info.Checkpoint.Number > 3
	}, patience, time.Millisecond)
}

// asking is a logger's handler that asks the node how saving goes.
type asking struct {
	slog.Handler
	v    *saver
	held int
}

func (a *asking) Handle(context.Context, slog.Record) error {
	if !a.v.mu.TryLock() {
		a.held++
		return nil
	}
	a.v.mu.Unlock()
	return nil
}

// Logs and disks may be slow: nobody who asks for the node's state waits for them.
func TestSavingHoldsNothingWhileItLogs(t *testing.T) {
	c, log := saved(t.TempDir(), Table{Name: "t"})
	n := alone(t, c)
	v := n.state.saver
	a := &asking{Handler: slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}), v: v}
	v.logger = slog.New(a)
	_, err := n.Checkpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(v.path(2)+half, 0o700))
	_, err = n.Checkpoint(t.Context())
	require.Error(t, err)
	require.Zero(t, a.held)
}

// begun is a context that had not ended when saving began.
type begun struct{ context.Context }

func (begun) Done() <-chan struct{} { return nil }

// A checkpoint in whose course the node stops has not failed: the last one follows.
func TestStoppingWhileSavingIsNoFailure(t *testing.T) {
	c, log := saved(t.TempDir(), Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 10))
	stopping, stop := context.WithCancelCause(t.Context())
	stop(errLast)
	_, err := n.state.saver.save(begun{stopping}, n.state)
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, log.String(), "could not save")
	require.Zero(t, n.state.saver.info().Failures)
	require.NoError(t, n.Stop(t.Context()))
	require.Equal(t, count(0, 10), restored(t, c, "t"))
}

func TestCheckpointsThatFailLeaveWhatThereWas(t *testing.T) {
	dir := t.TempDir()
	c, log := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 10))
	_, err := n.Checkpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(n.state.saver.path(2)+half, 0o700)) // where the file would be written
	_, err = n.Checkpoint(t.Context())
	require.Error(t, err)
	require.Contains(t, log.String(), "could not save a checkpoint; what was saved before is as it was")
	info, err := n.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), info.Checkpoint.Number)
	require.Equal(t, 1, info.Checkpoint.Failures)
	require.NotEmpty(t, info.Checkpoint.Failure)
	require.NoError(t, os.Remove(n.state.saver.path(2)+half))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = n.Checkpoint(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, put(n, "t", 10, 20), "the node goes on")
	crash(n)
	require.Equal(t, count(0, 10), restored(t, c, "t"))

	_, err = alone(t, Config{}).Checkpoint(t.Context())
	require.ErrorIs(t, err, ErrRequest)
}

const saverVariable = "TRANSMIT_TEST_SAVES_IN"

// saveForEver is a process that inserts numbers and saves them, and says up to where, until it is killed.
func saveForEver(dir string) {
	c, _ := saved(dir, Table{Name: "t"})
	n := NewNode(c)
	err := n.Start(context.Background())
	next := int64(0)
	if err == nil {
		next = int64(n.state.tables["t"].Len())
	}
	for err == nil {
		if err = put(n, "t", next, next+500); err == nil {
			next += 500
			_, err = n.Checkpoint(context.Background())
		}
		if err == nil {
			_, err = fmt.Println("saved", next)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// A process that is killed while it saves has lost at most what came since the last good checkpoint.
func TestKilledWhileSaving(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(6, 6))
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), saverVariable+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		told, lines := int64(0), bufio.NewScanner(out)
		for range 2 + r.IntN(8) {
			require.True(t, lines.Scan())
			_, err := fmt.Sscanf(lines.Text(), "saved %d", &told)
			require.NoError(t, err, lines.Text())
		}
		for range r.IntN(2000) { // some way into the next
			_, _ = os.Stat(dir)
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // what it said before it was killed
			if _, err := fmt.Sscanf(lines.Text(), "saved %d", &told); err != nil {
				require.True(t, strings.HasPrefix("saved ", lines.Text()), lines.Text())
			}
		}
		require.Error(t, cmd.Wait())
		c, log := saved(dir, Table{Name: "t"})
		got := restored(t, c, "t")
		require.Equal(t, count(0, int64(len(got))), got)
		require.GreaterOrEqual(t, int64(len(got)), told, "round %d", round)
		require.LessOrEqual(t, int64(len(got)), told+500)
		require.NotContains(t, log.String(), "damaged", "a file that was not complete has no name")
	}
}

// savedNow is what the newest checkpoint of a node that goes on has of a table.
func savedNow(t testing.TB, c Config, v *saver, table string) []int64 {
	s := newState(c, c.Logger)
	require.NoError(t, s.load(t.Context(), v.path(v.info().Number), v.whose))
	return content(t, &Node{state: s}, table)
}

// Taking a picture takes no longer the more there is, and what is saved is what was there at that moment.
func TestSavingHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t", MaxItems: 6_000})
	n := alone(t, c)
	const step = 2000
	for i := int64(0); i < 6_000; i += step {
		require.NoError(t, put(n, "t", i, i+step))
	}
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for i := int64(6_000); err == nil && !closed(stop); i += step {
			err = put(n, "t", i, i+step)
		}
		stopped <- err
	}()
	for range 3 {
		_, err := n.Checkpoint(t.Context())
		require.NoError(t, err)
		got := savedNow(t, c, n.state.saver, "t")
		require.Len(t, got, 6_000)
		require.Zero(t, got[0]%step)
		require.Equal(t, count(got[0], got[0]+6_000), got)
	}
	close(stop)
	require.NoError(t, <-stopped)
}

func FuzzReadBlocks(f *testing.F) {
	dir := f.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(f, c)
	require.NoError(f, put(n, "t", 0, 3))
	_, err := n.Checkpoint(f.Context())
	require.NoError(f, err)
	b, err := os.ReadFile(n.state.saver.path(1))
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newState(Config{Tables: c.Tables}, slog.New(slog.DiscardHandler))
		l := &loader{state: s}
		err := readBlocks(bytes.NewReader(b), l.field)
		if err == nil {
			err = l.finish()
		}
		if err == nil {
			require.LessOrEqual(t, s.tables["t"].Len(), len(b))
		}
	})
}

// Names that somebody has given by hand need not have as many digits as ours: the number says which is the newest.
func TestTheNewestIsFoundByItsNumber(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	for i := range int64(10) {
		require.NoError(t, put(n, "t", i, i+1))
		_, err := n.Checkpoint(t.Context())
		require.NoError(t, err)
	}
	crash(n)
	for number, name := range map[int]string{9: "checkpoint-9", 10: "checkpoint-10"} {
		require.NoError(t, os.Rename(filepath.Join(dir, fmt.Sprintf("checkpoint-%016d", number)), filepath.Join(dir, name)))
	}
	n = alone(t, c)
	require.Equal(t, count(0, 10), content(t, n, "t"))
	done, err := n.Checkpoint(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 11, done.Number)
	require.NoFileExists(t, filepath.Join(dir, "checkpoint-9"), "it was the oldest of three")
	require.FileExists(t, filepath.Join(dir, "checkpoint-10"))
}

// What was experienced may be nobody else's business.
func TestOnlyTheOwnerReadsCheckpoints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	_, err := n.Checkpoint(t.Context())
	require.NoError(t, err)
	for _, name := range []string{".", lockName, ownerName, "checkpoint-0000000000000001"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		if runtime.GOOS != "windows" { // which has no such modes
			require.Zero(t, info.Mode().Perm()&0o077, name)
		}
	}
}

// A run that ends while its node reads a large checkpoint does not wait for that, and lets go of the directory.
func TestAStartThatIsBrokenOff(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 10))
	require.NoError(t, n.Stop(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, NewNode(c).Start(ctx), context.Canceled)
	require.Equal(t, count(0, 10), restored(t, c, "t"))
}
