package transmit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	leak.Main(m)
}

func TestEveryCaseHasARow(t *testing.T) {
	var out, table bytes.Buffer
	args := []string{"-json", "-duration", "5ms", "-items", "1000", "-bytes", "1048576", "-dir", t.TempDir()}
	require.Zero(t, Command(t.Context(), args, strings.NewReader(""), &out, &table), table.String())
	cases := map[string]row{}
	for line := range strings.Lines(out.String()) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r), line)
		require.Equal(t, "transmit", r.Bench)
		require.Equal(t, r.Target == nil, r.Met == nil)
		cases[r.Case] = r
		require.Contains(t, table.String(), r.Case)
	}
	for _, name := range []string{
		"insert/uniform/1 writers/one process", "insert/prioritised/8 writers/two processes", "sample/uniform/1 readers/one process",
		"sample/prioritised/4 readers/two processes", "insert/uniform/8 writers/two processes, no TLS", "bare connection/TCP", "bare connection/crypto/tls", "memory/uniform/1000 items", "prioritised/uniform", "checkpoint", "checkpoint/all waits",
	} {
		require.Contains(t, cases, name)
		require.Positive(t, cases[name].Value, name)
	}
	require.Len(t, cases, 3*2*2*2+2+4+1+1+3)
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-duration", "0s"}, {"-items", "1"}, {"-bytes", "1"}, {"more"}, {"-nonsense"}, {"-parts", "local,none"}} {
		var out, errs bytes.Buffer
		require.Equal(t, tlaunch.StatusUsage, Command(t.Context(), args, strings.NewReader(""), &out, &errs))
		require.NotEmpty(t, errs.String())
	}
	require.Zero(t, Command(t.Context(), []string{"-help"}, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}))
}

func TestPartsByName(t *testing.T) {
	var out bytes.Buffer
	t.Chdir(t.TempDir()) // folders may be named as they are from here
	require.Zero(t, Command(t.Context(), []string{"-parts", "checkpoint", "-bytes", "1048576", "-dir", "."}, strings.NewReader(""), &out, &out), out.String())
	require.Contains(t, out.String(), "checkpoint/all waits")
	require.NotContains(t, out.String(), "insert/")
}
