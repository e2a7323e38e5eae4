package tlaunch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap"
	"github.com/tartrl/tlaunch-go/internal/child"
)

// doubler answers numbers.
type doubler struct{}

func (*doubler) Double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// lineTalker gives a command what doubler makes of the numbers that it writes, a line each.
type lineTalker struct {
	Doubler actor.Ref[*doubler]
	Lines   int // that it answers before it returns; 0: all
	Wrong   bool
	Panic   bool
}

var errTalk = errors.New("it has had enough")

func (r lineTalker) Talk(ctx context.Context, conn io.ReadWriter) error {
	lines := bufio.NewScanner(conn)
	for i := 0; (r.Lines == 0 || i < r.Lines) && lines.Scan(); i++ {
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
			return err
		}
		twice, err := actor.Call(ctx, r.Doubler, (*doubler).Double, n)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(conn, twice); err != nil {
			return err
		}
	}
	if r.Panic {
		panic("out of words")
	}
	if r.Wrong {
		return errTalk
	}
	return lines.Err()
}

type talkConfig struct {
	Script string
	Lines  int
	Wrong  bool
	Panic  bool
}

var talkProgram = Define("test-talk", func(p *Program, cfg talkConfig) error {
	d := Add(p, "doubler", &doubler{}, On(p.Hosts()[0]))
	AddCommand(p, "script", Command{Path: "sh", Args: []string{"-c", cfg.Script}}, On(p.Hosts()[1]), Talk(lineTalker{d, cfg.Lines, cfg.Wrong, cfg.Panic}))
	return nil
}, LocalHosts(2))

func TestCommandsAreSpokenWith(t *testing.T) {
	t.Parallel()
	here(t, func(t *testing.T, kind Option) {
		for name, c := range map[string]struct {
			cfg  talkConfig
			said []string // on standard error
			want string   // of the failure
		}{
			"back and forth":             {talkConfig{Script: `for i in 1 2 3; do echo $i; read x; echo "$x" >&2; done`}, []string{"2", "4", "6"}, ""},
			"it ends when the talk does": {talkConfig{Script: `while echo 4; read x; do echo $x >&2; done; echo end >&2`, Lines: 2}, []string{"8", "8", "end"}, ""},
			"nobody listens":             {talkConfig{Script: `echo 1; cat >/dev/null; seq 1 100000; echo done >&2`, Lines: 1}, []string{"done"}, ""},
			"the talk fails":             {talkConfig{Script: `echo 1; cat >/dev/null`, Lines: 1, Wrong: true}, nil, errTalk.Error()},
			"the talk panics":            {talkConfig{Script: `echo 1; cat >/dev/null`, Lines: 1, Panic: true}, nil, "panic: out of words"},
			"both fail":                  {talkConfig{Script: `echo 1; cat >/dev/null; exit 3`, Lines: 1, Wrong: true}, nil, "exit status 3, after " + errTalk.Error()},
			"it fails":                   {talkConfig{Script: `echo 1; read x; exit 3`}, nil, "exit status 3"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				said := newNotes()
				run := launched(t, talkProgram, c.cfg, kind, said.option())
				err := run.Wait(within(t))
				require.Equal(t, c.said, said.lines("script/0", bootstrap.Stderr))
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.want)
				if strings.Contains(c.cfg.Script, "exit 3") {
					require.Equal(t, 3, ExitStatus(err))
				}
			})
		}
	})
}

// deafTalker waits for something else than its command.
type deafTalker struct{}

func (deafTalker) Talk(ctx context.Context, _ io.ReadWriter) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A command whose talker does not notice its end is not taken to be alive for ever.
func TestTalksEndWithTheirCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var spec child.Spec
		k, err := newTalk(deafTalker{}, &spec)
		require.NoError(t, err)
		gone, written := make(chan struct{}), make(chan error)
		k.begin(t.Context(), gone)
		began := time.Now()
		close(gone)
		go func() {
			_, err := spec.Stdout.Write([]byte("its last words")) // for which the child waits before it is done
			written <- err
		}()
		require.ErrorIs(t, <-written, io.ErrClosedPipe)
		err, first := k.end()
		require.ErrorIs(t, err, errTalkLasts)
		require.False(t, first, "it is not why the command has failed")
		require.Equal(t, talkPatience, time.Since(began))
	})
}

func TestTalkIsForCommands(t *testing.T) {
	_, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) { Add(p, "a", &doubler{}, Talk(lineTalker{})) })
	require.ErrorContains(t, err, "node a/0 is no command")
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
		AddCommand(p, "c", Command{Path: "sh"}, Talk(lineTalker{Doubler: Add(p, "a", &doubler{})}))
	})
	require.NoError(t, err)
	require.Equal(t, []string{".talker.Doubler → a/0"}, g.summary[1].Refs[:1])
}
