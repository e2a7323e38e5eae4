package tlaunch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

// placedCommand is a command of [commandProgram].
type placedCommand struct {
	Label, Place string
	Command      Command
}

var commandProgram = Define("test-commands", func(p *Program, all []placedCommand) error {
	for _, c := range all {
		AddCommand(p, c.Label, c.Command, On(c.Place))
	}
	return nil
}, LocalHosts(2))

// shellCommand is a script on a host.
func shellCommand(place, script string) placedCommand {
	return placedCommand{"script", place, Command{Path: "sh", Args: []string{"-c", script}}}
}

// notes keeps the records of a run.
type notes struct {
	mu      sync.Mutex
	records []Record
	changed chan struct{}
}

func newNotes() *notes { return &notes{changed: make(chan struct{})} }

func (n *notes) option() Option {
	return OnRecord(func(r Record) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.records = append(n.records, r)
		close(n.changed)
		n.changed = make(chan struct{})
	})
}

// lines are what a node has printed.
func (n *notes) lines(node string, stream bootstrap.Stream) (found []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.records {
		if r.Node == node && r.Stream == stream {
			found = append(found, r.Text)
		}
	}
	return found
}

// await waits until a node has printed a line.
func (n *notes) await(t *testing.T, node, line string) {
	t.Helper()
	late := time.After(patience)
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		if slices.Contains(n.lines(node, bootstrap.Stdout), line) {
			return
		}
		select {
		case <-changed:
		case <-late:
			require.FailNow(t, "no such line", "%q", n.lines(node, bootstrap.Stdout))
		}
	}
}

// here is everywhere without the encoding, which commands have no part in.
func here(t *testing.T, f func(t *testing.T, kind Option)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) { f(t, InProcess(nil)) })
	t.Run("processes", func(t *testing.T) { f(t, procs) })
}

func TestCommandStatus(t *testing.T) {
	t.Parallel()
	here(t, func(t *testing.T, kind Option) {
		for script, want := range map[string]*CommandError{
			"exit 0":       nil,
			"exit 7":       {Node: "script/1", Code: 7},
			"kill -9 $$":   {Node: "script/1", Code: 137, Signal: "SIGKILL"},
			"kill -SEGV 0": {Node: "script/1", Code: 139, Signal: "SIGSEGV"},
		} {
			t.Run(script, func(t *testing.T) {
				t.Parallel()
				run := launched(t, commandProgram, []placedCommand{shellCommand("host1", "true"), shellCommand("host2", "echo so far; "+script)}, kind, newNotes().option())
				err := run.Wait(within(t))
				report := run.Report()
				if want == nil {
					require.NoError(t, err)
					require.Equal(t, StateEnded, report.Nodes[1].State)
					return
				}
				require.Equal(t, "script/1", report.FirstCause.Node)
				require.Equal(t, []string{"so far"}, report.FirstCause.Last)
				ending := Ending{How: HowExit, Phase: "run", Reason: want.Error(), Status: want.Code, Signal: want.Signal}
				if want.Signal != "" {
					ending.How = HowSignal
				}
				require.Equal(t, ending, report.FirstCause.Ending)
				var failed *NodeError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, "script/1 host2 run", failed.Node+" "+failed.Host+" "+failed.Phase)
				var got *CommandError
				require.ErrorAs(t, err, &got)
				require.Equal(t, want, got)
				require.Equal(t, want.Code, ExitStatus(err))
				require.ErrorContains(t, err, "node script/1 on host2 failed (run): "+want.Error())
			})
		}
	})
}

func TestCommandOutput(t *testing.T) {
	t.Parallel()
	here(t, func(t *testing.T, kind Option) {
		said := newNotes()
		script := `echo one; echo two >&2; head -c 1000000 /dev/zero | tr '\0' x; echo; cat; printf 'last words'; kill -9 $$`
		err := launched(t, commandProgram, []placedCommand{shellCommand("host2", script)}, kind, said.option()).Wait(within(t))
		require.Equal(t, 137, ExitStatus(err))
		lines := said.lines("script/0", bootstrap.Stdout)
		require.Len(t, lines, 3)
		require.Equal(t, "one", lines[0])
		require.True(t, lines[1] == strings.Repeat("x", 1000000), "a long line is one")
		require.Equal(t, "last words", lines[2])
		require.Equal(t, []string{"two"}, said.lines("script/0", bootstrap.Stderr))
		for _, r := range said.records {
			if r.Node != "" {
				require.Equal(t, "host2", r.Host)
				require.False(t, r.Time.IsZero())
			}
		}
	})
}

// variablesOf reads what "env" has printed.
func variablesOf(lines []string) map[string]string {
	all := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	return all
}

func TestCommandEnvironment(t *testing.T) {
	t.Setenv("COMMAND_TEST_OWN", "must not be seen")
	t.Setenv("LANG", "xx_YY")
	here(t, func(t *testing.T, kind Option) {
		said := newNotes()
		env := Command{Path: "env", Env: map[string]string{"COLOR": "red", "LANG": "C", "RANK": "mine"}, Secrets: map[string]Secret[string]{"TOKEN": NewSecret("hush")}}
		program := []placedCommand{{"trainer", "host1", env}, {"other", "host1", Command{Path: "true"}}, {"trainer", "host2", env}, {"trainer", "host1", env}}
		run := launched(t, commandProgram, program, kind, said.option(), Env("EXTRA=more"))
		require.NoError(t, run.Wait(within(t)))
		master := ""
		for i, want := range []string{"0 3 0 2", "1 3 0 1", "2 3 1 2"} {
			got := variablesOf(said.lines(fmt.Sprintf("trainer/%d", i), bootstrap.Stdout))
			place := strings.Join([]string{got["TLAUNCH_RANK"], got["WORLD_SIZE"], got["LOCAL_RANK"], got["LOCAL_WORLD_SIZE"]}, " ")
			require.Equal(t, want, place)
			require.Equal(t, got["WORLD_SIZE"], got["TLAUNCH_WORLD_SIZE"])
			require.Equal(t, got["LOCAL_RANK"], got["TLAUNCH_LOCAL_RANK"])
			require.Equal(t, run.ID(), got["TLAUNCH_RUN"])
			require.Equal(t, fmt.Sprintf("trainer/%d", i), got["TLAUNCH_NODE"])
			require.Equal(t, "127.0.0.1,127.0.0.1,127.0.0.1", got["TLAUNCH_GROUP"])
			require.Equal(t, "127.0.0.1", got["MASTER_ADDR"])
			require.Regexp(t, "^[1-9][0-9]+$", got["MASTER_PORT"])
			if master == "" {
				master = got["MASTER_PORT"]
			}
			require.Equal(t, master, got["MASTER_PORT"], "one for all")
			require.Equal(t, []string{"red", "C", "mine", "hush", "more", os.Getenv("PATH"), os.Getenv("HOME")},
				[]string{got["COLOR"], got["LANG"], got["RANK"], got["TOKEN"], got["EXTRA"], got["PATH"], got["HOME"]})
			require.NotContains(t, got, "COMMAND_TEST_OWN")
		}
	})
}

func TestCommandRanksMeet(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	meet := Command{Path: exe, Env: map[string]string{asScript: "meet", "GORACE": "atexit_sleep_ms=0"}}
	here(t, func(t *testing.T, kind Option) {
		said := newNotes()
		program := []placedCommand{{"peer", "host2", meet}, {"peer", "host1", meet}, {"peer", "host1", meet}}
		require.NoError(t, launched(t, commandProgram, program, kind, said.option(), Ports("21000-21100")).Wait(within(t)))
		require.Equal(t, []string{"met 2"}, said.lines("peer/0", bootstrap.Stdout))
	})
}

// meet lets rank 0 wait for all others at the port that it was given.
func meet() error {
	at := net.JoinHostPort(os.Getenv("MASTER_ADDR"), os.Getenv("MASTER_PORT"))
	if os.Getenv("RANK") == "0" {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		var size, count int
		if _, err := fmt.Sscan(os.Getenv("WORLD_SIZE"), &size); err != nil {
			return err
		}
		for ; count < size-1; count++ {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			defer c.Close()
		}
		fmt.Println("met", count)
		return nil
	}
	for began := time.Now(); ; {
		c, err := net.Dial("tcp", at)
		if err == nil {
			return c.Close()
		}
		if time.Since(began) > patience {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestCommandEndsWithTheRun(t *testing.T) {
	t.Parallel()
	const stray = `(setsid sh -c 'trap "" TERM; echo stray; while :; do sleep 0.05; done' &); `
	here(t, func(t *testing.T, kind Option) {
		for name, c := range map[string]struct {
			script string
			notice time.Duration
			killed bool
		}{
			"asked":   {stray + "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done", time.Minute, false},
			"ignores": {stray + "trap '' TERM; echo ready; while :; do sleep 0.05; done", 500 * time.Millisecond, true},
		} {
			t.Run(name, func(t *testing.T) {
				said := newNotes()
				run := launched(t, commandProgram, []placedCommand{shellCommand("host1", c.script)}, kind, said.option(), Notice(c.notice))
				said.await(t, "script/0", "ready")
				said.await(t, "script/0", "stray")
				require.NotEmpty(t, withMark(t, run.ID()))
				err := run.Stop(within(t))
				require.Equal(t, c.killed, errors.Is(err, ErrKilled), "%v", err)
				require.Equal(t, !c.killed, slices.Contains(said.lines("script/0", bootstrap.Stdout), "asked"))
				require.Empty(t, withMark(t, run.ID()), "all are gone when Stop returns")
			})
		}
	})
}

// withMark lists the processes of a run's commands that live.
func withMark(t *testing.T, run string) (found []string) {
	t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, file := range environments {
		if env, err := os.ReadFile(file); err == nil && strings.Contains("\x00"+string(env), "\x00TLAUNCH_RUN="+run+"\x00TLAUNCH_NODE=") {
			found = append(found, file)
		}
	}
	return found
}

func TestCommandFailureEndsOthers(t *testing.T) {
	t.Parallel()
	here(t, func(t *testing.T, kind Option) {
		program := []placedCommand{shellCommand("host1", "sleep 1000"), shellCommand("host2", "exit 9")}
		run := launched(t, commandProgram, program, kind)
		require.Equal(t, 9, ExitStatus(run.Wait(within(t))))
		require.Empty(t, withMark(t, run.ID()))
	})
}

// flakyProgram has a command that fails twice, and leaves something behind each time.
var flakyProgram = Define("test-flaky-command", func(p *Program, dir string) error {
	AddCommand(p, "flaky", Command{Path: "sh", Args: []string{"-c", `(setsid sh -c 'echo left; sleep 1000' &); echo x >>tries; [ "$(wc -l <tries)" = 3 ]`}, Dir: dir},
		OnFailure(Restart(Restarts{Backoff: -1})))
	return nil
}, LocalHosts(1))

func TestCommandIsStartedAgain(t *testing.T) {
	t.Parallel()
	here(t, func(t *testing.T, kind Option) {
		dir := t.TempDir()
		run := launched(t, flakyProgram, dir, kind, newNotes().option())
		require.NoError(t, run.Wait(within(t)))
		require.Equal(t, 2, run.Report().Nodes[0].Restarts)
		tries, err := os.ReadFile(filepath.Join(dir, "tries"))
		require.NoError(t, err)
		require.Equal(t, "x\nx\nx\n", string(tries))
		require.Empty(t, withMark(t, run.ID()))
	})
}

func TestCommandThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("text"), 0o600))
	here(t, func(t *testing.T, kind Option) {
		marker := filepath.Join(t.TempDir(), "started")
		for name, c := range map[string]struct {
			command Command
			want    string
		}{
			"no such name":       {Command{Path: "no-such-command"}, `there is no executable "no-such-command" in its PATH`},
			"no such file":       {Command{Path: "/none/at/all"}, "/none/at/all: no such file"},
			"none in Files":      {Command{Path: "./none", Files: dir}, "none: no such file"},
			"not executable":     {Command{Path: "./plain", Files: dir}, "plain may not be executed"},
			"a folder":           {Command{Path: "/usr"}, "/usr is a folder"},
			"no such Dir":        {Command{Path: "true", Dir: "none"}, "its working directory: "},
			"none in its PATH":   {Command{Path: "sh", Env: map[string]string{"PATH": dir}}, `"sh" in its PATH, ` + dir},
			"more than one host": {Command{Path: "no-such-command"}, "2 of 2 hosts failed"},
		} {
			t.Run(name, func(t *testing.T) {
				program := []placedCommand{shellCommand("host1", "touch "+marker), {"bad", "host2", c.command}}
				if strings.HasPrefix(c.want, "2") {
					program = append(program, placedCommand{"bad", "host1", c.command})
				}
				_, err := commandProgram.Launch(within(t), program, kind)
				require.ErrorContains(t, err, c.want)
				require.Equal(t, StatusLaunch, ExitStatus(err))
				var host *bootstrap.HostError
				require.ErrorAs(t, err, &host)
				require.Equal(t, "find the commands", host.Op)
				require.Equal(t, commandRemedy, host.Remedy)
				require.NoFileExists(t, marker, "nothing has started")
			})
		}
	})
}

func TestCommandFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"run.sh": "#!/bin/sh\nls -A . sub; cat sub/note; pwd", "sub/note": "a note\n", ".git/config": "", "skipped": "", ".tlaunchignore": "skipped\n"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	t.Run("in process", func(t *testing.T) {
		said := newNotes()
		require.NoError(t, launched(t, commandProgram, []placedCommand{{"script", "host1", Command{Path: "./run.sh", Files: dir}}}, said.option()).Wait(within(t)))
		require.Equal(t, []string{"a note", dir}, said.lines("script/0", bootstrap.Stdout)[9:], "it works in the folder itself")
	})
	t.Run("processes", func(t *testing.T) {
		said := newNotes()
		other := Command{Path: "../run.sh", Files: dir, Dir: "sub"}
		program := []placedCommand{{"script", "host1", Command{Path: "./run.sh", Files: dir}}, {"script", "host2", Command{Path: "true"}}, {"script", "host1", other}}
		run := launched(t, commandProgram, program, procs, said.option())
		require.NoError(t, run.Wait(within(t)))
		lines := said.lines("script/0", bootstrap.Stdout)
		require.Equal(t, []string{".:", "run.sh", "sub", "", "sub:", "note", "a note"}, lines[:7])
		require.Regexp(t, "/files/0$", lines[7])
		require.NoDirExists(t, lines[7], "it is gone after the run")
		lines = said.lines("script/2", bootstrap.Stdout)
		require.Regexp(t, "/files/0/sub$", lines[len(lines)-1])
	})
	t.Run("none", func(t *testing.T) {
		here(t, func(t *testing.T, kind Option) {
			_, err := commandProgram.Launch(within(t), []placedCommand{{"script", "host1", Command{Path: "true", Files: filepath.Join(dir, "none")}}}, kind)
			require.ErrorContains(t, err, "the Files of a command: there is no "+filepath.Join(dir, "none"))
			require.Equal(t, StatusUsage, ExitStatus(err))
		})
	})
}

func TestCommandMistakes(t *testing.T) {
	secret := map[string]Secret[string]{"A": NewSecret("x")}
	for want, c := range map[string]Command{
		"node bad/0: it has no Path":                                 {},
		"node bad/0: it wants -1 GPUs":                               {Path: "x", GPUs: -1},
		`node bad/0: "" is no name of a variable`:                    {Path: "x", Env: map[string]string{"": "a"}},
		`node bad/0: "A=B" is no name of a variable`:                 {Path: "x", Env: map[string]string{"A=B": "a"}},
		"the variable TLAUNCH_RUN is tlaunch's own":                  {Path: "x", Env: map[string]string{"TLAUNCH_RUN": "a"}},
		"the variable A is both in Env and in Secrets":               {Path: "x", Env: map[string]string{"A": "a"}, Secrets: secret},
		"the variable Z holds a zero byte":                           {Path: "x", Env: map[string]string{"Z": "\x00"}},
		`node bad/0: "a\x00" holds a zero byte`:                      {Path: "x", Args: []string{"a\x00"}},
		"the commands on host host1 want 3 GPUs, and it has 2 (gpus": {Path: "x", GPUs: 3},
	} {
		t.Run(want, func(t *testing.T) {
			inv := LocalInventory(1)
			inv.Hosts[0].GPUs = 2
			_, err := commandProgram.Launch(t.Context(), []placedCommand{{"bad", "host1", c}}, InProcess(inv))
			var wrong *ProgramError
			require.ErrorAs(t, err, &wrong)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "share memory")
		})
	}
	mixed := define(t, "mixed", func(p *Program, _ int) error {
		AddCommand(p, "both", Command{Path: "true"})
		AddFunc(p, "both", func(context.Context, int) error { return nil }, 1)
		return nil
	})
	_, err := mixed.Launch(t.Context(), 0)
	require.ErrorContains(t, err, "node both/1 is no command, and others of its label are")
}

func TestCommandIsCompared(t *testing.T) {
	digest := func(c Command) [32]byte {
		d := define(t, "digest", func(p *Program, _ int) error {
			AddCommand(p, "c", c)
			return nil
		})
		config, err := actor.Encode(0)
		require.NoError(t, err)
		g, err := d.newGraph(config, []Host{{Name: "a"}}, actor.NewTable())
		require.NoError(t, err)
		definitions.Lock()
		delete(definitions.byName, "digest")
		definitions.Unlock()
		return g.summary[0].Digest
	}
	same := digest(Command{Path: "x", Secrets: map[string]Secret[string]{"A": NewSecret("1")}})
	require.Equal(t, same, digest(Command{Path: "x", Secrets: map[string]Secret[string]{"A": NewSecret("2")}}), "a secret leaves no trace")
	require.NotEqual(t, same, digest(Command{Path: "x"}))
	require.NotEqual(t, digest(Command{Path: "x", Args: []string{"a", "b"}}), digest(Command{Path: "x", Args: []string{"ab"}}))
}

func TestCommandsShareNothingByTheirOptions(t *testing.T) {
	args, env := []string{"-c", "true"}, map[string]string{"A": "1"}
	d := define(t, "alike", func(p *Program, _ int) error {
		for range 3 {
			AddCommand(p, "c", Command{Path: "sh", Args: args, Env: env})
		}
		return nil
	})
	run := launched(t, d, 0)
	require.NoError(t, run.Wait(within(t)))
	_, err := Find[CommandNode](run, "c", 2)
	require.NoError(t, err)
	_, err = Find[Func](run, "c", 2)
	require.ErrorIs(t, err, actor.ErrNoMethod)
}

func TestHeldPort(t *testing.T) {
	held, err := holdPort(portRange{})
	require.NoError(t, err)
	require.Positive(t, held.port)
	at := fmt.Sprintf("127.0.0.1:%d", held.port)
	_, err = net.Dial("tcp", at)
	require.Error(t, err, "nobody listens")
	_, err = holdPort(portRange{held.port, held.port})
	require.ErrorContains(t, err, "every port of")
	held.release()
	held.release()
	l, err := net.Listen("tcp", at)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	again, err := holdPort(portRange{held.port - 1, held.port + 100})
	require.NoError(t, err)
	again.release()
}
