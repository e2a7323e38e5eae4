//go:build linux && hosts

package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/tartrl/tlaunch-go/internal/testutil/sshtest"
)

func output(t *testing.T, c *ssh.Client, command string) string {
	t.Helper()
	s, err := c.NewSession()
	require.NoError(t, err)
	defer s.Close()
	out, err := s.CombinedOutput(command)
	require.NoError(t, err, string(out))
	return string(out)
}

func probe(t *testing.T, c *ssh.Client, hashes ...string) Platform {
	t.Helper()
	p, err := Probe(t.Context(), c, hashes...)
	require.NoError(t, err)
	return p
}

// only is p with some folders in place of its own, so that a test leaves nothing in /tmp.
func only(p Platform, dirs ...string) Platform {
	p.Dirs = dirs
	return p
}

func TestPutColdAndWarm(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	b := openBinary(t, hello)
	p := probe(t, c, b.SHA256)
	require.Equal(t, b.Platform(), p.String())
	require.Equal(t, s.Home, p.Home)
	require.Equal(t, "127.0.0.1", p.Addr.String())
	require.Equal(t, s.Home+"/.cache/tlaunch", p.Dirs[0])
	_, ok := p.Cached(b.SHA256)
	require.False(t, ok)

	var sent, total int64
	path, err := Put(t.Context(), c, p, b, func(s, of int64) { sent, total = s, of })
	require.NoError(t, err)
	require.Equal(t, p.Dirs[0]+"/"+b.SHA256, path)
	require.Equal(t, total, sent)
	require.Less(t, total, b.Size)
	require.Equal(t, "hello from linux\n", output(t, c, path))
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSticky|0o700, info.Mode())
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing else is left")

	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(-2*time.Hour)))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o700))
	p = probe(t, c, b.SHA256)
	again, err := Put(t.Context(), c, p, b, func(int64, int64) { t.Error("nothing is to be sent") })
	require.NoError(t, err)
	require.Equal(t, path, again)
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Less(t, time.Since(info.ModTime()), time.Hour, "it counts as used")
	info, err = os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSticky|0o700, info.Mode())
}

// meter counts what a connection writes.
type meter struct {
	net.Conn
	written atomic.Int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.written.Add(int64(len(p)))
	return m.Conn.Write(p)
}

func TestWarmStartSendsLittle(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	b := openBinary(t, hello)
	_, err := Put(t.Context(), s.Client(t), probe(t, s.Client(t)), b, nil)
	require.NoError(t, err)

	raw, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	m := &meter{Conn: raw}
	text, err := os.ReadFile(s.ClientKey)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(t, err)
	conn, chans, reqs, err := ssh.NewClientConn(m, s.Addr, &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(s.HostKey.PublicKey())})
	require.NoError(t, err)
	c := ssh.NewClient(conn, chans, reqs)
	defer c.Close()
	before := m.written.Load()
	p := probe(t, c, b.SHA256)
	_, err = Put(t.Context(), c, p, b, nil)
	require.NoError(t, err)
	require.Less(t, m.written.Load()-before, int64(1024))
}

// TestLoginShells has start files print and run before every command, as the shell of each kind reads them.
func TestLoginShells(t *testing.T) {
	noise := "echo noise; echo more noise >&2; printf 'no newline at the end'\n"
	for shell, rc := range map[string]string{"/bin/bash": ".bashrc", "/bin/dash": ".profile", "/usr/bin/zsh": ".zshenv", "/usr/bin/fish": ".config/fish/config.fish"} {
		t.Run(filepath.Base(shell), func(t *testing.T) {
			require.FileExists(t, shell, "install the Debian package "+filepath.Base(shell))
			s := sshtest.Start(t, sshtest.Options{Shell: shell, Env: []string{"BASH_ENV={home}/.bashrc"}})
			file := filepath.Join(s.Home, rc)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, []byte(noise), 0o600))
			c := s.Client(t)
			b := openBinary(t, hello)
			p := probe(t, c)
			path, err := Put(t.Context(), c, only(p, s.Home+"/it's $HOME/tlaunch"), b, nil)
			require.NoError(t, err)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			sum := sha256.Sum256(data)
			require.Equal(t, b.SHA256, hex.EncodeToString(sum[:]))
		})
	}
}

func TestNoShell(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Shell: "/bin/false"})
	_, err := Probe(t.Context(), s.Client(t))
	var script *ScriptError
	require.ErrorAs(t, err, &script)
	require.ErrorContains(t, err, "needs a POSIX sh")
	for _, endless := range []string{"yes", "cat /dev/zero", "cat /dev/zero >&2"} { // lines, a line, and beside the lines
		s = sshtest.Start(t, sshtest.Options{Config: []string{"ForceCommand " + endless}})
		_, err = Probe(t.Context(), s.Client(t))
		require.ErrorAs(t, err, &script)
		require.ErrorContains(t, err, "print without end")
	}
	s = sshtest.Start(t, sshtest.Options{Config: []string{"ForceCommand exec >&-; exec sleep 3"}}) // gives up its output and stays
	_, err = Probe(t.Context(), s.Client(t))
	require.ErrorAs(t, err, &script)
}

func mount(t *testing.T, dir, options string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
	require.NoError(t, err, "mounting needs root: %s", out)
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
}

func TestPutPassesOverBadFolders(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	b := openBinary(t, hello)
	in := func(name string) string { return filepath.Join(s.Home, name) }
	mount(t, in("noexec"), "noexec,mode=700")
	mount(t, in("full"), "size=64k,mode=700")
	require.NoError(t, os.WriteFile(in("file"), nil, 0o600))
	require.NoError(t, os.Mkdir(in("real"), 0o700))
	require.NoError(t, os.Symlink(in("real"), in("link")))
	require.NoError(t, os.Mkdir(in("foreign"), 0o777))
	require.NoError(t, os.Chown(in("foreign"), 12345, 12345))
	bad := []string{in("noexec"), in("full"), in("file"), in("link"), in("foreign")}

	_, err := Put(t.Context(), c, only(probe(t, c), bad...), b, nil)
	var space *SpaceError
	require.ErrorAs(t, err, &space)
	require.Equal(t, b.Size, space.Need)
	require.Len(t, space.Dirs, len(bad))
	for i, want := range []string{"programs cannot run there", "KiB free", "mkdir", "not a folder of this user alone", "not a folder of this user alone"} {
		require.Contains(t, space.Dirs[i], bad[i]+": ")
		require.Contains(t, space.Dirs[i], want)
	}

	path, err := Put(t.Context(), c, only(probe(t, c), append(bad, in("good"))...), b, nil)
	require.NoError(t, err)
	require.Equal(t, in("good/"+b.SHA256), path)
}

// A folder that looks good and fills up while it is written to is left, and the next one is taken.
func TestPutFolderFillsUp(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	b := openBinary(t, hello)
	full, good := filepath.Join(s.Home, "full"), filepath.Join(s.Home, "good")
	mount(t, full, fmt.Sprintf("size=%dk,mode=700", b.Size/1024+200))
	filled := false
	path, err := Put(t.Context(), c, only(probe(t, c), full, good), b, func(int64, int64) {
		if !filled {
			filled = true
			require.NoError(t, os.WriteFile(filepath.Join(full, "other"), make([]byte, 600<<10), 0o600))
		}
	})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(good, b.SHA256), path)
	files, err := filepath.Glob(full + "/.*")
	require.NoError(t, err)
	require.Empty(t, files)
}

// bare gives sessions a PATH with little more than POSIX asks for.
func bare(t *testing.T, without ...string) *sshtest.Server {
	t.Helper()
	return bareWith(t, nil, without...)
}

// bareWith is bare with some tools more.
func bareWith(t *testing.T, with []string, without ...string) *sshtest.Server {
	t.Helper()
	bin, err := os.MkdirTemp("", "bin")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(bin) })
	for _, tool := range append(slices.Clone(with), "sh", "id", "uname", "ls", "df", "wc", "find", "touch", "mkdir", "chmod", "rm", "mv", "cat", "grep", "sed", "gzip", "openssl", "sha256sum", "cksum", "tar") {
		if !slices.Contains(without, tool) {
			path := filepath.Join("/usr/bin", tool)
			require.FileExists(t, path)
			require.NoError(t, os.Symlink(path, filepath.Join(bin, tool)))
		}
	}
	return sshtest.Start(t, sshtest.Options{Env: []string{"PATH=" + bin}})
}

func TestPutWithoutTools(t *testing.T) {
	b := openBinary(t, hello)
	for _, without := range [][]string{nil, {"openssl"}, {"gzip"}, {"openssl", "sha256sum"}, {"openssl", "gzip", "sha256sum"}} {
		t.Run(fmt.Sprint(without), func(t *testing.T) {
			s := bare(t, without...)
			c := s.Client(t)
			path, err := Put(t.Context(), c, probe(t, c), b, nil)
			require.NoError(t, err)
			require.Equal(t, "hello from linux\n", output(t, c, path))

			lie := &blob{size: b.Size, sha256: b.SHA256, open: func() io.Reader { return bytes.NewReader(make([]byte, 1000)) }}
			u := upload{blob: lie, path: "lies"}
			_, err = u.put(t.Context(), c, []string{filepath.Join(s.Home, "lies")})
			require.ErrorIs(t, err, ErrCorrupt, "what has changed is not sent")
			require.NoDirExists(t, filepath.Join(s.Home, "lies"))

			other, err := newBlob(lie.open)
			require.NoError(t, err)
			gz, err := other.compressed()
			require.NoError(t, err)
			sum, err := b.blob.cksum()
			require.NoError(t, err)
			u.blob = &blob{size: b.Size, sha256: b.SHA256, open: lie.open}
			u.zip.once.Do(func() { u.zip.gz = gz })
			u.sum.once.Do(func() { u.sum.cksum = sum })
			_, err = u.put(t.Context(), c, []string{filepath.Join(s.Home, "lies")})
			require.ErrorIs(t, err, ErrCorrupt)
			files, err := os.ReadDir(filepath.Join(s.Home, "lies"))
			require.NoError(t, err)
			require.Empty(t, files)
		})
	}
}

// To a host that is near the content goes as it is, and is checked no less.
func TestPutNear(t *testing.T) {
	b := openBinary(t, hello)
	for _, without := range [][]string{nil, {"openssl"}, {"openssl", "sha256sum"}} {
		t.Run(fmt.Sprint(without), func(t *testing.T) {
			s := bare(t, without...)
			c := s.Client(t)
			p := probe(t, c)
			p.Near = true
			var total int64
			path, err := Put(t.Context(), c, p, b, func(_, of int64) { total = of })
			require.NoError(t, err)
			require.Equal(t, b.Size, total)
			require.Equal(t, "hello from linux\n", output(t, c, path))

			changed := &blob{size: b.Size, sha256: b.SHA256, open: func() io.Reader { return bytes.NewReader(make([]byte, b.Size)) }}
			u := upload{blob: changed, path: "lies", near: true}
			_, err = u.put(t.Context(), c, []string{filepath.Join(s.Home, "lies")})
			require.ErrorIs(t, err, ErrCorrupt)
			files, err := filepath.Glob(filepath.Join(s.Home, "lies", "*"))
			require.NoError(t, err)
			require.Empty(t, files)
		})
	}
}

func TestPutRefusesBeforeSending(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	p := probe(t, c)
	nothing := func(int64, int64) { t.Error("nothing is to be sent") }

	path, err := CrossBuild(t.Context(), "darwin", "arm64", "./testdata/hello", t.TempDir())
	require.NoError(t, err)
	_, err = Put(t.Context(), c, p, openBinary(t, path), nothing)
	var platform *PlatformError
	require.ErrorAs(t, err, &platform)
	require.Equal(t, PlatformError{Host: p.String(), Binary: "darwin/arm64", Path: path}, *platform)

	dynamic, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	b := openBinary(t, "/bin/true")
	require.NotEmpty(t, b.Interp)
	require.Contains(t, b.Libs, "libc.so.6")
	missing := []byte(b.Interp)
	copy(missing, "/nix")
	other := filepath.Join(t.TempDir(), "dynamic")
	require.NoError(t, os.WriteFile(other, bytes.Replace(dynamic, []byte(b.Interp), missing, 1), 0o700))
	_, err = Put(t.Context(), c, p, openBinary(t, other), nothing)
	var dyn *DynamicError
	require.ErrorAs(t, err, &dyn)
	require.Equal(t, []string{string(missing)}, dyn.Missing)

	require.NoError(t, os.WriteFile(other, bytes.ReplaceAll(dynamic, []byte("libc.so.6"), []byte("libq.so.6")), 0o700))
	_, err = Put(t.Context(), c, p, openBinary(t, other), nil)
	require.ErrorAs(t, err, &dyn)
	require.Contains(t, dyn.Missing[0], "libq.so.6")
	require.ErrorContains(t, err, "CGO_ENABLED=0")
}

func TestCacheIsBounded(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	dir := filepath.Join(s.Home, "cache")
	require.NoError(t, os.Mkdir(dir, 0o700))
	file := func(n int, name string, age time.Duration) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, n), 0o700))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
		return path
	}
	var old []string
	for i := range 7 {
		old = append(old, file(10, fmt.Sprintf("%064x", i), time.Duration(i+2)*time.Hour))
	}
	recent := []string{file(10, fmt.Sprintf("%064x", 100), 10*time.Minute), file(10, fmt.Sprintf("%064x", 101), 20*time.Minute)}
	part, foreign := file(10, ".part.1", 3*time.Hour), file(10, "notes", 30*time.Hour)
	path, err := Put(t.Context(), c, only(probe(t, c), dir), openBinary(t, hello), nil)
	require.NoError(t, err)
	for _, f := range append(recent, path, foreign, old[0], old[1]) {
		require.FileExists(t, f)
	}
	for _, f := range append(old[2:], part) {
		require.NoFileExists(t, f)
	}

	huge := file(0, fmt.Sprintf("%064x", 200), 90*time.Minute)
	require.NoError(t, os.Truncate(huge, 2<<30)) // a hole: it takes no room
	at := time.Now().Add(-90 * time.Minute)
	require.NoError(t, os.Chtimes(huge, at, at))
	require.NoError(t, os.Remove(path))
	_, err = Put(t.Context(), c, only(probe(t, c), dir), openBinary(t, hello), nil)
	require.NoError(t, err)
	require.NoFileExists(t, huge)
	for _, f := range recent {
		require.FileExists(t, f)
	}
}

func TestCancel(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := s.Client(t)
	b := openBinary(t, hello)
	ctx, cancel := context.WithCancel(t.Context())
	dir := filepath.Join(s.Home, "cache")
	_, err := Put(ctx, c, only(probe(t, c), dir), b, func(int64, int64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	_, err = Put(t.Context(), c, only(probe(t, c), dir), b, nil)
	require.NoError(t, err, "the connection is still good")

	fifo := filepath.Join(s.Home, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	silent := sshtest.Start(t, sshtest.Options{Config: []string{"ForceCommand exec sh -c 'read x <" + fifo + "'"}})
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Probe(ctx, silent.Client(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = w.WriteString("end\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

// What a start file leaves behind in the background keeps the session's output open; nobody waits for that.
func TestStartFileLeavesProcessBehind(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Shell: "/bin/bash", Env: []string{"BASH_ENV={home}/.bashrc"}})
	fifo := filepath.Join(s.Home, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	t.Cleanup(func() {
		w, err := os.OpenFile(fifo, os.O_RDWR, 0) // whoever waits for a writer reads the end of the file now
		require.NoError(t, err)
		require.NoError(t, w.Close())
	})
	require.NoError(t, os.WriteFile(filepath.Join(s.Home, ".bashrc"), []byte("{ read x <"+fifo+"; } &\n"), 0o600))
	c := s.Client(t)
	path, err := Put(t.Context(), c, only(probe(t, c), filepath.Join(s.Home, "cache")), openBinary(t, hello), nil)
	require.NoError(t, err)
	require.FileExists(t, path)
	d, err := OpenDir(tree(t, map[string]string{"a": "A"}))
	require.NoError(t, err)
	require.NoError(t, PutDir(t.Context(), c, only(probe(t, c), filepath.Join(s.Home, "cache")), d, s.Home+"/to", nil))
	require.FileExists(t, s.Home+"/to/a")
}
