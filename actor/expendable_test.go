package actor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// protocol is a node whose Pass messages may be lost with it.
type protocol struct{ hold chan struct{} }

func (p *protocol) Hold(context.Context) error { <-p.hold; return nil }

func (p *protocol) Pass(_ context.Context, text string) error { return errors.New(text) }

func (p *protocol) Told(_ context.Context, text string) error { return errors.New(text) }

func (p *protocol) Expendable(method string) bool { return method == "Pass" }

// What a node's end overtakes is logged unless its value says that it is expendable; what a method returns always is.
func TestExpendable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			method func(*protocol, context.Context, string) error
			logged int
		}{{(*protocol).Pass, 1}, {(*protocol).Told, 2}} {
			var log bytes.Buffer
			table := actor.NewTable()
			s := actor.NewSystem(actor.Config{Table: table, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			p := &protocol{make(chan struct{})}
			n, err := s.Spawn(actor.Spec{Key: "p/0", Value: p})
			require.NoError(t, err)
			require.NoError(t, n.Start(t.Context()))
			ref := actor.NewRef[*protocol](table, "p/0")
			require.NoError(t, actor.Tell(t.Context(), ref, c.method, "handled"))
			synctest.Wait()
			require.NoError(t, actor.Tell0(t.Context(), ref, (*protocol).Hold))
			synctest.Wait()
			time.Sleep(2 * time.Second) // of the bubble: one a second is logged
			require.NoError(t, actor.Tell(t.Context(), ref, c.method, "overtaken"))
			over, cancel := context.WithCancel(t.Context())
			cancel()
			require.Error(t, n.Stop(over))
			close(p.hold)
			require.NoError(t, s.Close(t.Context()))
			require.Equal(t, c.logged, strings.Count(log.String(), "a tell failed"), log.String())
		}
	})
}
