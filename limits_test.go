package tlaunch

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestLimitsFlag(t *testing.T) {
	for text, want := range map[string]Limits{
		"files=4096":               {OpenFiles: 4096},
		"procs=2, memory=2GiB":     {GOMAXPROCS: 2, Memory: 2 << 30},
		"memory=268435456,core":    {Memory: 256 << 20, CoreDumps: true},
		"memory=524288KiB,files=0": {Memory: 512 << 20},
	} {
		var l Limits
		require.NoError(t, l.Set(text), text)
		require.Equal(t, want, l, text)
		var again Limits
		require.NoError(t, again.Set(l.String()), l.String())
		require.Equal(t, l, again)
	}
	for text, want := range map[string]string{
		"": "is no limit", "files": "is no limit", "files=x": "is no limit", "files=-1": "is no limit", "core=1": "is no limit", "threads=3": "is no limit",
		"memory=1PiB": "is no limit", "memory=9999999999TiB": "is no limit", "memory=1MiB": "at least 256 MiB", "files=3": "at least 64", "files=99999999999": "is no limit",
	} {
		var l Limits
		require.ErrorContains(t, l.Set(text), want, text)
	}
	l := Limits{OpenFiles: 100, CoreDumps: true}
	require.NoError(t, l.Set("procs=3"))
	require.Equal(t, Limits{OpenFiles: 100, GOMAXPROCS: 3, CoreDumps: true}, l, "flags add up")
	require.Equal(t, Limits{OpenFiles: 200, GOMAXPROCS: 3, Memory: 1 << 30, CoreDumps: true}, Limits{OpenFiles: 200, Memory: 1 << 30}.over(l))
}

func FuzzLimits(f *testing.F) {
	f.Add("files=4096,procs=2,memory=2GiB,core")
	f.Add("memory=9223372036854775807TiB")
	f.Fuzz(func(t *testing.T, text string) {
		var l, again Limits
		if l.Set(text) != nil || l == (Limits{}) {
			return
		}
		require.NoError(t, again.Set(l.String()))
		require.Equal(t, l, again)
	})
}

// limited tells of the limits of its process.
type limited struct{}

// limitsSeen are the limits of a process as it sees them itself.
type limitsSeen struct {
	System     map[string]string // by the name in /proc: soft and hard
	GOMAXPROCS int
	GoMemory   int64
}

func (*limited) See(context.Context) (limitsSeen, error) {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return limitsSeen{}, err
	}
	seen := limitsSeen{System: map[string]string{}, GOMAXPROCS: runtime.GOMAXPROCS(0), GoMemory: debug.SetMemoryLimit(-1)}
	for line := range strings.Lines(string(text)) {
		if len(line) > 26 {
			seen.System[strings.TrimSpace(line[:26])] = strings.Join(strings.Fields(line[26:])[:2], " ")
		}
	}
	return seen, nil
}

type limitsConfig struct{ Own Limits }

var limitsProgram = Define("test-limits", func(p *Program, cfg limitsConfig) error {
	Add(p, "limited", &limited{}, On("host1"))
	show := Command{Path: "sh", Args: []string{"-c", `echo "$(ulimit -n) $(ulimit -S -c) $(ulimit -d) ${GOMAXPROCS-} ${GOMEMLIMIT-}"; sleep 1000`}, Limits: cfg.Own}
	AddCommand(p, "show", show, On("host1"))
	return nil
}, LocalHosts(1))

func TestProcessLimits(t *testing.T) {
	t.Parallel()
	see := func(t *testing.T, cfg limitsConfig, opts ...Option) (limitsSeen, string) {
		said := newNotes()
		run := launched(t, limitsProgram, cfg, append(opts, said.option())...)
		ref, err := Find[*limited](run, "limited", 0)
		require.NoError(t, err)
		seen, err := actor.Call0(within(t), ref, (*limited).See)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(said.lines("show/0", bootstrap.Stdout)) > 0 }, patience, patience/10000)
		require.NoError(t, run.Stop(within(t)))
		return seen, said.lines("show/0", bootstrap.Stdout)[0]
	}
	t.Run("none", func(t *testing.T) {
		seen, command := see(t, limitsConfig{}, procs)
		require.Regexp(t, "^0 ", seen.System["Max core file size"], "a crash leaves no image unless that is asked for")
		require.Regexp(t, `^\d+ 0 `, command)
		require.Equal(t, int64(math.MaxInt64), seen.GoMemory)
	})
	t.Run("of the process", func(t *testing.T) {
		seen, command := see(t, limitsConfig{}, procs, ProcessLimits(Limits{OpenFiles: 512, GOMAXPROCS: 1, CoreDumps: true}))
		require.Equal(t, "512 512", seen.System["Max open files"])
		soft, hard, _ := strings.Cut(seen.System["Max core file size"], " ")
		require.Equal(t, hard, soft)
		require.Equal(t, 1, seen.GOMAXPROCS)
		require.Regexp(t, `^512 \S+ unlimited 1 $`, command, "commands inherit them")
	})
	t.Run("of a command", func(t *testing.T) {
		own := Limits{OpenFiles: 256, Memory: 512 << 20}
		for _, kind := range []Option{procs, InProcess(nil)} {
			seen, command := see(t, limitsConfig{own}, kind, ProcessLimits(Limits{OpenFiles: 512, GOMAXPROCS: 3}))
			require.NotEqual(t, "256 256", seen.System["Max open files"])
			require.Regexp(t, fmt.Sprintf(`^256 \S+ %d 3 %d$`, 512<<10, own.soft()), command)
		}
	})
}

func TestLimitsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, kind := range []Option{procs, InProcess(nil)} {
		_, err := limitsProgram.Launch(within(t), limitsConfig{}, kind, ProcessLimits(Limits{OpenFiles: -1}))
		require.Equal(t, StatusUsage, ExitStatus(err))
		_, err = limitsProgram.Launch(within(t), limitsConfig{Limits{Memory: 1}}, kind)
		require.ErrorContains(t, err, "node show/0: its limits: ")
	}
	_, err := limitsProgram.Launch(within(t), limitsConfig{}, procs, ProcessLimits(Limits{OpenFiles: math.MaxInt32}))
	var host *bootstrap.HostError
	require.ErrorAs(t, err, &host, "more than the system has")
	require.Equal(t, "set the limits", host.Op)
	require.ErrorContains(t, err, "of which this host permits")
}
