package hold

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		stat string
		want Process
		ok   bool
	}{
		{"12 (sh) S 3 4 5", Process{PID: 12, Parent: 3}, true},
		{"12 (a) R (b\n) Z 7 4", Process{PID: 12, Parent: 7, Zombie: true}, true},
		{"12 (sh) S", Process{}, false},
		{"12", Process{}, false},
		{"", Process{}, false},
		{")(", Process{}, false},
		{"x (sh) S 3 4", Process{}, false},
	} {
		got, ok := ParseStat([]byte(c.stat))
		require.Equal(t, c.ok, ok, c.stat)
		require.Equal(t, c.want, got, c.stat)
	}
	own, err := os.ReadFile("/proc/self/stat")
	require.NoError(t, err)
	p, ok := ParseStat(own)
	require.True(t, ok)
	require.Equal(t, Process{PID: os.Getpid(), Parent: os.Getppid()}, p)
}

func TestOrders(t *testing.T) {
	for _, o := range []Orders{
		{Namespace: true, Patience: 8 * time.Second, FirstPID: 4711, Worker: "worker"},
		{Patience: time.Millisecond, Worker: "w"},
		{Patience: time.Millisecond, Worker: "w", Alone: "GOMAXPROCS"},
	} {
		got, err := ParseOrders(o.String())
		require.NoError(t, err)
		require.Equal(t, o, got)
	}
	for _, bad := range []string{"", "init", "agent", "init/namespace/8000/1", "init/both/8000/1/worker", "init/reaper/0/1/worker", "init/reaper/x/1/worker",
		"init/reaper/1/-1/worker", "init/reaper/1/1/", "init/reaper/1/1/worker/", "init/reaper/1/1/worker/X/more", "init/reaper/99999999999999999999/1/worker"} {
		_, err := ParseOrders(bad)
		require.ErrorIs(t, err, errOrders, bad)
	}
}

func TestWorkerEnv(t *testing.T) {
	own := []string{"PATH=/bin", Variable + "=init/reaper/1/1/worker/X", "X=1", "XY=2", "X=3"}
	require.Equal(t, []string{"PATH=/bin", Variable + "=worker", "XY=2"}, workerEnv(own, Orders{Worker: "worker", Alone: "X"}))
	require.Equal(t, []string{"PATH=/bin", Variable + "=worker", "X=1", "XY=2", "X=3"}, workerEnv(own, Orders{Worker: "worker"}))
}

// What the package imports decides how much of the program and of the standard library is initialised before its init function: see its documentation.
func TestImports(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range file.Imports {
			require.Contains(t, []string{`"errors"`, `"os"`, `"strconv"`, `"syscall"`, `"time"`}, i.Path.Value, name)
		}
	}
}

func TestWords(t *testing.T) {
	for _, w := range []Word{
		{Kind: Started},
		{Kind: Failed, Step: StepMount, Errno: syscall.EPERM},
		{Kind: Ended, Status: 7 << 8, MaxRSS: 1 << 40},
		{Kind: Ended, Status: syscall.WaitStatus(syscall.SIGKILL)},
	} {
		got, err := ParseWord(w.Append(nil))
		require.NoError(t, err)
		require.Equal(t, w, got)
	}
	require.Equal(t, "mount /proc", StepMount.String())
	require.Equal(t, "step 77", Step(77).String())
}

func FuzzParseWord(f *testing.F) {
	f.Add(Word{Kind: Started}.Append(nil))
	f.Add(Word{Kind: Failed, Step: StepWorker, Errno: syscall.ENOENT}.Append(nil))
	f.Add(Word{Kind: Ended, Status: 9, MaxRSS: 1}.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := ParseWord(b)
		if err != nil {
			require.ErrorIs(t, err, ErrWord)
			return
		}
		again, err := ParseWord(w.Append(nil))
		require.NoError(t, err)
		require.Equal(t, w, again)
	})
}

func FuzzParseOrders(f *testing.F) {
	f.Add(Orders{Namespace: true, Patience: time.Second, FirstPID: 3, Worker: "worker"}.String())
	f.Add("init/reaper/1/1/worker")
	f.Add("init////")
	f.Add("init/namespace/1/1/worker/GOMAXPROCS")
	f.Fuzz(func(t *testing.T, value string) {
		o, err := ParseOrders(value)
		if err != nil {
			return
		}
		again, err := ParseOrders(o.String())
		require.NoError(t, err)
		require.Equal(t, o, again)
	})
}
