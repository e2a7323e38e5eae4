package metrics

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
	"github.com/tartrl/tlaunch-go/remote"
)

func TestMain(m *testing.M) { leak.Main(m) }

// scrape is what Prometheus would read, without comments.
func scrape(t *testing.T, c *Collector) []string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(c))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 200, w.Code, w.Body)
	var lines []string
	for _, l := range strings.Split(w.Body.String(), "\n") {
		if l != "" && !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	return lines
}

func nodes() actor.Stats {
	return actor.Stats{
		FailedTells: 1, BadTraces: 30, DeadLetters: 2, Deadlocks: 3, Pending: 4,
		Nodes: []actor.NodeStats{{
			Key: "sum/0", Messages: 5, Bytes: 6, Queued: 7, QueuedBytes: 26, Waiting: 8, Waits: 9, Waited: 1500 * time.Millisecond,
			Failures: map[string]uint64{"failed": 10},
		}},
		Ways: []actor.WayStats{
			{Node: "far/0", Address: "a:1", Messages: 11, Bytes: 12, Out: 13, OutBytes: 14, Waiting: 15, Waits: 16, Waited: time.Second},
			{Node: "far/0", Address: "a:2", Messages: 1, Waited: time.Second},
		},
	}
}

func links() remote.Stats {
	return remote.Stats{
		Peers: []remote.PeerStats{{
			Address: "b:1", Name: "host1", Links: 1, SentMessages: 17, SentBytes: 18, ReceivedMessages: 19, ReceivedBytes: 20, ResentMessages: 21,
			QueuedMessages: 22, QueuedBytes: 23, Streams: 31, OpenedStreams: 32, Waits: 24, Waited: 250 * time.Millisecond, RoundTrip: 2 * time.Millisecond,
			Drops: map[remote.Reason]uint64{remote.NoProcess: 25},
		}, {
			Address: "b:0", Name: "host1", SentMessages: 1, RoundTrip: time.Hour, // where it was before
		}},
		Forgotten: remote.PeerStats{SentMessages: 26},
		Refused:   map[remote.Reason]uint64{remote.RefusedIdentity: 27}, Connections: 28, Handshakes: 29,
	}
}

func TestCollector(t *testing.T) {
	got := scrape(t, New(nodes, links))
	require.Subset(t, got, []string{
		`tlaunch_failed_tells_total 1`, `tlaunch_bad_traces_total 30`, `tlaunch_dead_letters_total 2`, `tlaunch_deadlocks_total 3`, `tlaunch_pending_calls 4`,
		`tlaunch_node_messages_total{node="sum/0"} 5`, `tlaunch_node_bytes_total{node="sum/0"} 6`, `tlaunch_node_queued_messages{node="sum/0"} 7`, `tlaunch_node_queued_bytes{node="sum/0"} 26`,
		`tlaunch_node_waiting_senders{node="sum/0"} 8`, `tlaunch_node_waits_total{node="sum/0"} 9`, `tlaunch_node_wait_seconds_total{node="sum/0"} 1.5`,
		`tlaunch_node_failures_total{node="sum/0",reason="failed"} 10`,
		`tlaunch_credit_messages_total{node="far/0"} 12`, `tlaunch_credit_bytes_total{node="far/0"} 12`, `tlaunch_credit_out_messages{node="far/0"} 13`,
		`tlaunch_credit_out_bytes{node="far/0"} 14`, `tlaunch_credit_waiting_messages{node="far/0"} 15`, `tlaunch_credit_waits_total{node="far/0"} 16`,
		`tlaunch_credit_wait_seconds_total{node="far/0"} 2`,
		`tlaunch_links{peer="host1"} 1`, `tlaunch_link_sent_messages_total{peer="host1"} 18`, `tlaunch_link_sent_bytes_total{peer="host1"} 18`,
		`tlaunch_link_received_messages_total{peer="host1"} 19`, `tlaunch_link_received_bytes_total{peer="host1"} 20`,
		`tlaunch_link_resent_messages_total{peer="host1"} 21`, `tlaunch_link_queued_messages{peer="host1"} 22`, `tlaunch_link_queued_bytes{peer="host1"} 23`,
		`tlaunch_link_streams{peer="host1"} 31`, `tlaunch_link_opened_streams_total{peer="host1"} 32`,
		`tlaunch_link_waits_total{peer="host1"} 24`, `tlaunch_link_wait_seconds_total{peer="host1"} 0.25`, `tlaunch_link_round_trip_seconds{peer="host1"} 0.002`,
		`tlaunch_link_drops_total{peer="host1",reason="no_process"} 25`, `tlaunch_link_sent_messages_total{peer="other"} 26`,
		`tlaunch_refused_total{reason="identity"} 27`, `tlaunch_connections 28`, `tlaunch_handshakes 29`,
	})
	for _, m := range all {
		require.Contains(t, strings.Join(got, "\n"), m.name)
	}
	require.Len(t, scrape(t, New(nil, nil)), 7, "those without labels")
}

// However many nodes and peers there are, whatever they are called: the series are bounded, and those that have a name keep it.
func TestLabelsAreBounded(t *testing.T) {
	first := 0
	c := NewLimited(Limit{Names: 2}, func() actor.Stats {
		var s actor.Stats
		for i := first; i < 1000; i++ {
			s.Nodes = append(s.Nodes, actor.NodeStats{Key: fmt.Sprintf("n\xff/%d", i), Messages: 1})
		}
		return s
	}, func() remote.Stats {
		var s remote.Stats
		for i := first; i < 1000; i++ {
			s.Peers = append(s.Peers, remote.PeerStats{Address: fmt.Sprintf("a:%d", i), SentMessages: 1, Links: 1, RoundTrip: 1})
		}
		return s
	})
	lines := scrape(t, c)
	require.Subset(t, lines, []string{
		"tlaunch_node_messages_total{node=\"n\uFFFD/0\"} 1", "tlaunch_node_messages_total{node=\"n\uFFFD/1\"} 1", `tlaunch_node_messages_total{node="other"} 998`,
		`tlaunch_link_sent_messages_total{peer="a:0"} 1`, `tlaunch_link_sent_messages_total{peer="other"} 998`,
	})
	require.Less(t, len(lines), 100)
	first = 1
	require.Subset(t, scrape(t, c), []string{
		"tlaunch_node_messages_total{node=\"n\uFFFD/1\"} 1", `tlaunch_node_messages_total{node="other"} 998`,
	}, "the first has gone, and gives its name to nobody")

	none := NewLimited(Limit{Names: -1}, nodes, links)
	require.Contains(t, scrape(t, none), `tlaunch_node_messages_total{node="other"} 5`)
}

// docs/observe.md lists all metrics as they are.
func TestPageListsMetrics(t *testing.T) {
	page, err := os.ReadFile("../docs/observe.md")
	require.NoError(t, err)
	for _, m := range all {
		kind := "gauge"
		if m.kind == prometheus.CounterValue {
			kind = "counter"
		}
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		require.Contains(t, string(page), fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.name, kind, labels, m.help))
	}
	require.Equal(t, len(all), strings.Count(string(page), "\n| `tlaunch_"), "and no others")
}
