package tlaunch

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

func TestInvitationsAreNotSeen(t *testing.T) {
	i, err := invitation{Run: "run-1", Addresses: []string{"127.0.0.1:1"}, Secret: [16]byte{1, 2, 3}}.text()
	require.NoError(t, err)
	body := strings.TrimPrefix(string(i), invitationMark)
	require.NotEmpty(t, body)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, i), body)
		require.NotContains(t, fmt.Sprintf(verb, struct{ I Invitation }{i}), body)
		require.NotContains(t, fmt.Sprintf(verb, i), fmt.Sprintf("%x", body))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("invited", "with", i)
	require.NotContains(t, log.String(), body)
	got, err := Invitation(" " + string(i) + "\n").parse()
	require.NoError(t, err)
	require.Equal(t, "run-1", got.Run)
}

func TestInvitationsThatDoNotParse(t *testing.T) {
	for _, bad := range []Invitation{"", "hello", "tlaunch1", "tlaunch1:", "tlaunch1:!!!", "tlaunch1:AAAA"} {
		_, err := Connect(t.Context(), bad)
		require.Equal(t, StatusUsage, ExitStatus(err), "%q: %v", string(bad), err)
	}
	empty, err := invitation{Run: "run-1"}.text()
	require.NoError(t, err)
	_, err = Redeem(t.Context(), empty)
	require.ErrorContains(t, err, "joining run run-1: no host of it is known")
}

func FuzzInvitation(f *testing.F) {
	good, err := invitation{Run: "run-1", Addresses: []string{"127.0.0.1:1"}}.text()
	require.NoError(f, err)
	f.Add(string(good))
	f.Add("tlaunch1:")
	f.Add("tlaunch1:gA")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Invitation(text).parse()
		if err != nil {
			return
		}
		again, err := v.text()
		require.NoError(t, err)
		w, err := again.parse()
		require.NoError(t, err)
		require.Equal(t, v, w)
	})
}

func TestGuests(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	run := launched(t, idleProgram, starConfig{Key: NewSecret("k")}, procs)
	_, err := run.Invite("Bad Name", time.Minute)
	require.Equal(t, StatusUsage, ExitStatus(err))
	_, err = run.Invite("guest", 0)
	require.Equal(t, StatusUsage, ExitStatus(err))

	i, err := run.Invite("guest", time.Minute)
	require.NoError(t, err)
	c, err := Connect(ctx, i)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(ctx)) }()
	require.Equal(t, run.ID(), c.Run())
	h, err := Find[*hub](c, "hub", 1)
	require.NoError(t, err)
	sum, err := actor.Call(ctx, h, (*hub).Add, 3)
	require.NoError(t, err)
	require.Equal(t, 3, sum)
	own, err := Find[*hub](run, "hub", 1)
	require.NoError(t, err)
	sum, err = actor.Call(ctx, own, (*hub).Add, 4)
	require.NoError(t, err)
	require.Equal(t, 7, sum, "the same node")
	_, err = Find[*store](c, "hub", 0)
	require.ErrorIs(t, err, actor.ErrNoMethod)
	_, err = Find[*hub](c, "hub", 9)
	require.ErrorIs(t, err, actor.ErrNoNode)

	_, err = Redeem(ctx, i)
	require.ErrorIs(t, err, remote.ErrJoin, "once")
	late, err := run.Invite("late", time.Nanosecond)
	require.NoError(t, err)
	_, err = Redeem(ctx, late)
	require.ErrorIs(t, err, remote.ErrJoin, "expired")
	forged, err := i.parse()
	require.NoError(t, err)
	forged.Secret[0]++
	text, err := forged.text()
	require.NoError(t, err)
	_, err = Redeem(ctx, text)
	require.ErrorIs(t, err, remote.ErrJoin, "made up")
	forged.Pin[0]++
	text, err = forged.text()
	require.NoError(t, err)
	_, err = Redeem(ctx, text)
	require.Error(t, err)
	require.NotErrorIs(t, err, remote.ErrJoin, "another authority is not even asked")

	stock, err := run.Invite("stock", time.Minute)
	require.NoError(t, err)
	g, err := Redeem(ctx, stock)
	require.NoError(t, err)
	require.Len(t, g.Members, 2)
	require.Equal(t, "test-idle", g.Program)
	cfg, err := g.TLS()
	require.NoError(t, err)
	require.NotEmpty(t, cfg.Certificates)

	require.NoError(t, run.Stop(ctx))
	_, err = actor.Call(ctx, h, (*hub).Add, 1)
	require.ErrorIs(t, err, actor.ErrUnreachable)
	_, err = run.Invite("after", time.Minute)
	require.ErrorIs(t, err, actor.ErrStopped)
}

// FuzzRedeemRequest decodes what a caller without certificate may say.
func FuzzRedeemRequest(f *testing.F) {
	for _, r := range []redeemRequest{{}, {Secret: [16]byte{1}, CSR: []byte("x")}, {Ticket: []byte("t")}} {
		b, err := actor.Encode(r)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte{0xbf})
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r redeemRequest
		if actor.Decode(b, &r) != nil {
			return
		}
		again, err := actor.Encode(r)
		require.NoError(t, err)
		var same redeemRequest
		require.NoError(t, actor.Decode(again, &same))
	})
}
