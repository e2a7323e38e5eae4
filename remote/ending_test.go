package remote

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// diary is a process that notes what comes, and may take its time.
type diary struct {
	pace  time.Duration
	notes chan string
}

func (d *diary) SendUserMessage(*protoactor.PID, any) {
	time.Sleep(d.pace)
	d.notes <- "message"
}
func (d *diary) SendSystemMessage(*protoactor.PID, any) {}
func (d *diary) Stop(*protoactor.PID)                   {}

// Whoever is told that a link has ended sees no message of it after that; a process that holds the reader delays the news, but not for ever.
func TestNothingComesOnALinkAfterItsEndWasTold(t *testing.T) {
	for pace, want := range map[time.Duration][]string{
		lastWord / 4: {"message", "message", "down"},
		lastWord * 4: {"down", "message"}, // the one that it was held with
	} {
		synctest.Test(t, func(t *testing.T) {
			notes := make(chan string, 9)
			p := memoryPair(t, func(_, b *Config) { b.Down = func(string, error) { notes <- "down" } })
			d := &diary{pace, notes}
			p.b.system.ProcessRegistry.Add(d, "x")
			for range 2 {
				require.NoError(t, p.a.Send(t.Context(), protoactor.NewPID("b:1", "x"), nil, text("hello")))
			}
			synctest.Wait()
			onlyLink(p.b, "a:1").finish(errors.New("the test gives it up"))
			time.Sleep(10 * lastWord)
			synctest.Wait()
			close(notes)
			var got []string
			for n := range notes {
				got = append(got, n)
			}
			require.Equal(t, want, got)
		})
	}
}

// What comes on the link after one that has ended is not taken for something of the earlier.
func TestNextLinkWaitsUntilTheEndWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := make(chan string, 9)
		p := memoryPair(t, func(_, b *Config) {
			b.Down = func(string, error) {
				time.Sleep(endingPatience / 2)
				notes <- "down"
			}
		})
		p.b.system.ProcessRegistry.Add(&diary{0, notes}, "x")
		pid := protoactor.NewPID("b:1", "x")
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("hello")))
		require.Equal(t, "message", <-notes)
		onlyLink(p.b, "a:1").finish(errors.New("the test gives it up"))
		require.ErrorIs(t, <-p.aDowns, errForgotten)
		require.NoError(t, p.a.Send(t.Context(), pid, nil, text("on another link")))
		require.Equal(t, "down", <-notes)
		require.Equal(t, "message", <-notes)
	})
}
