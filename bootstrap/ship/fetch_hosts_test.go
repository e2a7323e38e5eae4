//go:build linux && hosts

package ship

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// passOn answers as a [Source] does, with content.
func passOn(t *testing.T, token string, content []byte) Source {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				line, err := in.ReadString('\n')
				switch {
				case err != nil:
				case line == token+"\n":
					_, _ = conn.Write(content)
				case strings.HasPrefix(line, "GET /"+token+" HTTP/1."):
					for strings.TrimSpace(line) != "" {
						line, _ = in.ReadString('\n')
					}
					_, _ = fmt.Fprintf(conn, "HTTP/1.0 %d OK\r\nContent-Length: %d\r\n\r\n", http.StatusOK, len(content))
					_, _ = conn.Write(content)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return Source{Host: "127.0.0.1", Port: port, Token: token}
}

// A host fetches the file with whatever it has.
func TestFetch(t *testing.T) {
	b := openBinary(t, hello)
	content, err := os.ReadFile(b.Path)
	require.NoError(t, err)
	for _, means := range [][]string{{"bash", "timeout"}, {"curl"}, {"wget"}, {"python3"}, {"bash", "curl"}} {
		t.Run(fmt.Sprint(means), func(t *testing.T) {
			s := bareWith(t, means)
			c := s.Client(t)
			p := probe(t, c)
			in := func(name string) Platform { return only(p, filepath.Join(s.Home, name)) }
			path, err := Fetch(t.Context(), c, in("good"), b, passOn(t, "ABC234", content))
			require.NoError(t, err)
			require.Equal(t, filepath.Join(s.Home, "good", b.SHA256), path)
			require.Equal(t, "hello from linux\n", output(t, c, path))

			_, err = Fetch(t.Context(), c, in("other"), b, passOn(t, "ABC234", content[1:]))
			require.ErrorIs(t, err, ErrNotFetched, "it is not the file")
			wrong := passOn(t, "ABC234", content)
			wrong.Token = "CBA432"
			_, err = Fetch(t.Context(), c, in("other"), b, wrong)
			require.ErrorIs(t, err, ErrNotFetched)
			nobody, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			_, port, err := net.SplitHostPort(nobody.Addr().String())
			require.NoError(t, err)
			require.NoError(t, nobody.Close())
			_, err = Fetch(t.Context(), c, in("other"), b, Source{Host: "127.0.0.1", Port: port, Token: "ABC234"})
			require.ErrorIs(t, err, ErrNotFetched)
			left, err := os.ReadDir(filepath.Join(s.Home, "other"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestFetchWithoutMeans(t *testing.T) {
	b := openBinary(t, hello)
	for _, c := range []struct{ with, without []string }{{nil, nil}, {[]string{"bash"}, nil}, {[]string{"curl"}, []string{"openssl", "sha256sum"}}} {
		s := bareWith(t, c.with, c.without...)
		client := s.Client(t)
		_, err := Fetch(t.Context(), client, probe(t, client), b, passOn(t, "ABC234", nil))
		require.ErrorIs(t, err, ErrNoMeans)
		path, err := Put(t.Context(), client, probe(t, client), b, nil)
		require.NoError(t, err)
		require.Equal(t, "hello from linux\n", output(t, client, path))
	}
}
