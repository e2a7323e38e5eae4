//go:build linux && hosts

package clustertest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
)

// What is wrong with program, flags or inventory is found before any host is reached.
func TestBadInputReachesNobody(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	denying := consultest.Start(t, consultest.Options{Bind: c.Gateway.String(), ACL: true})
	broken := write(t, "broken", "host1 10.77.0.1\nhost2 10.77.0.2 slots=many\n")
	twice := write(t, "twice", "host1 10.77.0.1\nhost1 10.77.0.2\n")
	for name, b := range map[string]struct {
		env    []string
		args   []string
		status int
		want   []string
	}{
		"no inventory":      {args: []string{"fate", "-launch", "ssh"}, status: 2, want: []string{"needs an inventory", "-hosts FILE"}},
		"no such inventory": {args: []string{"fate", "-launch", "ssh", "-hosts", "/nowhere/hosts"}, status: 2, want: []string{"/nowhere/hosts"}},
		"a bad line":        {args: []string{"fate", "-launch", "ssh", "-hosts", broken}, status: 2, want: []string{broken + ":2:", "slots"}},
		"two hosts of one name": {
			args: []string{"fate", "-launch", "ssh", "-hosts", twice}, status: 2, want: []string{twice + ":2:", "host1"}},
		"unknown host":  {args: append([]string{"fate", "-where", "host9"}, c.ssh()...), status: 2, want: []string{"guest/0", `no host "host9"`, "host1, host2"}},
		"unknown group": {args: append([]string{"fate", "-where", "@gpu"}, c.ssh()...), status: 2, want: []string{"guest/0", `group "gpu"`}},
		"a configuration that cannot be encoded": {
			args: append([]string{"unsendable"}, c.ssh()...), status: 2, want: []string{"configuration", "Notify"}},
		"a bad range of ports": {args: append([]string{"fate", "-ports", "9-8"}, c.ssh()...), status: 2, want: []string{"9-8", "20000-20100"}},
		"a variable that is not there": {
			args: append([]string{"fate", "-env", "CLUSTERTEST_NOWHERE"}, c.ssh()...), status: 2, want: []string{"CLUSTERTEST_NOWHERE"}},
		"a folder that is not there": {
			args: append([]string{"fate", "-ship", "/nowhere/data"}, c.ssh()...), status: 2, want: []string{"/nowhere/data"}},
		"no Consul": {
			env:  []string{"CONSUL_HTTP_ADDR=" + c.Gateway.String() + ":1"},
			args: append([]string{"fate", "-registry", "consul"}, c.ssh()...), status: 3, want: []string{c.Gateway.String() + ":1", "CONSUL_HTTP_ADDR"}},
		"a token that may nothing": {
			env:  []string{"CONSUL_HTTP_ADDR=" + denying.Address},
			args: append([]string{"fate", "-registry", "consul"}, c.ssh()...), status: 3, want: []string{"CONSUL_HTTP_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := launch(t, b.env, testprog(t), b.args...)
			require.Equal(t, b.status, r.status)
			for _, s := range b.want {
				require.Contains(t, r.out, s)
			}
			for _, h := range c.Hosts {
				require.NotContains(t, h.SSHDLog(), "Accepted", "nobody was to be reached")
			}
		})
	}
}

// spoil gives all but the first of seven hosts a fault of its own, and adds an eighth that is not there, called ghost.
func (c *site) spoil() {
	t := c.t
	t.Helper()
	folder := func(i int) string { return filepath.Dir(filepath.Dir(c.Hosts[i].Home)) } // of the host's own files
	on := func(i int, name string, args ...string) {
		t.Helper()
		out, err := c.Hosts[i].Command(name, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	c.Hosts[1].StopSSHD()
	overwrite(t, filepath.Join(folder(2), "ssh/authorized_keys"), "")
	// The others' known_hosts says of host4 what is true of host1.
	known := read(t, c.KnownHosts)
	var swapped strings.Builder
	var first string
	for line := range strings.Lines(known) {
		names, key, _ := strings.Cut(line, " ")
		switch names {
		case c.Hosts[0].IP + ",host1":
			first = key
		case c.Hosts[3].IP + ",host4":
			line = names + " " + first
		}
		swapped.WriteString(line)
	}
	overwrite(t, c.KnownHosts, swapped.String())
	for _, dir := range []string{c.Hosts[4].Home, "/var/tmp", "/tmp"} {
		on(4, "mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", dir)
	}
	for _, dir := range []string{c.Hosts[5].Home, "/var/tmp", "/tmp"} {
		on(5, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir)
	}
	uname := filepath.Join(folder(6), "uname")
	overwrite(t, uname, "#!/bin/sh\ncase \"$*\" in *m*s*|*s*m*) echo Linux aarch64;; *m*) echo aarch64;; *) echo Linux;; esac\n")
	on(6, "chmod", "755", uname)
	on(6, "mount", "--bind", uname, "/usr/bin/uname")
	nobody := strings.TrimSuffix(c.Gateway.String(), "254") + "250"
	overwrite(t, c.inventory, read(t, c.inventory)+"ghost root@"+nobody+"\n")
	overwrite(t, c.Config, read(t, c.Config)+"  ConnectTimeout 5\n")

}

// Hosts that fail, each for a reason of its own, are reported together, one line each with a remedy.
func TestHostsThatFailAreReportedTogether(t *testing.T) {
	t.Parallel()
	c := upCold(t, 7)
	c.spoil()
	r := launch(t, nil, testprog(t), append([]string{"fate"}, c.ssh()...)...)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.out, "7 of 8 hosts failed")
	for host, want := range map[string][]string{
		"host2": {"nothing listens there", "check the port, and that sshd runs"},
		"host3": {"refused the login of root", "authorized_keys"},
		"host4": {"CHANGED", c.KnownHosts + ":4", "ssh-keygen -f"},
		"host5": {"no folder on the host", "programs cannot run there"},
		"host6": {"no folder on the host", "make room"},
		"host7": {"linux/arm64", "-binary"},
		"ghost": {"no route to it", "check the network"},
	} {
		line := lineWith(r.out, "host "+host+": ")
		for _, s := range want {
			require.Contains(t, line, s, "what is said of %s", host)
		}
	}
	require.Empty(t, lineWith(r.out, "host host1: "))
	c.requireClean(t)
}

// lineWith is the first line that holds all the texts, empty where there is none.
func lineWith(s string, texts ...string) string {
	for line := range strings.Lines(s) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return line
		}
	}
	return ""
}

func TestPortsInUse(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	fate := append([]string{"fate", "-how", "wait", "-ports", "21000-21000"}, c.ssh()...)
	l := start(t, nil, testprog(t), fate...)
	l.await("fate how=wait")
	r := launch(t, nil, testprog(t), fate...)
	require.Equal(t, 3, r.status)
	for _, host := range []string{"host1", "host2"} {
		require.Contains(t, lineWith(r.out, "host "+host+": "), "every port of 21000-21000 is in use")
	}
	l.signal(15)
	require.Equal(t, 143, l.wait().status)
	c.requireClean(t)
}

func TestMainWithoutInit(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	path := build(t, "internal/clustertest/noinit", raceEnabled)
	r := launch(t, nil, path, c.inventory, c.Config) // it takes 10 s to find out
	require.Equal(t, 3, r.status)
	for _, host := range []string{"host1", "host2"} {
		line := lineWith(r.out, "host "+host+": ")
		require.Contains(t, line, "main never called tlaunch.Init or tlaunch.Main")
		require.Contains(t, line, "call tlaunch.Init first thing in main")
	}
	c.requireClean(t)
}

func TestProgramsThatDiffer(t *testing.T) {
	t.Parallel()
	c := up(t, 2)
	r := launch(t, nil, testprog(t), append([]string{"different", "-env", programs.ExtraVariable + "=more"}, c.ssh()...)...)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.out, "node other/0: its initial value")
	require.NotContains(t, r.out, "same/0")
	c.requireClean(t)
}
