//go:build linux && hosts

package clustertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

const (
	// runPatience bounds what a launcher may take for a whole run on a busy machine.
	runPatience = 2 * time.Minute
	// gonePatience bounds how long something may be left on a host after the launcher has ended: nothing is meant to be, but for what a busy machine is late with.
	gonePatience = 10 * time.Second
	// consulPatience bounds how long a Consul server may show what was before: a busy agent was seen to tell it of a change only with what it does each minute.
	consulPatience = 80 * time.Second
)

// cluster is a net of hosts and the file that names them.
type site struct {
	*hosts.Net
	t         testing.TB
	inventory string
}

// up brings hosts up that have [testprog] already, as after a launch: few tests are about how it gets there, which takes a launch most of its time.
func up(t testing.TB, n int, opts ...hosts.Option) *site {
	t.Helper()
	c, program := upCold(t, n, opts...), testprog(t)
	shipped.once.Do(func() { shipped.sum = digest(t, program) })
	for _, h := range c.Hosts {
		cache := filepath.Join(h.Home, ".cache/tlaunch")
		require.NoError(t, os.MkdirAll(cache, 0o700))
		require.NoError(t, os.Chmod(cache, 0o700|os.ModeSticky))
		if file := filepath.Join(cache, shipped.sum); os.Link(program, file) != nil { // another file system
			require.NoError(t, exec.Command("install", "-m", "700", program, file).Run())
		}
	}
	return c
}

// shipped is the digest of testprog.
var shipped struct {
	once sync.Once
	sum  string
}

// upCold brings hosts up on which nothing was ever launched.
func upCold(t testing.TB, n int, opts ...hosts.Option) *site {
	t.Helper()
	made := hosts.Up(t, n, opts...)
	return &site{Net: made, t: t, inventory: made.Inventory(t)}
}

// digest is the SHA-256 of a file, by which hosts keep it.
func digest(t testing.TB, path string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, path)))
	return hex.EncodeToString(sum[:])
}

// write puts text into a file of the test and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func overwrite(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// launcher is a process that launches, as a user's would.
type launcher struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// ssh are the flags that launch over SSH on the site's hosts.
func (c *site) ssh() []string {
	return []string{"-launch", "ssh", "-hosts", c.inventory, "-ssh-config", c.Config}
}

// start starts a command that launches. Its environment is a home of its own, a PATH without go, so that no launcher builds anything, and env.
func start(t testing.TB, env []string, path string, args ...string) *launcher {
	t.Helper()
	l := &launcher{t: t, cmd: exec.Command(path, args...), out: newOutput(), done: make(chan struct{})}
	l.cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + t.TempDir(), "USER=tester"}, env...)
	l.cmd.Stdout, l.cmd.Stderr = l.out, l.out
	l.run()
	return l
}

// run starts the process, and ends it with the test.
func (l *launcher) run() {
	l.t.Helper()
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() { // ends with the process, which Cleanup ends and waits for
		defer close(l.done)
		runtime.LockOSThread() // Pdeathsig means the thread that started it
		defer runtime.UnlockOSThread()
		err := l.cmd.Start()
		started <- err
		if err == nil {
			_ = l.cmd.Wait() // its status is kept in ProcessState
		}
	}()
	require.NoError(l.t, <-started)
	l.t.Cleanup(func() {
		_ = l.cmd.Process.Kill() // it has ended where all went well
		<-l.done
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s", strings.Join(l.cmd.Args, " "), l.out)
		}
	})
}

// launch runs a command to its end.
func launch(t testing.TB, env []string, path string, args ...string) result {
	t.Helper()
	return start(t, env, path, args...).wait()
}

// result is how a launcher ended: its exit status, or 128 + n where a signal ended it, and all it printed.
type result struct {
	status int
	out    string
}

func (l *launcher) wait() result {
	l.t.Helper()
	return l.waitWithin(runPatience)
}

func (l *launcher) waitWithin(patience time.Duration) result {
	l.t.Helper()
	select {
	case <-l.done:
	case <-time.After(patience):
		require.NoError(l.t, l.cmd.Process.Signal(syscall.SIGQUIT)) // it says where it stands
		<-l.done
		l.t.Fatalf("%s had not ended after %v", strings.Join(l.cmd.Args, " "), patience)
	}
	ws := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{status: ws.ExitStatus(), out: l.out.String()}
	if ws.Signaled() {
		r.status = 128 + int(ws.Signal())
	}
	require.NotContains(l.t, r.out, "DATA RACE")
	return r
}

// await waits until the launcher has printed all of the texts; one that is given twice, twice.
func (l *launcher) await(texts ...string) {
	l.t.Helper()
	want := map[string]int{}
	for _, s := range texts {
		want[s]++
	}
	late := time.After(runPatience)
	for {
		changed, have := l.out.now()
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Count(have, s) < want[s] }) {
			return
		}
		select {
		case <-changed:
		case <-l.done:
			if l.out.String() != have {
				continue
			}
			l.t.Fatalf("it ended (%v) and did not print %q", l.cmd.ProcessState, texts)
		case <-late:
			l.t.Fatalf("it did not print %q within %v", texts, runPatience)
		}
	}
}

func (l *launcher) signal(s syscall.Signal) {
	l.t.Helper()
	require.NoError(l.t, l.cmd.Process.Signal(s))
}

// signalUntil sends a signal again and again, since two that come close together count as one, until text is printed.
func (l *launcher) signalUntil(s syscall.Signal, text string) {
	l.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range int(runPatience / (100 * time.Millisecond)) {
		l.signal(s)
		<-tick.C
		if strings.Contains(l.out.String(), text) {
			return
		}
	}
	l.t.Fatalf("it did not print %q", text)
}

// output is what a process printed; readers may wait for more.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed with the next write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) now() (<-chan struct{}, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed, o.buf.String()
}

func (o *output) String() string {
	_, s := o.now()
	return s
}

// requireClean asserts that nothing of a run is left on the hosts: no process, no work folder.
func (c *site) requireClean(t testing.TB) {
	t.Helper()
	c.requireCleanWithin(t, gonePatience)
}

func (c *site) requireCleanWithin(t testing.TB, patience time.Duration) {
	t.Helper()
	eventually(t, patience, func() []string { return c.left() })
}

// eventually waits until list returns nothing, and fails with what it returns after patience.
func eventually(t testing.TB, patience time.Duration, list func() []string) {
	t.Helper()
	late := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for found := list(); len(found) > 0; found = list() {
		if time.Now().After(late) {
			t.Fatalf("after %v there is still:\n%s", patience, strings.Join(found, "\n"))
		}
		<-tick.C
	}
}

// ofRun are the processes on a host that are not sshd's: a run's, where there is one.
func ofRun(h *hosts.Host) []hosts.Process { return slices.DeleteFunc(h.Processes(), isSSHD) }

func isSSHD(p hosts.Process) bool { return strings.HasPrefix(strings.Join(p.Args, " "), "sshd") }

// killSessions kills the processes of sshd that serve logins on a host; what they have started lives on.
func killSessions(h *hosts.Host) {
	for _, p := range h.Processes() {
		if isSSHD(p) {
			_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may have ended with the one before
		}
	}
}

// killSSHD kills a host's sshd and all its sessions.
func killSSHD(h *hosts.Host) {
	h.StopSSHD()
	killSessions(h)
}

// workerOf is the process among those of a run on a host in which its nodes live: of those that run the shipped executable the last in the row of parents.
func workerOf(t testing.TB, h *hosts.Host, of []hosts.Process) hosts.Process {
	t.Helper()
	parents := map[int]bool{}
	own := slices.DeleteFunc(slices.Clone(of), func(p hosts.Process) bool {
		return len(p.Args) == 0 || !strings.Contains(p.Args[0], "/.cache/tlaunch/")
	})
	for _, p := range own {
		parents[p.PPID] = true
	}
	i := slices.IndexFunc(own, func(p hosts.Process) bool { return !parents[p.PID] })
	require.GreaterOrEqual(t, i, 0, "no worker on %s", h.Name)
	return own[i]
}

// killRun kills a run's processes on a host, agent first, so that nobody there is left to tidy up.
func killRun(t testing.TB, h *hosts.Host) {
	t.Helper()
	found := ofRun(h)
	require.NotEmpty(t, found)
	parents := map[int]int{}
	for _, p := range found {
		parents[p.PID] = p.PPID
	}
	above := func(p hosts.Process) (n int) { // how many of them are: numbers of processes begin anew now and then, and say nothing
		for pid, ok := p.PPID, true; ok; n++ {
			pid, ok = parents[pid]
		}
		return n
	}
	slices.SortStableFunc(found, func(a, b hosts.Process) int { return above(a) - above(b) })
	for _, p := range found {
		_ = syscall.Kill(p.PID, syscall.SIGKILL) // the worker dies with its agent
	}
}

// left describes the processes and work folders on the hosts.
func (c *site) left() (found []string) {
	for _, h := range c.Hosts {
		for _, p := range h.Processes() {
			found = append(found, h.Name+": "+described(p))
		}
		for _, dir := range workFolders(h) {
			found = append(found, h.Name+": folder "+dir)
		}
	}
	return found
}

// described says which process this is, what it is for, and in which state, as /proc tells it.
func described(p hosts.Process) string {
	role, state := "", "gone"
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID)) // a process that has ended has none
	for _, v := range strings.Split(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(v, "TLAUNCH_HOST="); ok {
			role = value
		}
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID)); err == nil {
		state = string(stat[bytes.LastIndexByte(stat, ')')+2:][:1])
	}
	return fmt.Sprintf("process %d of %d (%s, state %s) %s", p.PID, p.PPID, role, state, strings.Join(p.Args, " "))
}

// workFolders are the folders of runs on a host, wherever it may have made them.
func workFolders(h *hosts.Host) (found []string) {
	root := filepath.Dir(filepath.Dir(h.Home))
	for _, pattern := range []string{"home/*/.cache/tlaunch/runs/*", "tmp/tlaunch*", "tmp/tlaunch*/runs/*", "vartmp/tlaunch*/runs/*"} {
		match, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			panic(err) // the patterns are constants
		}
		found = append(found, match...)
	}
	return found
}
