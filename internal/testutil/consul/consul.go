// Package consultest starts real Consul servers for tests.
//
// A [Server] is one process with its data in the test's temporary folder. It
// can be stopped and started again on the same ports, with its data or
// without, and it is gone when the test ends, also when the test process is
// killed (on Linux). What Consul logged is shown when the test fails.
package consultest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/output"
)

// Options of a server. The zero value is good.
type Options struct {
	// Bind is the IP address to listen on; empty means 127.0.0.1.
	Bind string
	// ACL turns access control on, with everything denied by default;
	// [Server.Token] may do everything.
	ACL bool
	// Binary is the Consul to run; empty means [Binary].
	Binary string
}

// Server is a Consul server.
type Server struct {
	// Address is the host:port of its HTTP interface, the same after a restart.
	Address string
	// Token may do everything; empty without ACLs.
	Token string

	binary string
	node   string // its name, which no other server has
	config string // file
	data   string // folder
	logs   output.Buffer

	mu      sync.Mutex
	process *os.Process
	exited  chan struct{}
}

// managementToken is the same in every server: it protects nothing.
const managementToken = "f3a1f5a0-6d3c-4a54-9d0c-8f7a2f6f1c11"

// startTimeout is enough for a leader on a busy machine.
const startTimeout = 60 * time.Second

// Binary returns the Consul for tests: $TLAUNCH_CONSUL, or consul-1.20.1 in
// the folder tlaunch-test of the user's cache.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("TLAUNCH_CONSUL")
	if path == "" {
		cache, err := os.UserCacheDir()
		require.NoError(t, err)
		path = filepath.Join(cache, "tlaunch-test", "consul-1.20.1")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no Consul for tests: %v: run `make consul`, or set TLAUNCH_CONSUL to a binary", err)
	}
	return path
}

// Start starts a server, waits until it has a leader, and stops it when the
// test ends.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Bind == "" {
		opts.Bind = "127.0.0.1"
	}
	if opts.Binary == "" {
		opts.Binary = Binary(t)
	}
	dir := t.TempDir()
	s := &Server{binary: opts.Binary, node: "test-" + strings.ToLower(rand.Text()), config: filepath.Join(dir, "config.json"), data: filepath.Join(dir, "data")}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("Consul at %s logged:\n%s", s.Address, s.logs.String())
		}
	})
	for range 5 { // somebody may take a port between our look and Consul's
		s.configure(t, opts)
		if s.run(t) {
			return s
		}
	}
	t.Fatalf("Consul ended at its start:\n%s", s.logs.String())
	return nil
}

func (s *Server) configure(t testing.TB, opts Options) {
	ports := freePorts(t, opts.Bind, 3)
	s.Address = net.JoinHostPort(opts.Bind, strconv.Itoa(ports[0]))
	config := map[string]any{
		"server": true, "bootstrap_expect": 1, "node_name": s.node, "datacenter": "dc1",
		"bind_addr": opts.Bind, "client_addr": opts.Bind, "data_dir": s.data, "log_level": "INFO",
		"disable_update_check": true, "enable_debug": false, "session_ttl_min": "1s",
		"leave_on_terminate": false, "performance": map[string]any{"raft_multiplier": 1},
		"connect": map[string]any{"enabled": false},
		"ports": map[string]int{
			"http": ports[0], "server": ports[1], "serf_lan": ports[2],
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
		},
	}
	if opts.ACL {
		s.Token = managementToken
		config["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny",
			"tokens": map[string]string{"initial_management": s.Token, "agent": s.Token},
		}
	}
	content, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.config, content, 0o600))
}

// run starts the process and waits for its leader. It reports whether there is one: the process ends where a port is taken.
func (s *Server) run(t testing.TB) bool {
	t.Helper()
	cmd := exec.Command(s.binary, "agent", "-config-file", s.config)
	cmd.Stdout, cmd.Stderr = &s.logs, &s.logs
	cmd.SysProcAttr = dieWithParent()
	exited := make(chan struct{})
	started := make(chan error)
	go func() { // ends with the process, which Stop ends and waits for
		defer close(exited)
		// The kernel kills the child when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // killed: its status says nothing
		}
	}()
	require.NoError(t, <-started)
	s.mu.Lock()
	s.process, s.exited = cmd.Process, exited
	s.mu.Unlock()
	return s.awaitLeader(t, exited)
}

func (s *Server) awaitLeader(t testing.TB, exited <-chan struct{}) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := s.Client(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// The catalog shows the node once the leader is fully at work. Where the port is that of another test's server, it shows that one's.
		nodes, _, err := client.Catalog().Nodes(new(api.QueryOptions).WithContext(ctx))
		if err == nil && len(nodes) > 0 && nodes[0].Node == s.node {
			return true
		}
		select {
		case <-exited:
			return false
		case <-ctx.Done():
			t.Fatalf("Consul has no leader after %v (%v):\n%s", startTimeout, err, s.logs.String())
		case <-tick.C:
		}
	}
}

// Stop kills the server, as a crash would. Stopping one that does not run
// does nothing.
func (s *Server) Stop() {
	s.mu.Lock()
	process, exited := s.process, s.exited
	s.process = nil
	s.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Kill() // it may have ended by itself
	<-exited
}

// Restart stops the server if it runs and starts it again on the same ports,
// with its data or with none.
func (s *Server) Restart(t testing.TB, empty bool) {
	t.Helper()
	s.Stop()
	if empty {
		require.NoError(t, os.RemoveAll(s.data))
	}
	for late := time.Now().Add(startTimeout); !s.run(t); {
		if time.Now().After(late) {
			t.Fatalf("Consul ended at its start:\n%s", s.logs.String())
		}
		time.Sleep(time.Second) // until whoever took a port meanwhile has let go of it
	}
}

// Client returns a client with the token that may do everything. Its
// connections are closed when the test ends.
func (s *Server) Client(t testing.TB) *api.Client {
	t.Helper()
	cfg := api.DefaultNonPooledConfig()
	cfg.Address, cfg.Token = s.Address, s.Token
	client, err := api.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(cfg.Transport.CloseIdleConnections)
	return client
}

// NewToken creates a token with the rules of one policy and returns its
// secret. The server must have ACLs.
func (s *Server) NewToken(t testing.TB, name, rules string) string {
	t.Helper()
	acl := s.Client(t).ACL()
	_, _, err := acl.PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	require.NoError(t, err)
	token, _, err := acl.TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: name}}}, nil)
	require.NoError(t, err)
	return token.SecretID
}

// freePorts returns ports on which nothing listened a moment ago, neither
// over TCP nor over UDP.
func freePorts(t testing.TB, host string, n int) []int {
	t.Helper()
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		require.Less(t, tries, 20*n, "no free ports on %s", host)
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		require.NoError(t, err)
		defer l.Close()
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			continue
		}
		defer p.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
