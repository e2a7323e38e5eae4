package tlaunch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

func TestCallsFromOutside(t *testing.T) {
	everywhere(t, func(t *testing.T, kind Option) {
		ctx := within(t)
		run := launched(t, idleProgram, starConfig{Key: NewSecret("opens")}, kind)
		another := launched(t, idleProgram, starConfig{}, kind)
		require.NotEqual(t, run.ID(), another.ID())

		first, err := Find[*hub](run, "hub", 0)
		require.NoError(t, err)
		second, err := Find[*hub](run, "hub", 1)
		require.NoError(t, err)
		other, err := Find[*hub](another, "hub", 0)
		require.NoError(t, err)
		for range 3 {
			_, err := actor.Call(ctx, first, (*hub).Add, 2)
			require.NoError(t, err)
		}
		_, err = actor.Call(ctx, other, (*hub).Add, 100)
		require.NoError(t, err)

		a, err := actor.Call0(ctx, first, (*hub).Report)
		require.NoError(t, err)
		b, err := actor.Call0(ctx, second, (*hub).Report)
		require.NoError(t, err)
		require.Equal(t, 6, a.Sum, "two runs at once know nothing of each other")
		require.Equal(t, 0, b.Sum)
		require.Equal(t, []string{"host1", "host2"}, []string{a.Host, b.Host})
		require.Equal(t, "opens", a.Key)
		if newSettings([]Option{kind}).kind == processes {
			require.NotEqual(t, a.Pid, b.Pid)
			require.NotEqual(t, a.Pid, fmt.Sprint(os.Getpid()))
		}

		for _, ref := range []actor.Ref[*hub]{first, second, first} {
			_, err = actor.Call(ctx, second, (*hub).Same, ref)
			require.NoError(t, err)
		}
		kinds, err := actor.Call(ctx, second, (*hub).Same, second)
		require.NoError(t, err)
		require.Equal(t, 2, kinds, "a ref equals itself wherever it was sent")

		require.NoError(t, run.Stop(ctx))
		_, err = actor.Call0(ctx, first, (*hub).Report)
		require.ErrorIs(t, err, actor.ErrStopped)
	})
}

func TestFind(t *testing.T) {
	d := define(t, "find", func(p *Program, _ int) error {
		s := Add(p, "store", &store{})
		AddFunc(p, "func", func(ctx context.Context, _ actor.Ref[*store]) error { <-ctx.Done(); return nil }, s)
		AddProps(p, "raw", protoactor.PropsFromFunc(func(protoactor.Context) {}))
		return nil
	})
	run := launched(t, d, 0)
	_, err := Find[*store](run, "store", 0)
	require.NoError(t, err)
	byInterface, err := Find[adder](run, "store", 0)
	require.NoError(t, err)
	sum, err := actor.Call(within(t), byInterface, adder.Add, 4)
	require.NoError(t, err)
	require.Equal(t, 4, sum)
	_, err = Find[Func](run, "func", 0)
	require.NoError(t, err)
	raw, err := Find[actor.PropsNode](run, "raw", 0)
	require.NoError(t, err)
	pid, err := raw.PID()
	require.NoError(t, err)
	require.Equal(t, "raw/0", pid.Id)

	_, err = Find[*store](run, "store", 1)
	require.ErrorIs(t, err, actor.ErrNoNode)
	_, err = Find[*store](run, "stores", 0)
	require.ErrorIs(t, err, actor.ErrNoNode)
	_, err = Find[*hub](run, "store", 0)
	require.ErrorIs(t, err, actor.ErrNoMethod)
	require.ErrorContains(t, err, "node store/0 is a *tlaunch.store, not a *tlaunch.hub")
	_, err = Find[fmt.Stringer](run, "store", 0)
	require.ErrorIs(t, err, actor.ErrNoMethod)
	_, err = Find[*store](run, "raw", 0)
	require.ErrorIs(t, err, actor.ErrNoMethod)
}

// origin knows in which call of the program's function its node was made. A function is compared by its name alone.
type origin struct{ build func() int }

func (o *origin) Build(context.Context) (int, error) { return o.build(), nil }

func TestHostsOfOneProcessShareNoValues(t *testing.T) {
	builds := 0
	d := define(t, "builds", func(p *Program, _ int) error {
		builds++
		n := builds
		for _, h := range p.Hosts() {
			Add(p, "origin", &origin{func() int { return n }}, On(h))
			Add(p, "origin", &origin{func() int { return n }}, On(h))
		}
		return nil
	}, LocalHosts(3))
	run := launched(t, d, 0)
	seen := map[int]int{}
	for i := range 6 {
		ref, err := Find[*origin](run, "origin", i)
		require.NoError(t, err)
		n, err := actor.Call0(within(t), ref, (*origin).Build)
		require.NoError(t, err)
		seen[n]++
	}
	require.Equal(t, map[int]int{2: 2, 3: 2, 4: 2}, seen, "one build for each host, after the one that was checked")
}

type keeper struct{ last []byte }

func (k *keeper) Put(_ context.Context, b []byte) error { k.last = b; return nil }

func (k *keeper) Get(context.Context) ([]byte, error) { return k.last, nil }

func TestEncodedFindsBytesThatAreKeptWithoutAsking(t *testing.T) {
	d := define(t, "keeper", func(p *Program, _ int) error { Add(p, "keeper", &keeper{}); return nil })
	k, err := Find[*keeper](launched(t, d, 0, Encoded()), "keeper", 0)
	require.NoError(t, err)
	sent := bytes.Repeat([]byte("x"), 100)
	require.NoError(t, actor.Do(within(t), k, (*keeper).Put, sent))
	got, err := actor.Call0(within(t), k, (*keeper).Get)
	require.NoError(t, err)
	require.NotEqual(t, sent, got)
	require.Equal(t, bytes.Repeat([]byte("x"), 100), sent)
}

type squarer struct{ to actor.Ref[*store] }

func (s *squarer) Run(ctx context.Context) error {
	n, err := actor.CallBatched(ctx, s.to, (*store).Square, 7)
	if err == nil && n != 49 {
		err = fmt.Errorf("7 squared is not %d", n)
	}
	return err
}

func TestBatchedMethods(t *testing.T) {
	d := define(t, "batched", func(p *Program, _ int) error {
		s := Add(p, "store", &store{}, Batched((*store).Square, 2, 0))
		Add(p, "squarer", &squarer{s})
		Add(p, "squarer", &squarer{s})
		return nil
	})
	require.NoError(t, launched(t, d, 0).Wait(within(t)))
}

func TestInvitingIntoARunInOneProcess(t *testing.T) {
	_, err := launched(t, idleProgram, starConfig{}).Invite("guest", 1)
	require.ErrorContains(t, err, "launch it with Processes or SSH")
}
