package remote

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/cputime"
)

// What a stream costs the processor at both ends together, beside a bare connection over loopback.

const (
	benchBytes = 64 << 20
	benchChunk = 256 << 10 // in a Write, behind a header, and asked for by a Read
)

// passBytes sends benchBytes one way and waits until they have come.
func passBytes(b *testing.B, from, to net.Conn, in []byte) {
	read := make(chan error, 1)
	go func() {
		var head [16]byte
		for n := 0; n < benchBytes; n += benchChunk {
			_, err := io.ReadFull(to, head[:])
			if err == nil {
				_, err = io.ReadFull(to, in)
			}
			if err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	out := make([]byte, benchChunk)
	for n := 0; n < benchBytes; n += benchChunk {
		if _, err := actor.WriteBuffers(from, net.Buffers{make([]byte, 16), out}); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, <-read)
}

// bare is a connection over loopback, with TLS where there is a configuration for both sides.
func bare(b *testing.B, config *tls.Config) (net.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	one, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	other, err := l.Accept()
	require.NoError(b, err)
	b.Cleanup(func() { one.Close(); other.Close() })
	if config == nil {
		return one, other
	}
	server, client := tls.Server(other, config), tls.Client(one, config)
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	require.NoError(b, client.Handshake())
	require.NoError(b, <-shaken)
	return client, server
}

// lender is a node that lends its end.
type lender struct{ conns chan net.Conn }

func (l *lender) Lend(ctx context.Context, conn net.Conn) error {
	l.conns <- conn
	<-ctx.Done()
	return nil
}

// streamOf is a stream between two endpoints.
func streamOf(b *testing.B, secure bool) (net.Conn, net.Conn) {
	to := &lender{make(chan net.Conn, 1)}
	var systems []*actor.System
	var tables []*actor.Table
	addressOfB := ""
	for range 2 {
		table := actor.NewTable()
		s := actor.NewSystem(actor.Config{Table: table, Locate: func(string) (string, error) { return addressOfB, nil }})
		b.Cleanup(func() { require.NoError(b, s.Close(context.Background())) })
		systems, tables = append(systems, s), append(tables, table)
	}
	p := tcpPair(b, func(x, y *Config) {
		x.InsecurePlaintext, y.InsecurePlaintext = true, true
		if secure {
			withTLS(b)(x, y)
		}
		x.System, y.System = systems[0].Actors(), systems[1].Actors()
		addressOfB = y.Address
	})
	systems[0].Attach(p.a)
	n, err := systems[1].Spawn(actor.Spec{Key: "b/0", Value: to})
	require.NoError(b, err)
	require.NoError(b, n.Start(b.Context()))
	conn, err := actor.Open(b.Context(), actor.NewRef[*lender](tables[0], "b/0"), (*lender).Lend)
	require.NoError(b, err)
	return conn, <-to.conns
}

func BenchmarkStream(b *testing.B) {
	config, err := issue(b, newAuthority(b, "r"), RoleHost, "h", 1).TLS(nil)
	require.NoError(b, err)
	for _, c := range []struct {
		name string
		make func(b *testing.B) (net.Conn, net.Conn)
	}{
		{"tcp", func(b *testing.B) (net.Conn, net.Conn) { return bare(b, nil) }},
		{"stream", func(b *testing.B) (net.Conn, net.Conn) { return streamOf(b, false) }},
		{"tls", func(b *testing.B) (net.Conn, net.Conn) { return bare(b, config) }},
		{"stream-tls", func(b *testing.B) (net.Conn, net.Conn) { return streamOf(b, true) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			from, to := c.make(b)
			in := make([]byte, benchChunk)
			passBytes(b, from, to, in) // buffers of the kernel, and records of TLS, have grown
			b.SetBytes(benchBytes)
			began := cputime.Used()
			for b.Loop() {
				passBytes(b, from, to, in)
			}
			b.ReportMetric(float64(cputime.Used()-began)/float64(b.N)/float64(time.Millisecond), "cpu-ms/op")
		})
	}
}
