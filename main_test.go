package tlaunch

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// TestMain takes over in the processes that tests start as hosts or as scripts: they are this executable again.
func TestMain(m *testing.M) {
	variables := os.Environ()
	Init()
	switch os.Getenv(asScript) {
	case "":
		leak.Main(m)
	case "guest":
		describeGuest(variables)
	case "star":
		cfg := starConfig{Rounds: 1}
		flag.CommandLine = flag.NewFlagSet("star", flag.ExitOnError)
		flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "`numbers` that each spoke sends")
		flag.Var(&cfg.Key, "key", "secret `text`")
		Main(starProgram, &cfg)
	case "watched":
		flag.CommandLine = flag.NewFlagSet("watched", flag.ExitOnError)
		Main(starProgram, &starConfig{Rounds: 1}, OnRecord(func(r Record) {
			if r.Text == "stopped" {
				fmt.Fprintln(os.Stderr, "first:", r.Host, r.Node, r.Level, r.Attrs)
			}
		}), OnRecord(func(r Record) {
			if r.Text == "stopped" {
				fmt.Fprintln(os.Stderr, "second:", r.Host)
			}
		}), Notice(-1))
	case "trouble":
		var cfg trouble
		flag.CommandLine = flag.NewFlagSet("trouble", flag.ExitOnError)
		flag.StringVar(&cfg.Run, "run", "", "")
		flag.StringVar(&cfg.Bystander, "bystander", "", "")
		Main(troubleProgram, &cfg)
	case "meet":
		if err := meet(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "conflict":
		flag.CommandLine = flag.NewFlagSet("conflict", flag.ExitOnError)
		flag.Bool("notice", false, "the script's own")
		Main(starProgram, &starConfig{})
	}
}

// asScript names the variable that says as which script to run.
const asScript = "TEST_TLAUNCH_SCRIPT"

var rewrite = flag.Bool("rewrite", false, "write the files under testdata anew")

// script is this executable as a program of its own.
func script(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(within(t), exe, args...)
	cmd.Env = append(os.Environ(), asScript+"="+name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// result runs a script to its end.
func result(t *testing.T, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// describeGuest prints what importing the package and calling Init has changed.
func describeGuest(before []string) {
	flag.CommandLine.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && f.Name != "rewrite" {
			fmt.Println("flag", f.Name)
		}
	})
	fmt.Println("goroutines", runtime.NumGoroutine()) // signal.Notify would start one
	fmt.Println("log", reflect.TypeOf(slog.Default().Handler()))
	fmt.Println("environment", slices.Equal(before, os.Environ()))
}

func TestGoodGuest(t *testing.T) {
	t.Parallel()
	status, out, _ := result(t, script(t, "guest"))
	require.Zero(t, status)
	require.Equal(t, "goroutines 1\nlog *slog.defaultHandler\nenvironment true\n", out)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	inventory := file("hosts", "a\nb\nc\nd\n")
	broken := file("broken", "a\nb slots=x\n")
	flags := file("flags", "# more\n\n-rounds=3\n -hosts="+inventory+"\n")
	noFlags := file("noflags", "-rounds=3\nrounds=2\n")
	unknown := file("unknown", "-colour=red\n")
	for name, c := range map[string]struct {
		script string
		args   string
		status int
		stdout string // parts of it
		stderr string
	}{
		"one process":         {"star", "", 0, `Nabe@host1 │ .* INFO  stopped sum=3 tells=2\n$`, `^$`},
		"processes":           {"star", "-launch procs -rounds=2 -key=hunter2", 0, `Nabe@host1 │ .* INFO  stopped sum=6 tells=4$`, `(?s)host1: started\n.*host1: registered\n.*^3 hosts are up after .*\n$`},
		"quiet":               {"star", "-launch procs -quiet", 0, `stopped sum=3 tells=2$`, `^$`},
		"encoded":             {"star", "-encoded", 0, `stopped sum=3 tells=2\n$`, `^$`},
		"a summary":           {"star", "-launch procs -quiet -summary", 0, `stopped sum=3 tells=2$`, `(?s) ended after .*; nodes: 2 ended, 1 stopped\nNODE .*^hub/0 \(Nabe\)  host1  stopped  -     0 .*^spoke/0 `},
		"a process exits":     {"trouble", "-launch procs -quiet -run exit -bystander wait", 7, `^$`, `first cause: the process on host2 ended with exit status 7 before it should\n  went down with it: bad/0\n$`},
		"watched":             {"watched", "-log-level error", 0, `^$`, `^first: host1 Nabe INFO \[{sum 3} {tells 2}\]\nsecond: host1\n$`},
		"watched from afar":   {"watched", "-log-level error -launch procs -quiet", 0, `^$`, `^first: host1 Nabe INFO \[{sum 3} {tells 2}\]\nsecond: host1\n$`},
		"log level":           {"star", "-log-level error", 0, `^$`, `^$`},
		"inventory":           {"star", "-hosts " + inventory, 0, `Nabe@a │ .*stopped sum=6 tells=3`, `^$`},
		"flag file":           {"star", "-flagfile " + flags, 0, `stopped sum=18 tells=9`, `^$`},
		"overruled":           {"star", "-flagfile " + flags + " -rounds 1", 0, `stopped sum=6 tells=3`, `^$`},
		"no flag in file":     {"star", "-flagfile " + noFlags, StatusUsage, `^$`, `noflags:2: "rounds=2" is no flag`},
		"unknown in file":     {"star", "-flagfile " + unknown, StatusUsage, `^$`, `not defined: -colour`},
		"no flag file":        {"star", "-flagfile /nonexistent", StatusUsage, `^$`, `^-flagfile: open /nonexistent: `},
		"unknown flag":        {"star", "-colour", StatusUsage, `^$`, `not defined: -colour`},
		"an argument":         {"star", "go", StatusUsage, `^$`, `unexpected argument "go"`},
		"unknown launch":      {"star", "-launch moon", StatusUsage, `^$`, `-launch moon: choose inproc, procs or ssh`},
		"unknown registry":    {"star", "-registry etcd", StatusUsage, `^$`, `-registry etcd: choose embedded or consul`},
		"bad binary":          {"star", "-binary x", StatusUsage, `^$`, `-binary x: write os/arch=path`},
		"bad ports":           {"star", "-ports 9", StatusUsage, `^$`, `ports "9"`},
		"ssh without hosts":   {"star", "-launch ssh", StatusUsage, `^$`, `needs an inventory`},
		"no inventory":        {"star", "-hosts /nonexistent", StatusUsage, `^$`, `^-hosts: .*/nonexistent`},
		"no configuration":    {"star", "-launch ssh -hosts " + inventory + " -ssh-config /nonexistent", StatusUsage, `^$`, `^-ssh-config: .*/nonexistent`},
		"broken inventory":    {"star", "-hosts " + broken, StatusUsage, `^$`, `broken:2: `},
		"conflict":            {"conflict", "", StatusUsage, `^$`, `the program's flag -notice is also one of tlaunch's`},
		"a node fails":        {"trouble", "-run fail -bystander wait", StatusFailed, `^$`, `(?s)^test-trouble-[0-9a-f]+ failed after .*^bad/0 +host2 +failed +error +0 .*first cause: node bad/0 on host2 failed \(run\): no luck\n$`},
		"a failed launch":     {"star", "-launch procs -quiet -binary =" + inventory, StatusLaunch, `^$`, `launching test-star: 3 of 3 hosts failed\n`},
		"harmless characters": {"trouble", "-launch procs -quiet -run chat", 0, `plain\\x1b\[2J(.|\n)*said n=1 g\.k=v|said n=1 g\.k=v(.|\n)*plain\\x1b\[2J`, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, out, errs := result(t, script(t, c.script, strings.Fields(c.args)...))
			require.Equal(t, c.status, status, errs)
			require.Regexp(t, "(?m)"+c.stdout, out)
			require.Regexp(t, "(?m)"+c.stderr, errs)
			require.NotContains(t, out+errs, "hunter2")
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, out, errs := result(t, script(t, "star", "-help"))
	require.Zero(t, status)
	require.Empty(t, out)
	golden := filepath.Join("testdata", "help.txt")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(errs), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), errs, "go test -run TestHelp -rewrite . writes it anew")
}

func TestSignalsEndAScript(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			cmd := script(t, "trouble", "-launch", "procs", "-run", "wait", "-bystander", "wait")
			errs, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(errs)
			var last string
			for lines.Scan() {
				last = lines.Text()
				if strings.Contains(last, "hosts are up") {
					require.NoError(t, cmd.Process.Signal(s))
				}
			}
			require.Contains(t, last, ": stopping (notice 10s; again to kill)")
			require.Error(t, cmd.Wait())
			require.Equal(t, 128+int(s), cmd.ProcessState.ExitCode())
		})
	}
}

func TestSecondSignalKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, _ := lone(t, "second-signal", func(context.Context) error { time.Sleep(time.Hour); return nil }, Notice(-1))
		signals, first := make(chan os.Signal), make(chan os.Signal, 1)
		launched, over := make(chan *Run, 1), make(chan struct{})
		cancelled := false
		read, written := io.Pipe()
		lines := bufio.NewScanner(read)
		launched <- run
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			watchSignals(signals, first, launched, over, func() { cancelled = true }, -1, written)
		}()
		synctest.Wait()
		signals <- syscall.SIGTERM
		require.True(t, lines.Scan())
		require.Equal(t, "terminated: stopping (notice -1ns; again to kill)", lines.Text())
		require.Equal(t, os.Signal(syscall.SIGTERM), <-first)
		signals <- syscall.SIGTERM // at the same moment: the same one
		synctest.Wait()
		require.True(t, cancelled)
		time.Sleep(time.Second)
		signals <- syscall.SIGINT
		require.True(t, lines.Scan())
		require.Equal(t, "interrupt: killing", lines.Text())
		require.ErrorIs(t, run.Wait(t.Context()), ErrKilled)
		close(over)
		<-watched
		time.Sleep(2 * time.Hour)
	})
}
