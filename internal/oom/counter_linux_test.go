package oom

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiles(t *testing.T) {
	const (
		v2     = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1     = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
		hybrid = v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	)
	for name, c := range map[string]struct {
		cgroups, mounts string
		want            []string
	}{
		"version 2":            {"0::/user.slice/session-1.scope\n", v2, []string{"/sys/fs/cgroup/user.slice/session-1.scope/memory.events"}},
		"version 2, root":      {"0::/\n", v2, []string{"/sys/fs/cgroup/memory.events"}},
		"version 1":            {"4:memory:/a/b\n3:cpu,cpuacct:/\n", v1, []string{"/sys/fs/cgroup/memory/a/b/memory.oom_control"}},
		"both":                 {"4:memory:/a\n0::/b\n", hybrid, []string{"/sys/fs/cgroup/unified/b/memory.events", "/sys/fs/cgroup/memory/a/memory.oom_control"}},
		"only a part is shown": {"0::/pod/box/run\n", "29 23 0:26 /pod/box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", []string{"/sys/fs/cgroup/run/memory.events"}},
		"another part":         {"0::/pod/box\n", "29 23 0:26 /other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", nil},
		"not mounted":          {"0::/a\n", v1, nil},
		"nothing":              {"", "", nil},
		"nonsense":             {"a\nb:c\n", "x - y\n - cgroup2 a b\n", nil},
	} {
		second, first := memberships(c.cgroups)
		require.Equal(t, c.want, files(second, first, c.mounts), name)
	}
}

// A file counts where it has a count; the first of them does.
func TestFirstOf(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("oom_kill 1\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b"), []byte("oom_kill 2\n"), 0o600))
	read, found := firstOf("", below(dir, "", "a"), below(dir, "/none", "a"), below(dir, "/", "b"), below(dir, "/", "a"))
	require.True(t, found)
	n, ok := read()
	require.True(t, ok)
	require.Equal(t, uint64(2), n)
	read, found = firstOf("", dir)
	require.False(t, found)
	_, ok = read()
	require.False(t, ok)
}

func TestParseCount(t *testing.T) {
	for text, want := range map[string]uint64{
		"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n": 2,
		"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n":                7,
		"pgfault 1\noom_kill 18446744073709551615\n":                   1<<64 - 1,
	} {
		got, ok := parseCount([]byte(text))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "oom_kill\n", "oom_kill x\n", "oom_kill_disable 0\n", "oom_kill -1\n"} {
		_, ok := parseCount([]byte(text))
		require.False(t, ok, text)
	}
	_, ok := counter()()
	require.True(t, ok, "this machine counts")
}

func FuzzFiles(f *testing.F) {
	f.Add("0::/a\n4:memory:/b\n", "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Add("", "- - -")
	f.Fuzz(func(t *testing.T, cgroups, mounts string) {
		second, first := memberships(cgroups)
		for _, file := range files(second, first, mounts) {
			require.NotEmpty(t, file)
		}
	})
}
