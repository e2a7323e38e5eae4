package bootstrap

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// patience is how long tests wait for what comes soon on a machine that is not busy.
const patience = 2 * time.Minute

// shortLease is one that is to end: not while its process starts, on a busy machine neither.
const shortLease = 4 * time.Second

// slack is what a busy machine may add to a time that is promised.
const slack = 10 * time.Second

// The test binary is its own agent and worker. Arguments say how it behaves before Enter, orders what the worker does.
func TestMain(m *testing.M) {
	if _, host := os.LookupEnv(talk.Marker); host {
		beforeEnter()
	}
	if g, ok := Enter(); ok {
		work(g)
	}
	// Most of the time tests here wait. The command line may say something else.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	leak.Main(m)
}

func beforeEnter() {
	arg := ""
	if len(os.Args) > 1 {
		arg = os.Args[1]
	}
	switch arg {
	case "never-exits":
		os.Exit(0)
	case "never-fails":
		fmt.Fprintln(os.Stderr, "flag provided but not defined")
		os.Exit(2)
	case "never-closes":
		_ = os.Stdout.Close()
		select {}
	case "worker-dies":
		os.Exit(9)
	case "never-hangs":
		fmt.Println("hello from a program of its own")
		select {}
	}
}

// work is the worker of the tests; it does not return.
func work(g *Guest) {
	log := slog.New(g.Handler())
	verb, arg, _ := strings.Cut(string(g.Orders()), " ")
	switch verb {
	case "exit":
		code, _ := strconv.Atoi(arg)
		g.Exit(code)
	case "panic":
		panic("so it goes: " + arg)
	case "greet":
		fmt.Printf("hello %s, this is %s\n", arg, g.Host())
	case "hello":
		fmt.Println("to stdout")
		fmt.Fprint(os.Stderr, "to stderr, no newline")
		log.With("run", g.Run()).WithGroup("g").Warn("to log", NodeKey, "in a group", slog.Group("", slog.Int("n", 1)))
		log.With(NodeKey, "wörker-1").Info("bad \xff bytes")
	case "env":
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
		wd, _ := os.Getwd()
		fmt.Fprintln(os.Stderr, wd == g.Dir())
	case "files":
		_ = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				info, _ := d.Info()
				fmt.Println(info.Mode(), path)
			}
			return err
		})
	case "output":
		out, errs, other := g.Output("trainer/0", Stdout), g.Output("trainer/0", Stderr), g.Output("wörker", Stdout)
		_, _ = io.WriteString(out, "first\nno new")
		_, _ = io.WriteString(errs, "second\xff\n")
		_, _ = io.WriteString(other, strings.Repeat("x", 1<<20)+"\n")
		_, _ = io.WriteString(out, "line")
		for _, w := range []io.Closer{out, errs, other} {
			_ = w.Close()
		}
	case "size":
		fmt.Println(len(g.Orders()))
	case "lines":
		size, _ := strconv.Atoi(arg)
		text := strings.Repeat("x", size)
		for i := range 10_000 {
			fmt.Printf("%d %s\n", i, text)
		}
	case "long":
		size, _ := strconv.Atoi(arg)
		line := bytes.Repeat([]byte{'y'}, size)
		_, _ = os.Stdout.Write(append(line, "\nafter"...))
		log.Info(strings.Repeat("z", min(size, 3<<20)))
	case "kill-self":
		for i := range 1000 {
			fmt.Println("line", i)
		}
		fmt.Print("last words")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "term-self":
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {}
	case "eat": // as soon as somebody calls
		fmt.Println("ready", os.Getpid(), g.Dir())
		if in, err := g.Accept(); err == nil {
			_ = in.Close()
		}
		for all := [][]byte{}; ; {
			all = append(all, bytes.Repeat([]byte{1}, 16<<20))
			fmt.Println("eaten", len(all))
		}
	case "self":
		self, _ := os.Readlink("/proc/self")
		fmt.Println("self", os.Getpid(), self, os.Getppid())
	case "echo":
		for {
			in, err := g.Accept()
			if err != nil {
				g.Exit(0)
			}
			go func() {
				_, _ = io.Copy(in, in)
				_ = in.Close()
			}()
		}
	case "call":
		conn, err := g.Dial(context.Background())
		if err != nil {
			panic(err)
		}
		if _, err := conn.Write(bytes.Repeat([]byte("0123456789"), 1<<20)); err != nil {
			panic(err)
		}
		_ = conn.Close()
		_, _ = io.Copy(io.Discard, conn)
	case "wait":
		fmt.Println("ready", os.Getpid(), g.Dir())
		<-g.Context().Done()
		fmt.Println("cause:", context.Cause(g.Context()))
		g.Exit(3)
	case "ticks": // arg lines a second, until it is told to stop
		rate, _ := strconv.Atoi(arg)
		const beat = 10 * time.Millisecond
		every := time.NewTicker(beat)
		for n := 0; g.Context().Err() == nil; {
			<-every.C
			for range max(1, rate*int(beat)/int(time.Second)) {
				fmt.Println("tick", n)
				n++
			}
		}
		g.Exit(3)
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
		script := `echo child $$; (setsid sh -c 'echo grandchild $$; exec sleep 1000' &) ; exec sleep 1000`
		cmd := exec.Command("setsid", "sh", "-c", script)
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println("ready", os.Getpid(), g.Dir())
		<-g.Context().Done()
		fmt.Println("cause:", context.Cause(g.Context()))
		if arg != "" {
			_ = os.WriteFile(arg, []byte(context.Cause(g.Context()).Error()), 0o600)
		}
		select {}
	case "unwritable":
		_ = os.MkdirAll("a/b", 0o700)
		_ = os.WriteFile("a/b/c", nil, 0o400)
		_ = os.Chmod("a", 0o500)
		fmt.Println("ready", os.Getpid(), g.Dir())
	case "memory":
		fmt.Println("ready", os.Getpid(), g.Dir())
		<-g.Context().Done()
	}
	g.Exit(0)
}

// journal keeps what a host says and lets a test wait for a line.
type journal struct {
	mu      sync.Mutex
	records []Record
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) log(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) all() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.records)
}

func (j *journal) texts(s Stream) []string {
	var texts []string
	for _, r := range j.all() {
		if r.Stream == s {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

// await returns the fields of the first line that starts with prefix.
func (j *journal) await(t *testing.T, prefix string) []string {
	t.Helper()
	give := time.After(patience)
	for looked := 0; ; {
		j.mu.Lock()
		changed := j.changed
		for _, r := range j.records[looked:] {
			if strings.HasPrefix(r.Text, prefix) {
				j.mu.Unlock()
				return strings.Fields(r.Text)
			}
		}
		looked = len(j.records)
		j.mu.Unlock()
		select {
		case <-changed:
		case <-give:
			require.FailNow(t, "no line came", "prefix %q among %q", prefix, j.texts(Stdout))
		}
	}
}

// ids returns the process ids of worker and agent, as seen from here, and the work folder.
func (j *journal) ids(t *testing.T) (worker, agent int, dir string) {
	t.Helper()
	f := j.await(t, "ready")
	worker = outside(t, f[2], f[1])
	init := parent(t, worker)
	return worker, parent(t, init), f[2]
}

// number returns the process id that the host's line "what id" tells, as seen from here.
func (j *journal) number(t *testing.T, what string) int {
	t.Helper()
	return outside(t, j.await(t, "ready")[2], j.await(t, what)[1])
}

// outside returns our number of a process in a work folder, which may have a number of its own there.
func outside(t *testing.T, dir, inside string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, folder := range all {
		numbers := statusField(t, filepath.Base(folder), "NSpid:")
		if cwd, err := os.Readlink(filepath.Join(folder, "cwd")); err != nil || cwd != dir || len(numbers) == 0 || numbers[len(numbers)-1] != inside {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		require.NoError(t, err)
		return pid
	}
	require.FailNow(t, "no such process", "%s in %s", inside, dir)
	return 0
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	id, err := strconv.Atoi(statusField(t, strconv.Itoa(pid), "PPid:")[0])
	require.NoError(t, err)
	return id
}

// statusField returns the words of a line in /proc/PID/status; nil where there is no such process.
func statusField(t *testing.T, pid, name string) []string {
	t.Helper()
	status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	_, after, _ := bytes.Cut(status, []byte(name))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return strings.Fields(string(line))
}

// launchLocal starts one local process with the given orders.
func launchLocal(t *testing.T, cfg Config, orders string) (*Process, *journal) {
	t.Helper()
	p, j, err := tryLaunch(t, cfg, orders)
	require.NoError(t, err)
	return p, j
}

func tryLaunch(t *testing.T, cfg Config, orders string) (*Process, *journal, error) {
	t.Helper()
	j := newJournal()
	cfg.Log = j.log
	if cfg.Run == "" {
		cfg.Run = "test"
	}
	l, err := NewLauncher(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(context.Background())) })
	p, err := l.Start(t.Context(), inventory.Local(1).Hosts[0], []byte(orders))
	return p, j, err
}

func await(t *testing.T, p *Process) Exit {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		require.FailNow(t, "the process did not end")
	}
	return p.Exit()
}

func succeeds(t *testing.T, p *Process) {
	t.Helper()
	exit := await(t, p)
	require.True(t, exit.Success(), "%v, after %q", exit, exit.Last)
}

func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	return !bytes.Contains(stat, []byte(") Z "))
}

// gone waits until none of the processes lives.
func gone(t *testing.T, within time.Duration, pids ...int) {
	t.Helper()
	require.Eventually(t, func() bool { return !slices.ContainsFunc(pids, alive) }, within, 5*time.Millisecond, "%v live on", pids)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}
