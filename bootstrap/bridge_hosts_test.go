//go:build linux && hosts

package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/agent"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
	"github.com/tartrl/tlaunch-go/internal/testutil/output"
	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// notes are what a launcher has logged.
type notes struct{ output.Buffer }

func (n *notes) await(t *testing.T, text string, times int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(n.String(), text) >= times }, patience, 5*time.Millisecond, "%q in %s", text, n)
}

const (
	// longLease is for links whose end is noticed at once, and brokenLease for one that falls silent: a busy machine has time to log in again.
	longLease, brokenLease = patience, 15 * time.Second

	lostNote  = "is lost; reconnecting"
	backNote  = "is back"
	againNote = "it was lost again" // as soon as it was back
)

// bridgeable starts a process on host1 of a net with its launcher's notes.
func bridgeable(t *testing.T, n *hosts.Net, lease time.Duration, orders string) (*Process, *journal, *notes) {
	t.Helper()
	return bridgeableBy(t, n.Config, "host1", lease, orders)
}

// bridgeableBy starts a process on a host that the SSH configuration in a file names.
func bridgeableBy(t *testing.T, config, host string, lease time.Duration, orders string) (*Process, *journal, *notes) {
	t.Helper()
	said := new(notes)
	cfg := Config{
		Run: "far away", Lease: lease, SSH: &sshconn.Config{ConfigFile: config},
		Logger: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	p, j, err := launchRemote(t, cfg, inventory.Host{Name: host, Slots: 1}, orders)
	require.NoError(t, err)
	return p, j, said
}

// killSessions kills the processes of sshd that serve logins on h, as their names say. One that just ended, as the other half of a session
// does when the first is killed, is no matter.
func killSessions(t *testing.T, h *hosts.Host) {
	t.Helper()
	killed := 0
	for _, p := range h.Processes() {
		if strings.HasPrefix(strings.Join(p.Args, " "), "sshd") {
			err := syscall.Kill(p.PID, syscall.SIGKILL)
			if errors.Is(err, syscall.ESRCH) {
				continue
			}
			require.NoError(t, err)
			killed++
		}
	}
	require.Positive(t, killed)
}

// requireEmpty waits until nothing is left on h.
func requireEmpty(t *testing.T, h *hosts.Host, within time.Duration) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Empty(c, h.Processes()) }, within, 10*time.Millisecond)
}

// requireCounted asserts that the lines "0 …", "1 …" came, each once and in order, numbered without gaps, and returns how many.
func requireCounted(t *testing.T, j *journal) int {
	t.Helper()
	var seq uint64
	count := 0
	for _, r := range j.all() {
		if r.Seq > 0 {
			seq++
			require.Equal(t, seq, r.Seq)
		}
		if r.Stream == Stdout && r.Seq > 0 {
			var n int
			_, err := fmt.Sscanf(r.Text, "tick %d", &n)
			require.NoError(t, err, "%q", r.Text)
			require.Equal(t, count, n)
			count++
		}
	}
	return count
}

// The cable is pulled while lines flow, until the link counts as lost: all come, and so does the status.
func TestCutIsBridged(t *testing.T) {
	t.Parallel()
	for name, orders := range map[string]string{"some lines": "ticks 100", "a flood of lines": "ticks 10000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := hosts.Up(t, 1)
			p, j, said := bridgeable(t, n, brokenLease, orders)
			j.await(t, "tick 30")
			n.Hosts[0].Cut()
			said.await(t, lostNote, 1)
			n.Hosts[0].Heal()
			said.await(t, backNote, 1)
			j.await(t, "tick 300")
			p.Terminate(time.Minute)
			require.Equal(t, 3, await(t, p).Code, "%v", p.Exit())
			requireCounted(t, j)
			require.NotContains(t, said.String(), againNote)
			requireEmpty(t, n.Hosts[0], patience)
		})
	}
}

// The processes of sshd that carry a link are killed, those of the link that bridges it too: nothing is lost, and a process beside it is not touched.
func TestSessionKilledIsBridged(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, j, said := bridgeable(t, n, longLease, "ticks 10000")
	beside, journal, err := tryLaunch(t, Config{Run: "beside"}, "ticks 100")
	require.NoError(t, err)
	for i := range 5 {
		j.await(t, fmt.Sprintf("tick %d", 1000*i))
		killSessions(t, n.Hosts[0])
		said.await(t, backNote, i+1)
	}
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code, "%v", p.Exit())
	require.Greater(t, requireCounted(t, j), 4000)
	require.Equal(t, 5, strings.Count(said.String(), lostNote), said)
	beside.Terminate(time.Minute)
	require.Equal(t, 3, await(t, beside).Code)
	requireCounted(t, journal)
	requireEmpty(t, n.Hosts[0], patience)
}

// Streams of both sides go on over a new connection.
func TestStreamsAreBridged(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, _, said := bridgeable(t, n, longLease, "echo")
	conn, err := p.Dial(t.Context())
	require.NoError(t, err)
	data := bytes.Repeat([]byte("a lost link is bridged "), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		wrote <- err
	}()
	back := make([]byte, len(data))
	for i := range 4 { // in the middle of them
		part := len(data) / 4
		_, err := io.ReadFull(conn, back[i*part:(i+1)*part])
		require.NoError(t, err)
		killSessions(t, n.Hosts[0])
	}
	require.NoError(t, <-wrote)
	require.True(t, bytes.Equal(data, back))
	said.await(t, backNote, 1)
	p.Terminate(0)
	require.Equal(t, "SIGKILL", await(t, p).Signal, "%v", p.Exit())
	requireEmpty(t, n.Hosts[0], patience)
}

// The link is lost for good: sshd is gone. Everything has ended when the lease and its notice are over.
func TestNotBridged(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, j, said := bridgeable(t, n, DefaultLease, "ignore")
	j.await(t, "grandchild")
	n.Hosts[0].StopSSHD()
	before, begin := len(said.String()), time.Now()
	killSessions(t, n.Hosts[0])
	requireEmpty(t, n.Hosts[0], DefaultLease+LeaseNotice+slack)
	exit := await(t, p)
	require.Less(t, time.Since(begin), DefaultLease+LeaseNotice+slack)
	require.True(t, exit.Lost)
	require.ErrorIs(t, exit.Err, ErrNoStatus)
	require.Contains(t, said.String(), lostNote)
	require.NotContains(t, said.String()[before:], backNote)
}

// The host's process is killed while its link is lost: whoever gets there again learns that, and nobody waits for the lease.
func TestAgentEndsWhileTheLinkIsLost(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, j, _ := bridgeable(t, n, longLease, "wait")
	_, agent, dir := j.ids(t)
	n.Hosts[0].StopSSHD()
	killSessions(t, n.Hosts[0])
	kill(t, agent)
	n.Hosts[0].StartSSHD()
	exit := await(t, p)
	require.ErrorIs(t, exit.Err, errAgentGone)
	require.NoDirExists(t, dir)
	requireEmpty(t, n.Hosts[0], patience)
}

// Orders to end that are given while the link is lost arrive when it is back; an end is reported then too.
func TestEndWhileTheLinkIsLost(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, j, said := bridgeable(t, n, longLease, "ticks 100")
	j.await(t, "tick 10")
	n.Hosts[0].StopSSHD()
	killSessions(t, n.Hosts[0])
	said.await(t, lostNote, 1)
	p.Terminate(time.Minute)
	n.Hosts[0].StartSSHD()
	require.Equal(t, 3, await(t, p).Code, "%v", p.Exit())
	requireCounted(t, j)
	requireEmpty(t, n.Hosts[0], patience)
}

// Who comes to the door without the token, or as somebody else, is turned away, and the process goes on.
func TestDoorIsForTheLauncherOnly(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	h := n.Hosts[0]
	p, j, said := bridgeable(t, n, longLease, "ticks 100")
	require.NotEmpty(t, p.report.Bridge.Door)
	program := filepath.Join(filepath.Dir(h.Home), "program") // the one in root's cache is for root only
	// By another process: a child that this one starts meanwhile, for a test beside this one, would have it open for writing, and then nobody may run it.
	require.NoError(t, exec.Command("install", "-m", "755", p.report.Bridge.Program, program).Run())
	knock := func(wrap ...string) (int, []byte) {
		line := append(wrap, program)
		cmd := h.Command(line[0], line[1:]...)
		cmd.Env = []string{talk.Marker + "=" + talk.RoleAttach}
		var in bytes.Buffer
		require.NoError(t, talk.WriteMessage(&in, talk.FrameDoor, talk.DoorReport{Door: p.report.Bridge.Door}))
		in.Write(make([]byte, 100)) // a token of zeros
		cmd.Stdin = &in
		out, err := cmd.Output()
		var exited *exec.ExitError
		if err != nil {
			require.ErrorAs(t, err, &exited)
		}
		return cmd.ProcessState.ExitCode(), bytes.TrimPrefix(out, []byte(talk.Preamble))
	}
	status, answer := knock()
	require.Zero(t, status)
	require.Empty(t, answer)
	status, answer = knock("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	require.Equal(t, agent.ExitBroken, status)
	require.Empty(t, answer)
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code)
	requireCounted(t, j)
	require.NotContains(t, said.String(), lostNote)
}

// Connections are cut again and again, most of them while they are being opened.
func TestCutWhileReconnecting(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	m := newMeter(t, s.Addr)
	h, cfg := remote(t, s, m)
	said := new(notes)
	cfg.Logger, cfg.Lease = slog.New(slog.NewTextHandler(said, nil)), longLease
	p, j, err := launchRemote(t, cfg, h, "ticks 10000")
	require.NoError(t, err)
	j.await(t, "tick 1000")
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		m.cut()
		time.Sleep(time.Duration(rng.IntN(80)) * time.Millisecond) // the next one comes when it comes
	}
	m.cut()
	said.await(t, backNote, 1)
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code, "%v\n%s", p.Exit(), said)
	require.Greater(t, requireCounted(t, j), 1000)
	require.Empty(t, leftovers(t, s.Home))
}

// The jump host between is cut off for a while, and then its sessions are killed: the way to the host is opened anew, jump host included.
func TestJumpHostIsBridged(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 2)
	usual, err := os.ReadFile(n.Config)
	require.NoError(t, err)
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, append([]byte("Host host2\n\tProxyJump host1\n"), usual...), 0o600))
	p, j, said := bridgeableBy(t, config, "host2", brokenLease, "ticks 10000")
	j.await(t, "tick 3000")
	n.Hosts[0].Cut()
	said.await(t, lostNote, 1)
	n.Hosts[0].Heal()
	said.await(t, backNote, 1)
	killSessions(t, n.Hosts[0])
	said.await(t, backNote, 2)
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code, "%v", p.Exit())
	require.Greater(t, requireCounted(t, j), 3000)
	requireEmpty(t, n.Hosts[1], patience)
}

// A host's process that is stopped for a while is silent, and its link is not to blame: it goes on over whichever connection it hears first.
func TestStoppedAgentGoesOn(t *testing.T) {
	t.Parallel()
	n := hosts.Up(t, 1)
	p, j, said := bridgeable(t, n, brokenLease, "ticks 100")
	j.await(t, "tick 10")
	own := map[int]int{} // processes of the run, and their parents
	for _, q := range n.Hosts[0].Processes() {
		if strings.Contains(strings.Join(q.Args, " "), ".cache/tlaunch") {
			own[q.PID] = q.PPID
		}
	}
	agent := 0 // the one whose parent is none of them
	for pid, above := range own {
		if _, ok := own[above]; !ok {
			agent = pid
		}
	}
	require.NoError(t, syscall.Kill(agent, syscall.SIGSTOP))
	said.await(t, lostNote, 1)
	require.NoError(t, syscall.Kill(agent, syscall.SIGCONT))
	said.await(t, backNote, 1)
	j.await(t, "tick 100")
	p.Terminate(time.Minute)
	require.Equal(t, 3, await(t, p).Code, "%v", p.Exit())
	requireCounted(t, j)
	requireEmpty(t, n.Hosts[0], patience)
}
