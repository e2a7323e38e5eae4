package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/learning"
	"github.com/tartrl/tlaunch-go/transmit"
)

// A learner that begins with what another has kept is as that one was, to the last bit.
func TestLearnerGoesOn(t *testing.T) {
	ctx := t.Context()
	table := actor.NewTable()
	sys := actor.NewSystem(actor.Config{Table: table, Encode: true})
	data, board := actor.NewRef[*transmit.Node](table, "data/0"), actor.NewRef[*learning.Board](table, "board/0")
	var nodes []*actor.Node
	for _, s := range []actor.Spec{
		{Key: "data/0", Value: transmit.NewNode(transmit.Config{Logger: slog.New(slog.DiscardHandler)})},
		{Key: "board/0", Value: &learning.Board{Every: -1}},
	} {
		n, err := sys.Spawn(s)
		require.NoError(t, err)
		require.NoError(t, n.Start(ctx))
		nodes = append(nodes, n)
	}
	t.Cleanup(func() {
		for _, n := range nodes {
			require.NoError(t, n.Stop(context.Background()))
		}
		require.NoError(t, sys.Close(context.Background()))
	})

	cfg := short()
	cfg.Resume = "a folder"
	before := &Learner{cfg: cfg, data: data, board: board}
	before.prepare()
	require.NoError(t, before.restore(ctx), "there is nothing yet")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range before.dy.Data {
		before.dy.Data[i] = float32(r.NormFloat64())
	}
	before.online.Forward(before.now)
	before.online.Backward(before.dy)
	before.Adam.Update(before.online.Values(), before.online.Grads())
	before.Updates = 50
	_, err := before.judgeVersion(ctx)
	require.NoError(t, err)
	require.NoError(t, before.keep(ctx))

	after := &Learner{cfg: cfg, data: data, board: board}
	after.cfg.Seed++
	after.prepare()
	require.NotEqual(t, before.online.Values(), after.online.Values())
	require.NoError(t, after.restore(ctx))
	require.Equal(t, before.LearnerState, after.LearnerState)
	require.Equal(t, before.online.Values(), after.online.Values())
	require.Equal(t, before.target.Values(), after.target.Values())
	require.NotEqual(t, after.online.Values(), after.target.Values())
	require.Equal(t, before.source, after.source)
	one, err := before.judge.Play(ctx)
	require.NoError(t, err)
	other, err := after.judge.Play(ctx)
	require.NoError(t, err)
	require.Equal(t, one, other, "the same episode follows")
	counted, err := actor.Call0(ctx, board, (*learning.Board).Counters)
	require.NoError(t, err)
	require.Equal(t, 2*cfg.Judged, counted.Episodes)
}
