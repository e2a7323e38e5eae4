package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/record"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		orders string
		code   int
		signal string
		text   string
	}{
		{"exit 0", 0, "", "exit status 0"},
		{"exit 7", 7, "", "exit status 7"},
		{"panic a b", 2, "", "exit status 2"},
		{"kill-self", 137, "SIGKILL", "killed by SIGKILL"},
	} {
		t.Run(c.orders, func(t *testing.T) {
			t.Parallel()
			p, j := launchLocal(t, Config{}, c.orders)
			exit := await(t, p)
			require.Equal(t, c.code, exit.Code, "%v", exit)
			require.Equal(t, c.signal, exit.Signal)
			require.False(t, exit.Lost)
			require.NoError(t, exit.Err)
			require.Zero(t, exit.Left)
			require.Positive(t, exit.MaxRSS)
			require.Equal(t, c.text, exit.String())
			require.Equal(t, c.code == 0, exit.Success())
			if strings.HasPrefix(c.orders, "panic") {
				require.Contains(t, j.texts(Stderr), "panic: so it goes: a b")
			}
		})
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{Run: "run 1"}, "hello")
	succeeds(t, p)
	require.Equal(t, []string{"to stdout"}, j.texts(Stdout))
	require.Equal(t, []string{"to stderr, no newline"}, j.texts(Stderr))
	require.Equal(t, []string{"to log", "bad \xff bytes"}, j.texts(Log))
	require.Empty(t, j.texts(Agent))
	for i, r := range j.all() {
		require.EqualValues(t, i+1, r.Seq)
		require.Equal(t, time.UTC, r.Time.Location())
		require.WithinDuration(t, time.Now(), r.Time, time.Minute)
		require.Equal(t, "host1", r.Host)
		switch r.Text {
		case "to log":
			require.Equal(t, slog.LevelWarn, r.Level)
			require.Equal(t, []Attr{{"run", "run 1"}, {"g.node", "in a group"}, {"g.n", "1"}}, r.Attrs)
			require.Empty(t, r.Node)
		case "bad \xff bytes":
			require.Equal(t, "wörker-1", r.Node)
		}
	}
}

func TestManyLinesArriveInOrder(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 1000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			p, j := launchLocal(t, Config{}, fmt.Sprintf("lines %d", size))
			succeeds(t, p)
			all := j.all()
			require.Len(t, all, 10_000)
			want := " " + strings.Repeat("x", size)
			for i, r := range all {
				require.EqualValues(t, i+1, r.Seq)
				require.Equal(t, strconv.Itoa(i)+want, r.Text)
			}
		})
	}
}

func TestLastLinesBeforeKill(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "kill-self")
	exit := await(t, p)
	texts := j.texts(Stdout)
	require.Len(t, texts, 1001)
	require.Equal(t, "last words", texts[1000])
	require.Len(t, exit.Last, 20)
	require.Equal(t, "last words", exit.Last[19])
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	for _, size := range []int{record.MaxPiece - 1, record.MaxPiece, record.MaxPiece + 1, 1 << 20, MaxLine, MaxLine + 5} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			p, j := launchLocal(t, Config{LogRate: -1}, fmt.Sprintf("long %d", size))
			succeeds(t, p)
			texts := j.texts(Stdout)
			require.Len(t, texts, 2)
			require.Equal(t, "after", texts[1])
			if size <= MaxLine {
				require.Len(t, texts[0], size)
			} else {
				require.Len(t, texts[0], MaxLine+len(" [line cut: 5 more bytes]"))
				require.True(t, strings.HasSuffix(texts[0], "y [line cut: 5 more bytes]"))
			}
			logs := j.texts(Log)
			require.Len(t, logs, 1)
			require.Len(t, logs[0], min(size, 3<<20))
		})
	}
}

func TestStreamsFromLauncher(t *testing.T) {
	t.Parallel()
	p, _ := launchLocal(t, Config{}, "echo")
	data := bytes.Repeat([]byte("tlaunch!"), 10<<20/8)
	var g errgroup.Group
	for range 3 {
		g.Go(func() error {
			conn, err := p.Dial(t.Context())
			if err != nil {
				return err
			}
			var back bytes.Buffer
			read := make(chan error, 1)
			go func() {
				_, err := io.Copy(&back, conn)
				read <- err
			}()
			if _, err := conn.Write(data); err != nil {
				return err
			}
			if err := errors.Join(conn.Close(), <-read); err != nil {
				return err
			}
			if !bytes.Equal(data, back.Bytes()) {
				return fmt.Errorf("%d bytes came back", back.Len())
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	p.Terminate(0)
	require.Equal(t, "SIGKILL", await(t, p).Signal)
	_, err := p.Dial(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	_, err = p.Accept()
	require.ErrorIs(t, err, ErrClosed)
}

func TestStreamsFromWorker(t *testing.T) {
	t.Parallel()
	p, _ := launchLocal(t, Config{}, "call")
	conn, err := p.Accept()
	require.NoError(t, err)
	data, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.True(t, bytes.Equal(bytes.Repeat([]byte("0123456789"), 1<<20), data))
	succeeds(t, p)
}

func TestDialHonoursContext(t *testing.T) {
	t.Parallel()
	p, _ := launchLocal(t, Config{}, "echo")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Dial(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TLAUNCH_TEST_COPIED", "from here")
	t.Setenv("TLAUNCH_TEST_SECRET", "stays here")
	p, j := launchLocal(t, Config{Env: []string{"A=1", "B=x=y z", "EMPTY=", "TLAUNCH_TEST_COPIED"}}, "env")
	succeeds(t, p)
	want := append(talk.HostEnv(), "TLAUNCH_MARK=test/host1/1", "A=1", "B=x=y z", "EMPTY=", "TLAUNCH_TEST_COPIED=from here")
	require.ElementsMatch(t, want, j.texts(Stdout))
	require.Equal(t, []string{"true"}, j.texts(Stderr))

	given := []string{"GOMAXPROCS=3"} // what agent and init have themselves is another
	p, j = launchLocal(t, Config{Env: given}, "env")
	succeeds(t, p)
	require.ElementsMatch(t, append(talk.HostEnv(), "TLAUNCH_MARK=test/host1/1", given[0]), j.texts(Stdout))
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"lease":    {Lease: -1},
		"blink":    {Lease: 4},
		"parallel": {Parallel: -1},
		"hello":    {HelloTimeout: -1},
		"unset":    {Env: []string{"TLAUNCH_TEST_NOT_SET"}},
		"noname":   {Env: []string{"=x"}},
		"marker":   {Env: []string{talk.Marker + "=agent"}},
		"mark":     {Env: []string{talk.MarkVariable + "=a/b/1"}},
		"nul":      {Env: []string{"A=\x00"}},
		"ship":     {Ship: []string{"/nonexistent"}},
		"no dir":   {Ship: []string{"/dev/null"}},
		"binary":   {Binary: map[string]string{"": "/nonexistent"}},
	} {
		_, err := NewLauncher(cfg)
		require.Error(t, err, name)
	}
	t.Setenv(talk.Marker, talk.RoleAgent)
	_, err := NewLauncher(Config{})
	require.ErrorIs(t, err, ErrNoInit)
}

func TestProgramThatNeverEnters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arg, says string
		timeout   time.Duration
	}{
		{"never-exits", "status 0", patience},
		{"never-fails", "not defined", patience},
		{"never-hangs", "still ran after 2s", 2 * time.Second},
		{"never-closes", "still ran after 2s", 2 * time.Second},
	} {
		t.Run(c.arg, func(t *testing.T) {
			t.Parallel()
			_, _, err := tryLaunch(t, Config{Args: []string{c.arg}, HelloTimeout: c.timeout}, "hello")
			require.ErrorIs(t, err, ErrNoInit)
			var failed *HostError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "host1", failed.Host)
			require.Contains(t, err.Error(), c.says)
			require.Contains(t, failed.Remedy, "tlaunch.Init")
		})
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	_, _, err := tryLaunch(t, Config{}, string(make([]byte, MaxOrders+1)))
	require.ErrorContains(t, err, "orders of")
}

// A worker that ends before it has taken its orders holds nobody up, however many these are.
func TestWorkerEndsBeforeItsOrders(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1 << 20} {
		_, _, err := tryLaunch(t, Config{Args: []string{"worker-dies"}}, string(make([]byte, size)))
		require.ErrorIs(t, err, ErrNoInit)
		require.ErrorContains(t, err, "exit status 9")
	}
}

func TestLargestOrders(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{Lease: patience}, "size "+strings.Repeat(" ", MaxOrders-5))
	succeeds(t, p)
	require.Equal(t, []string{strconv.Itoa(MaxOrders)}, j.texts(Stdout))
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, orders string
		notice       time.Duration
		code         int
		signal       string
		least        time.Duration
	}{
		{"at once", "wait", 0, 137, "SIGKILL", 0},
		{"heeded", "wait", time.Minute, 3, "", 0},
		{"heeded, never kill", "wait", -1, 3, "", 0},
		{"ignored", "ignore", 300 * time.Millisecond, 137, "SIGKILL", 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, j := launchLocal(t, Config{}, c.orders)
			worker, agent, dir := j.ids(t)
			begin := time.Now()
			p.Terminate(c.notice)
			exit := await(t, p)
			require.Equal(t, c.code, exit.Code)
			require.Equal(t, c.signal, exit.Signal)
			require.GreaterOrEqual(t, time.Since(begin), c.least)
			if c.signal == "" { // who is killed may not have had its turn before
				require.Contains(t, j.texts(Stdout), "cause: "+ErrTerminated.Error())
			}
			require.False(t, alive(worker))
			require.False(t, alive(agent))
			require.NoDirExists(t, dir)
		})
	}
}

func TestStrictestTerminateHolds(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "ignore")
	j.ids(t)
	p.Terminate(-1)
	j.await(t, "cause:")
	p.Terminate(time.Hour)
	p.Terminate(0)
	p.Terminate(-1)
	require.Equal(t, "SIGKILL", await(t, p).Signal)
}

func TestDescendantsAreKilled(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "ignore")
	worker, _, dir := j.ids(t)
	pids := []int{worker, j.number(t, "child"), j.number(t, "grandchild")}
	p.Terminate(0)
	exit := await(t, p)
	require.Zero(t, exit.Left)
	for _, pid := range pids {
		require.False(t, alive(pid))
	}
	require.NoDirExists(t, dir)
}

// The launcher falls silent: the worker gets its notice, and nothing is left when that is over.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	told := filepath.Join(t.TempDir(), "told")
	p, j := launchLocal(t, Config{Lease: shortLease}, "ignore "+told)
	worker, agent, dir := j.ids(t)
	child, grandchild := j.number(t, "child"), j.number(t, "grandchild")
	p.cut(errors.New("the test cuts the link"))
	exit := await(t, p)
	require.True(t, exit.Lost)
	require.ErrorIs(t, exit.Err, ErrNoStatus)
	gone(t, shortLease+LeaseNotice+slack, worker, agent, child, grandchild)
	require.NoDirExists(t, dir)
	cause, err := os.ReadFile(told)
	require.NoError(t, err)
	require.Equal(t, ErrLeaseLost.Error(), string(cause))
}

// The agent is killed: the launcher knows that it does not know, and the worker dies with its agent.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "wait")
	worker, agent, dir := j.ids(t)
	kill(t, agent)
	exit := await(t, p)
	require.True(t, exit.Lost)
	require.Equal(t, -1, exit.Code)
	require.ErrorIs(t, exit.Err, ErrNoStatus)
	require.Contains(t, exit.String(), "no status")
	gone(t, slack, worker, agent)
	require.NoDirExists(t, dir)
}

func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "wait")
	worker, _, _ := j.ids(t)
	kill(t, worker)
	exit := await(t, p)
	require.Equal(t, "SIGKILL", exit.Signal)
	require.False(t, exit.Lost)
}

func TestHostGoesDown(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "wait")
	_, agent, _ := j.ids(t)
	require.NoError(t, syscall.Kill(agent, syscall.SIGTERM))
	require.Equal(t, 3, await(t, p).Code)
	require.Contains(t, j.texts(Agent), "the host's process got SIGTERM and stops")
}

func TestTwoRunsAreApart(t *testing.T) {
	t.Parallel()
	a, _ := launchLocal(t, Config{Run: "a"}, "wait")
	b, j := launchLocal(t, Config{Run: "b"}, "wait")
	worker, _, dir := j.ids(t)
	a.Terminate(0)
	await(t, a)
	require.True(t, alive(worker))
	require.DirExists(t, dir)
	b.Terminate(time.Minute)
	require.Equal(t, 3, await(t, b).Code)
}

func TestManyHostsAtOnce(t *testing.T) {
	t.Parallel()
	l, err := NewLauncher(Config{Run: "many", Parallel: 3})
	require.NoError(t, err)
	var g errgroup.Group
	var all [8]*Process
	for i, h := range inventory.Local(len(all)).Hosts {
		g.Go(func() (err error) {
			all[i], err = l.Start(t.Context(), h, []byte("wait"))
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.NoError(t, l.Close(t.Context()))
	for i, p := range all {
		require.Equal(t, fmt.Sprintf("host%d", i+1), p.Host().Name)
		require.Equal(t, "127.0.0.1", p.DataAddress())
		require.Equal(t, "SIGKILL", p.Exit().Signal)
	}
	_, err = l.Start(t.Context(), all[0].Host(), nil)
	require.ErrorIs(t, err, ErrClosed)
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	l, err := NewLauncher(Config{Args: []string{"never-hangs"}, HelloTimeout: time.Hour, Run: "cancel"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("changed my mind")
	l.cfg.Log = func(Record) { cancel(reason) } // the program's first line
	_, err = l.Start(ctx, inventory.Local(1).Hosts[0], nil)
	require.ErrorIs(t, err, reason)
	require.NoError(t, l.Close(t.Context()))
}

// Closing the launcher ends a start that is under way.
func TestCloseWhileStarting(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	l, err := NewLauncher(Config{Args: []string{"never-hangs"}, HelloTimeout: time.Hour, Log: func(Record) { close(running) }})
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := l.Start(context.Background(), inventory.Local(1).Hosts[0], nil)
		failed <- err
	}()
	<-running
	require.NoError(t, l.Close(t.Context()))
	require.ErrorIs(t, <-failed, ErrClosed)
	require.NoError(t, l.Close(t.Context()))
}

func TestUnwritableFoldersAreRemoved(t *testing.T) {
	t.Parallel()
	p, j := launchLocal(t, Config{}, "unwritable")
	dir := j.await(t, "ready")[2]
	await(t, p)
	require.NoDirExists(t, dir)
}
