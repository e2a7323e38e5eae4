package tlaunch

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

type credentials struct {
	User   string
	Key    Secret[string]
	Bytes  Secret[[]byte]
	Nested struct{ Numbers Secret[map[string]int] }
}

// inside has its secrets where package fmt calls no methods.
type inside struct {
	key   Secret[string]
	bytes Secret[[]byte]
	any   any
}

func TestSecretsAreNotSeen(t *testing.T) {
	const value = "hunter2"
	cfg := credentials{User: "me", Key: NewSecret(value), Bytes: NewSecret([]byte(value))}
	cfg.Nested.Numbers = NewSecret(map[string]int{value: 2})
	in := inside{cfg.Key, cfg.Bytes, cfg.Key}
	hidden := func(text string) {
		t.Helper()
		require.NotContains(t, text, value)
		require.NotContains(t, text, fmt.Sprintf("%x", value))
		require.NotContains(t, text, fmt.Sprintf("%v", []byte(value)))
		require.NotContains(t, text, fmt.Sprintf("%#v", []byte(value)))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T", "%p", "%b", "%c", "%t", "%08.3f", "%!"} {
		for _, v := range []any{cfg.Key, &cfg.Key, cfg, &cfg, cfg.Bytes, []any{cfg.Nested.Numbers}, in, &in, map[string]inside{"a": in}} {
			hidden(fmt.Sprintf(verb, v))
		}
		hidden(fmt.Errorf("configuration "+verb+": %w", cfg, io.EOF).Error())
	}
	require.Equal(t, "(secret) (secret) (secret) (secret)", fmt.Sprintf("%v %d %#v %s", cfg.Key, cfg.Key, cfg.Key, cfg.Key))
	require.Equal(t, redacted, cfg.Key.String())

	b, err := json.Marshal(map[string]any{"cfg": cfg, "in": in})
	require.NoError(t, err)
	hidden(string(b))
	text, err := cfg.Key.MarshalText()
	require.NoError(t, err)
	hidden(string(text))

	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).With("key", cfg.Key).Info("configured", "cfg", cfg, "in", in, "ref", &cfg, slog.Group("g", "key", cfg.Bytes))
	}
	hidden(log.String())
	require.Contains(t, log.String(), "key=(secret)")
}

func TestSecretsTravelInConfigurations(t *testing.T) {
	cfg := credentials{User: "me", Key: NewSecret("k"), Bytes: NewSecret([]byte("b"))}
	cfg.Nested.Numbers = NewSecret(map[string]int{"b": 2, "a": 1})
	data, err := actor.Encode(cfg)
	require.NoError(t, err)
	again, err := actor.Encode(cfg)
	require.NoError(t, err)
	require.Equal(t, data, again, "maps have one order")
	var got credentials
	require.NoError(t, actor.Decode(data, &got))
	require.Equal(t, "k", got.Key.Reveal())
	require.Equal(t, []byte("b"), got.Bytes.Reveal())
	require.Equal(t, map[string]int{"a": 1, "b": 2}, got.Nested.Numbers.Reveal())

	var zero credentials
	data, err = actor.Encode(zero)
	require.NoError(t, err)
	require.NoError(t, actor.Decode(data, &got))
	require.Empty(t, got.Key.Reveal())
	require.Empty(t, got.Nested.Numbers.Reveal())
}

func TestSecretsThatCannotTravel(t *testing.T) {
	type opaque struct{ hidden int }
	_, err := actor.Encode(struct{ S Secret[opaque] }{NewSecret(opaque{1})})
	require.ErrorIs(t, err, actor.ErrCannotTravel, "what would be lost is refused, in a secret too")
	var s Secret[int]
	require.Error(t, s.UnmarshalCBOR([]byte{0x61, 'x'}))
}

func TestSecretsAreNoPartOfFingerprints(t *testing.T) {
	graph := func(key string, sum int) *graph {
		g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
			Add(p, "hub", &hub{key: NewSecret(key), sum: sum}, Named("Nabe"))
		})
		require.NoError(t, err)
		return g
	}
	one := graph("a", 1)
	require.Equal(t, one.fingerprint(), graph("a", 1).fingerprint(), "stable")
	require.Equal(t, one.fingerprint(), graph("b", 1).fingerprint(), "a secret does not count")
	require.NotEqual(t, one.fingerprint(), graph("a", 2).fingerprint())
	require.NoError(t, differs(one.summary, graph("b", 1).summary, "here", "there"))
}

func TestSecretsFromFlags(t *testing.T) {
	var cfg credentials
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	var usage strings.Builder
	fs.SetOutput(&usage)
	fs.Var(&cfg.Key, "key", "`key` to the door")
	fs.Var(&cfg.Bytes, "bytes", "more")
	require.NoError(t, fs.Parse([]string{"-key", "k", "-bytes=b"}))
	require.Equal(t, "k", cfg.Key.Reveal())
	require.Equal(t, []byte("b"), cfg.Bytes.Reveal())
	var d Secret[time.Duration]
	require.ErrorContains(t, d.Set("1s"), "cannot be set from text")
	fs.PrintDefaults()
	require.NotContains(t, usage.String(), "hunter2")
}

func TestOrdersAreNotPrinted(t *testing.T) {
	// Errors and logs name hosts and runs, never orders. Should somebody print them all the same, secrets are bytes of
	// an encoded configuration, which Printf would show: so orders print as what they are for.
	o := orders{Run: "run-1", Program: "p", Host: "host1", Config: []byte("hunter2")}
	o.Credentials.KeyPEM = []byte("PRIVATE KEY")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(verb, o)
		require.Equal(t, "orders for host1 in run run-1", text)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("orders", "orders", o)
	require.Contains(t, log.String(), `orders="orders for host1 in run run-1"`)
	require.ErrorContains(t, errors.New(fmt.Sprint(o)), "orders for host1")
}
