package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

// testTTL is short, so that tests of what takes a TTL are, and as long as a busy machine may keep from renewing what is alive.
const testTTL = 5 * time.Second

// openConsul returns a registry that is closed when the test ends.
func openConsul(t *testing.T, settings ConsulSettings, log *slog.Logger) *Consul {
	t.Helper()
	c, err := NewConsul(ConsulConfig{Settings: settings, TTL: testTTL, Logger: log, Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Logf("close: %v", err) // some tests end without a Consul to close at
		}
	})
	return c
}

func TestConsulUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	c := openConsul(t, ConsulSettings{Address: address}, nil)
	ctx := t.Context()
	err = c.Check(ctx, "r1")
	require.ErrorIs(t, err, ErrRegistryUnreachable)
	require.ErrorContains(t, err, address)
	require.ErrorContains(t, err, "CONSUL_HTTP_ADDR")
	require.ErrorIs(t, c.Register(ctx, member("h", 1)), ErrRegistryUnreachable)
	_, err = c.Members(ctx, "r1")
	require.ErrorIs(t, err, ErrRegistryUnreachable, "nothing is known yet")
	var ends []error
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for members, err := range c.Watch(ctx, "r1") { // silent until the context ends
		require.Nil(t, members)
		ends = append(ends, err)
	}
	require.Len(t, ends, 1)
	require.ErrorIs(t, ends[0], context.DeadlineExceeded)
}

// clearConsulEnv keeps the developer's own settings out of the test.
func clearConsulEnv(t *testing.T) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CONSUL_") {
			t.Setenv(name, "")
		}
	}
}

func TestConsulSettingsFromEnv(t *testing.T) {
	clearConsulEnv(t)
	s, err := ConsulSettingsFromEnv()
	require.NoError(t, err)
	require.Equal(t, ConsulSettings{Address: "localhost:8500"}, s)

	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for name, value := range map[string]string{
		"CONSUL_HTTP_ADDR": "consul.example:8501", "CONSUL_HTTP_TOKEN": "from the variable",
		"CONSUL_HTTP_TOKEN_FILE": file("token", "from the file\n"), "CONSUL_HTTP_AUTH": "me:pass:word",
		"CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_SSL_VERIFY": "false", "CONSUL_TLS_SERVER_NAME": "server.dc1.consul",
		"CONSUL_CACERT": file("ca", "CA"), "CONSUL_CLIENT_CERT": file("cert", "CERT"), "CONSUL_CLIENT_KEY": file("key", "KEY"),
		"CONSUL_NAMESPACE": "ns", "CONSUL_PARTITION": "part",
	} {
		t.Setenv(name, value)
	}
	want := ConsulSettings{
		Address: "consul.example:8501", Token: "from the file", TLS: true, ServerName: "server.dc1.consul",
		CA: []byte("CA"), Cert: []byte("CERT"), Key: []byte("KEY"), InsecureSkipVerify: true,
		Namespace: "ns", Partition: "part", User: "me", Password: "pass:word",
	}
	s, err = ConsulSettingsFromEnv()
	require.NoError(t, err)
	require.Equal(t, want, s)

	sent, err := cbor.Marshal(s)
	require.NoError(t, err)
	var got ConsulSettings
	require.NoError(t, cbor.Unmarshal(sent, &got))
	require.Equal(t, want, got)

	for _, printed := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s), s.LogValue().String()} {
		require.NotContains(t, printed, "from the file")
		require.NotContains(t, printed, "pass:word")
		require.NotContains(t, printed, "KEY")
	}
}

func TestConsulSettingsErrors(t *testing.T) {
	for name, value := range map[string]string{
		"CONSUL_HTTP_SSL": "perhaps", "CONSUL_HTTP_SSL_VERIFY": "perhaps", "CONSUL_HTTP_TOKEN_FILE": "/does/not/exist",
		"CONSUL_CACERT": "/does/not/exist", "CONSUL_CAPATH": "/does/not/exist",
	} {
		t.Run(name, func(t *testing.T) {
			clearConsulEnv(t)
			t.Setenv(name, value)
			_, err := ConsulSettingsFromEnv()
			require.ErrorContains(t, err, name)
		})
	}
	for name, cfg := range map[string]ConsulConfig{
		"negative TTL":  {TTL: -1},
		"short TTL":     {TTL: time.Millisecond},
		"no PEM":        {Settings: ConsulSettings{Address: "a:1", CA: []byte("x")}},
		"no key":        {Settings: ConsulSettings{Address: "a:1", Cert: []byte("x")}},
		"unknown shape": {Settings: ConsulSettings{Address: "ftp://a:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewConsul(cfg)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
}

func TestConsulPolicyIsNarrowedToTheRun(t *testing.T) {
	all, one := ConsulPolicy(""), ConsulPolicy("r1")
	require.Contains(t, all, `service_prefix "tlaunch-"`)
	require.Contains(t, all, `key_prefix "tlaunch/"`)
	require.Contains(t, one, `service "tlaunch-r1"`)
	require.Contains(t, one, `key_prefix "tlaunch/r1/"`)
	require.NotContains(t, one, `"tlaunch-"`)
	require.NotContains(t, one, `"tlaunch/"`)
}

func TestBackoff(t *testing.T) {
	require.Equal(t, 50*time.Millisecond, backoff(1, 0))
	require.Equal(t, 100*time.Millisecond, backoff(1, 1))
	require.Equal(t, 400*time.Millisecond, backoff(3, 1))
	require.Equal(t, backoffMost, backoff(7, 1))
	last := time.Duration(0)
	for failures := range 1000 {
		d := backoff(failures, 1)
		require.GreaterOrEqual(t, d, last)
		require.Positive(t, backoff(failures, 0))
		last = d
	}
	require.Equal(t, backoffMost, last)
	require.InDelta(t, float64(time.Second), float64(spread(time.Second, 0.99)), float64(100*time.Millisecond))
}

func TestNextIndex(t *testing.T) {
	require.Equal(t, uint64(9), nextIndex(5, 9))
	require.Equal(t, uint64(5), nextIndex(5, 5))
	require.Zero(t, nextIndex(5, 4), "state replaced")
	require.Zero(t, nextIndex(5, 0))
}
