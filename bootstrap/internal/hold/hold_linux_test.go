package hold

import (
	"os"
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
	} {
		got, err := ParseOrders(o.String())
		require.NoError(t, err)
		require.Equal(t, o, got)
	}
	for _, bad := range []string{"", "init", "agent", "init/namespace/8000/1", "init/both/8000/1/worker", "init/reaper/0/1/worker", "init/reaper/x/1/worker",
		"init/reaper/1/-1/worker", "init/reaper/1/1/", "init/reaper/1/1/worker/more", "init/reaper/99999999999999999999/1/worker"} {
		_, err := ParseOrders(bad)
		require.ErrorIs(t, err, errOrders, bad)
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
