package tlaunch

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

// guestOf joins a run.
func guestOf(t *testing.T, run *Run) *Connection {
	t.Helper()
	i, err := run.Invite("guest", time.Hour)
	require.NoError(t, err)
	c, err := Connect(within(t), i)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	return c
}

func TestGuestsFollowHosts(t *testing.T) {
	t.Parallel()
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Restarts: &Restarts{Backoff: 100 * time.Millisecond}, Least: -1}, procs)
	m, _ := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	c := guestOf(t, run)
	ref, err := Find[*mortal](c, "mortal", 0)
	require.NoError(t, err)
	require.NoError(t, actor.Do(within(t), ref, (*mortal).Mark, 1))
	before, err := c.grant.Locate(within(t))
	require.NoError(t, err)
	require.Equal(t, c.grant.Members, before)

	held := actor.GoDo0(within(t), ref, (*mortal).Hold)
	require.Eventually(t, func() bool {
		held, err := actor.Call(within(t), m, (*midwife).Lets, "held")
		require.NoError(t, err)
		return held
	}, patience, time.Millisecond)
	kill(t, run, 1)
	_, err = held.Wait(within(t))
	require.ErrorIs(t, err, actor.ErrPeerGone)
	require.NotErrorIs(t, err, actor.ErrUnreachable)
	require.NoError(t, actor.Do(within(t), ref, (*mortal).Mark, 2), "it waits for the next process")
	marks, err := actor.Call0(within(t), ref, (*mortal).Marks)
	require.NoError(t, err)
	require.Equal(t, []int{2}, marks)
	after, err := c.grant.Locate(within(t))
	require.NoError(t, err)
	require.Len(t, after, len(before))
	for host, address := range before {
		require.Equal(t, host == "host2", after[host] != address, host)
	}
	require.Equal(t, before, c.grant.Members)
	livesOf(t, m, "mortal/0", 2)

	// One that joins when the first process is long gone.
	late, err := Find[*mortal](guestOf(t, run), "mortal", 0)
	require.NoError(t, err)
	require.NoError(t, actor.Do(within(t), late, (*mortal).Mark, 3))
}

func TestGuestsHearThatAHostDoesNotComeBack(t *testing.T) {
	t.Parallel()
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Least: 1}, procs)
	m, _ := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	c := guestOf(t, run)
	ref, err := Find[*mortal](c, "mortal", 0)
	require.NoError(t, err)
	require.NoError(t, actor.Do(within(t), ref, (*mortal).Mark, 1))
	kill(t, run, 1)
	require.ErrorIs(t, actor.Do(within(t), ref, (*mortal).Mark, 2), actor.ErrPeerGone)
	// Hosts are only asked while somebody needs to know. The link, which asked too, may hear of it after the call.
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.lost == 0
	}, patience, time.Millisecond)
}

// What a guest waits for ends with its connection.
func TestGuestsLeaveWhileAHostIsAway(t *testing.T) {
	t.Parallel()
	run := launched(t, mortalProgram, mortalConfig{Ends: waiting(), Restarts: &Restarts{Backoff: time.Hour}, Least: -1}, procs)
	m, _ := mortals(t, run)
	livesOf(t, m, "mortal/0", 1)
	i, err := run.Invite("guest", time.Hour)
	require.NoError(t, err)
	c, err := Connect(within(t), i)
	require.NoError(t, err)
	ref, err := Find[*mortal](c, "mortal", 0)
	require.NoError(t, err)
	kill(t, run, 1)
	waits := make(chan error, 1)
	go func() { waits <- actor.Do(context.Background(), ref, (*mortal).Mark, 1) }()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.lost > 0
	}, patience, time.Millisecond)
	require.NoError(t, c.Close(within(t)))
	require.ErrorIs(t, <-waits, actor.ErrStopped)
}

func TestOnlyGuestsAreTold(t *testing.T) {
	t.Parallel()
	run := launched(t, idleProgram, starConfig{Key: NewSecret("k")}, procs)
	i, err := run.Invite("guest", time.Minute)
	require.NoError(t, err)
	g, err := Redeem(within(t), i)
	require.NoError(t, err)
	g.ticket[0]++
	_, err = g.Locate(within(t))
	require.ErrorIs(t, err, actor.ErrUnreachable)
	g.ticket[0]--
	g.known["nowhere"] = "127.0.0.1:1" // in any order
	at, err := g.Locate(within(t))
	require.NoError(t, err)
	require.Equal(t, g.Members, at)
	require.NoError(t, run.Stop(within(t)))
	_, err = g.Locate(within(t))
	require.ErrorIs(t, err, actor.ErrUnreachable)
}

func TestWhatGuestsLearn(t *testing.T) {
	g := &Grant{nodes: map[string]nodeEntry{"n": {Key: "n", Host: "h", Mortal: true}}, places: []hostPlace{{Host: "h", Address: "a:1", Incarnation: 1}}}
	w := g.whereabouts()
	at, err := w.locate("n")
	require.NoError(t, err)
	require.Equal(t, "a:1", at)
	require.Empty(t, w.learn(g.places[0]), "nothing new")
	require.Equal(t, map[string]uint64{"a:1": 1}, w.learn(hostPlace{Host: "h", Gone: 1}))
	_, err = w.locate("n")
	require.ErrorIs(t, err, actor.ErrUnreachable)
	require.Empty(t, w.learn(hostPlace{Host: "h", Address: "a:2", Incarnation: 2, Gone: 1}))
	require.Empty(t, w.learn(g.places[0]), "old news")
	require.Equal(t, map[string]uint64{"a:2": 3}, w.learn(hostPlace{Host: "h", Address: "a:4", Incarnation: 4, Gone: 3}), "more than one life was missed")
	require.Equal(t, []hostPlace{{Host: "h", Address: "a:4", Incarnation: 4, Gone: 3}}, w.places())
	require.Equal(t, map[string]uint64{"a:4": 4}, w.learn(hostPlace{Host: "h", Gone: 4, Final: true}))
	_, err = w.locate("n")
	require.ErrorIs(t, err, actor.ErrPeerGone)
	_, err = w.locate("m")
	require.ErrorIs(t, err, actor.ErrNoNode)
}
