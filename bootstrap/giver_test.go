package bootstrap

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGiver(t *testing.T) {
	const token = "ABC234"
	in, orders := io.Pipe()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- give(in, out, []string{"program", "mark-"}) }()
	_, err := fmt.Fprintln(orders, token, "127.0.0.1", 0, 0)
	require.NoError(t, err)
	beating := make(chan struct{})
	go func() { // ends with orders; a giver whose launcher falls silent ends, and a busy machine may take long
		defer close(beating)
		every := time.NewTicker(giverSilence / 10)
		defer every.Stop()
		for err := error(nil); err == nil; {
			<-every.C
			_, err = io.WriteString(orders, ".")
		}
	}()
	lines := bufio.NewReader(said)
	_, err = lines.ReadString('\n') // ends what a start file has left without end
	require.NoError(t, err)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	port, marked := strings.CutPrefix(strings.TrimSpace(line), "mark-")
	require.True(t, marked, line)
	address := net.JoinHostPort("127.0.0.1", port)

	exe, err := os.Executable()
	require.NoError(t, err)
	content, err := os.ReadFile(exe)
	require.NoError(t, err)
	want := sha256.Sum256(content)

	plain := func(request string) []byte {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		if err != nil {
			require.Empty(t, got)
		}
		return got
	}
	require.Equal(t, want, sha256.Sum256(plain(token+"\n")))
	for _, bad := range []string{"\n", "ABC23\n", "ABC2345\n", "GET / HTTP/1.1\r\n\r\n", "GET /ABC HTTP/1.0\r\n\r\n", strings.Repeat("x", 10<<10) + "\n"} {
		require.Empty(t, plain(bad), bad)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address + "/" + token)
	require.NoError(t, err)
	got, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, int64(len(content)), answer.ContentLength)
	require.Equal(t, want, sha256.Sum256(got))

	silent, err := net.Dial("tcp", address) // whoever says nothing holds nobody up
	require.NoError(t, err)
	defer silent.Close()
	require.NoError(t, orders.Close())
	<-beating
	require.NoError(t, <-ended)
	_, err = net.Dial("tcp", address)
	require.Error(t, err)
}

func TestGiverOrders(t *testing.T) {
	require.Error(t, give(strings.NewReader("TOKEN 127.0.0.1 0 0\n"), io.Discard, []string{"program"}))
	for _, orders := range []string{"", "TOKEN", "TOKEN 127.0.0.1\n", "TOKEN 127.0.0.1 a b\n"} {
		require.Error(t, give(strings.NewReader(orders), io.Discard, []string{"program", "mark-"}), orders)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	require.Error(t, give(strings.NewReader(fmt.Sprintln("TOKEN 127.0.0.1", taken, taken)), io.Discard, []string{"program", "mark-"}))
}

// A giver whose launcher falls silent ends.
func TestGiverHeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		began := time.Now()
		go func() {
			for range 10 {
				time.Sleep(giverSilence / 2)
				_, _ = io.WriteString(w, ".")
			}
		}()
		heed(r, giverSilence)
		require.Equal(t, 6*giverSilence, time.Since(began))
		require.NoError(t, w.Close())
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("TOKEN\n"))
	f.Add([]byte("GET /TOKEN HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		token, overHTTP := parseRequest(line)
		require.LessOrEqual(t, len(token), len(line))
		if overHTTP {
			require.Contains(t, string(line), "HTTP/1.")
		}
	})
}
