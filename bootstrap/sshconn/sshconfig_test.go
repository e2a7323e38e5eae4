package sshconn

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

// resolveIn resolves a target with one configuration file.
func resolveIn(t *testing.T, text string, to Target) (settings, error) {
	t.Helper()
	write := home(t)
	d, err := NewDialer(Config{ConfigFile: write("config", text)})
	if err != nil {
		return settings{}, err
	}
	defer d.Close()
	return d.resolve(to, false)
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name, config string
		to           Target
		user, host   string
		port         int
	}{
		{"nothing said", "", Target{Name: "a", User: "me"}, "me", "a", 22},
		{"first value wins", "Host a\n Port 1\nHost *\n Port 2\n User you\n", Target{Name: "a"}, "you", "a", 1},
		{"the target wins", "Host *\n Port 2\n User you\n", Target{Name: "a", User: "me", Port: 3}, "me", "a", 3},
		{"name and address", "Host a\n User wrong\nHost b\n User right\n", Target{Name: "a", Address: "b"}, "right", "b", 22},
		{"tokens", "Host a\n HostName %h.example.com\n User you", Target{Name: "a"}, "you", "a.example.com", 22},
		{"exactly one byte", "Host a?\n User wrong\nHost a\n User right\n", Target{Name: "a"}, "right", "a", 22},
		{"negation", "Host * !a\n User wrong\nHost *\n User right\n", Target{Name: "a"}, "right", "a", 22},
		{"tabs and equals", "host\ta\tb\n\tUser=you\n\tPort\t=\t7\n", Target{Name: "b"}, "you", "b", 7},
		{"match host sees HostName", "Host a\n HostName x.y\nMatch host *.y\n User you\n", Target{Name: "a"}, "you", "x.y", 22},
		{"match list", "Match originalhost b,a user me\n Port 9\n", Target{Name: "a", User: "me"}, "me", "a", 9},
		{"match negated", "Match !originalhost a\n Port 9\n", Target{Name: "a", User: "me"}, "me", "a", 22},
		{"match final", "Match final host *.y\n Port 9\nHost a\n HostName x.y\n", Target{Name: "a", User: "me"}, "me", "x.y", 9},
		{"match all", "Host b\n Port 1\nMatch all\n Port 9\n", Target{Name: "a", User: "me"}, "me", "a", 9},
		{"exec that cannot apply", "Match originalhost b exec \"x y\"\n Port 9\n", Target{Name: "a", User: "me"}, "me", "a", 22},
		{"no final newline", "Host a\n Port 9", Target{Name: "a", User: "me"}, "me", "a", 9},
		{"windows lines", "Host a\r\n Port 9\r\n", Target{Name: "a", User: "me"}, "me", "a", 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := resolveIn(t, c.config, c.to)
			require.NoError(t, err)
			require.Equal(t, []any{c.user, c.host, c.port}, []any{s.user, s.hostName, s.port})
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, c := range []struct {
		config string
		line   int
		text   string
	}{
		{"\nMatch exec \"true\"\n Port 1\n", 2, "exec of Match is not supported"},
		{"Match user\n", 1, "needs a value"},
		{"Match\n", 1, "needs a criterion"},
		{"ProxyCommand nc %h %p\n", 1, "use ProxyJump"},
		{"RevokedHostKeys /x\n", 1, "mark the keys with @revoked"},
		{"Port ssh\n", 1, "1 to 65535"},
		{"ConnectTimeout soon\n", 1, "number of seconds"},
		{"IdentityFile %Z\n", 1, "%Z is not supported"},
		{"IdentityFile ${NO_SUCH_NAME_AT_ALL}/x\n", 1, "the environment has no ${NO_SUCH_NAME_AT_ALL}"},
		{"ProxyJump @x\n", 1, "[user@]host[:port]"},
		{"Include config\n", 1, "more than 16 deep"},
		{"Include [\n", 1, "not a pattern for files"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := resolveIn(t, c.config, Target{Name: "a"})
			var config *ConfigError
			require.ErrorAs(t, err, &config)
			require.Equal(t, c.line, config.Line)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestIncludeIsConditional(t *testing.T) {
	write := home(t)
	write("inner", "User inner\nHost b\n Port 9\n")
	d := newDialer(t, Config{ConfigFile: write("config", "Host a\n Include inner\nHost *\n User outer\n Port 5\n")})
	for name, want := range map[string][]any{"a": {"inner", 5}, "b": {"outer", 5}} {
		s, err := d.resolve(Target{Name: name}, false)
		require.NoError(t, err)
		require.Equal(t, want, []any{s.user, s.port}, name)
	}
}

func TestResolveFiles(t *testing.T) {
	s, err := resolveIn(t, `
IdentityFile ~/k_%r_%h
IdentityFile "/with blank/%%"
UserKnownHostsFile ~/kh1 "/k h2"
GlobalKnownHostsFile none
ConnectTimeout 3
AddressFamily inet6
HostKeyAlias Alias
`, Target{Name: "a", User: "me"})
	require.NoError(t, err)
	h := os.Getenv("HOME")
	require.Equal(t, []string{filepath.Join(h, "k_me_a"), "/with blank/%"}, s.identities)
	require.Equal(t, []string{filepath.Join(h, "kh1"), "/k h2"}, s.knownHosts)
	require.Equal(t, 3*time.Second, s.timeout)
	require.Equal(t, "tcp6", s.network)
	require.Equal(t, []string{"Alias:22"}, names(s))
}

func TestHops(t *testing.T) {
	write := home(t)
	d := newDialer(t, Config{ConfigFile: write("config", `
Host a
 ProxyJump me@b:7,c
Host b
 ProxyJump ssh://d:9
Host c
 ProxyJump never
Host x
 ProxyJump y
Host y
 ProxyJump x
Host *
 ProxyJump gate
`)})
	for name, want := range map[string][]string{"a": {"gate:22", "d:9", "b:7", "c:22", "a:22"}, "gate": {"gate:22"}} {
		hops, err := d.hops(Target{Name: name})
		require.NoError(t, err)
		var got []string
		for _, h := range hops {
			got = append(got, h.addr())
		}
		require.Equal(t, want, got)
	}
	_, err := d.hops(Target{Name: "x"})
	require.ErrorContains(t, err, "without end")
}

func TestBackoff(t *testing.T) {
	require.Equal(t, 25*time.Millisecond, backoff(1, 0))
	require.Equal(t, 200*time.Millisecond, backoff(3, 0.5))
	require.Equal(t, 1500*time.Millisecond, backoff(1000, 1))
}

func TestNewDialerRefuses(t *testing.T) {
	home(t)
	for _, cfg := range []Config{{ConfigFile: "/none/at/all"}, {KnownHosts: []string{"/none/at/all"}}, {Identities: []string{"/none/at/all"}}} {
		_, err := NewDialer(cfg)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// FuzzConfig holds that no configuration brings the reader to a stop or a panic.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{"Host a\n Port 1\n", "Match all\n User x", "= x\n", " =\n", "Host !\n", "Host\n", "match\t=all\r\n", "a\"b\" # c\n", "\x00\n", "\r\r\n=", "Include x\n", "ProxyJump a,b:1,[::1]:2\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "config")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		l := local{user: "u", home: t.TempDir(), hostname: "h"}
		files, err := readConfigs(path, l)
		if err != nil {
			return
		}
		d := &Dialer{files: files, local: l}
		if s, err := d.resolve(Target{Name: "a"}, false); err == nil {
			require.Positive(t, s.port)
		}
	})
}

// FuzzKnownHosts holds that a good line stays good among whatever else is in the file, unless the rest speaks of the same host.
func FuzzKnownHosts(f *testing.F) {
	key := sshtest.NewKey(f, filepath.Join(f.TempDir(), "key")).PublicKey()
	good := "fuzz.example.com " + string(ssh.MarshalAuthorizedKey(key))
	for _, s := range []string{"", "# x\n", "old 1024 35 1\n", "|1|a|b ssh-ed25519 AAAA\n", "@revoked x\n", "[a]:b:c " + string(ssh.MarshalAuthorizedKey(key)), "! ssh-rsa\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, other []byte) {
		path := filepath.Join(t.TempDir(), "known_hosts")
		require.NoError(t, os.WriteFile(path, append(bytes.TrimRight(other, "\n"), "\n"+good...), 0o600))
		c, err := Config{}.validate()
		require.NoError(t, err)
		k, err := readKnownHosts([]string{path}, c.Logger)
		if err != nil {
			return
		}
		if bytes.ContainsAny(other, "@") {
			return
		}
		require.NoError(t, k.verify(settings{hostName: "fuzz.example.com", port: 22}, key))
	})
}
