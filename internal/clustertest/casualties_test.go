//go:build linux && hosts

package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// The process of a member dies in the middle of an AllReduce around a ring; then that of the first of all, in one along two
// trees. All that are left have the same bits and name the same members, and so they do in the one after these.
func TestAllReduceSurvives(t *testing.T) {
	t.Parallel()
	rate, bytes := aSecond()
	c := up(t, 5, rate)
	r := launch(t, nil, testprog(t), append([]string{"sums", "-bytes", fmt.Sprint(bytes), "-victim", "2", "-victim", "0"}, c.ssh()...)...)
	require.Zero(t, r.status)
	for round, want := range []struct {
		ranks   []string
		missing string
	}{
		{[]string{"0", "1", "3", "4"}, "member/2"},
		{[]string{"1", "3", "4"}, "member/0,member/2"},
		{[]string{"1", "3", "4"}, "member/0,member/2"},
	} {
		found := regexp.MustCompile(fmt.Sprintf(`summed rank=(\d) round=%d missing=(\S*) bits=(\S+) took=(\S+)`, round)).FindAllStringSubmatch(r.out, -1)
		var ranks []string
		for _, f := range found {
			t.Log(f[0])
			ranks = append(ranks, f[1])
			require.Equal(t, want.missing, f[2])
			require.Equal(t, found[0][3], f[3], "the same bits")
			took, err := time.ParseDuration(f[4])
			require.NoError(t, err)
			require.Less(t, took, longest)
		}
		require.ElementsMatch(t, want.ranks, ranks, "round %d", round)
	}
	c.requireCleanWithin(t, allGone)
}

// longest is what an operation of a second that loses a member may take on a busy machine.
const longest = time.Minute

// aSecond is a rate of links, and how much they carry in about a second; with the race detector, for which that is too much to add up and to compare, less of both.
func aSecond() (rate hosts.Option, bytes int) {
	if raceEnabled {
		return hosts.Rate("80mbit"), 6 << 20
	}
	return hosts.Rate("200mbit"), 20 << 20
}

// Between two hosts in the middle of a chain the connection that carries most is reset again and again, and then nothing goes through for 2.5 s, while the first
// broadcasts again and again: all arrives, and no operation says anything of it.
func TestBroadcastOutlivesConnections(t *testing.T) {
	t.Parallel()
	rate, bytes := aSecond()
	c := up(t, 4, rate)
	until := filepath.Join(c.Hosts[0].Home, "until")
	l := start(t, nil, testprog(t), append([]string{"torrent", "-bytes", fmt.Sprint(bytes), "-until", until}, c.ssh()...)...)
	above, below := c.Hosts[1], c.Hosts[2]
	for range 3 {
		killBusiest(t, l, below, above)
	}
	above.Drop(below)
	<-time.After(2500 * time.Millisecond)
	above.Undrop(below)
	require.NoError(t, os.WriteFile(until, nil, 0o600))
	r := l.wait()
	require.Zero(t, r.status)
	rounds := strings.Count(r.out, "whole rank=0 ")
	for rank := range 4 {
		for round := range rounds {
			require.Contains(t, r.out, fmt.Sprintf("whole rank=%d round=%d last=%v ", rank, round, round == rounds-1))
		}
	}
	for _, line := range regexp.MustCompile(`whole rank=[03] .*`).FindAllString(r.out, -1) {
		t.Log(line)
	}
	c.requireCleanWithin(t, allGone)
}

// killBusiest waits until a MiB has come at a host on one connection from another, while it looks, and resets that.
func killBusiest(t *testing.T, l *launcher, at, from *hosts.Host) {
	t.Helper()
	before := received(t, at, from)
	late := time.After(runPatience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for ports, bytes := range received(t, at, from) {
			if bytes-before[ports] < 1<<20 {
				continue
			}
			out, err := at.Command("ss", "-KHtn", "dst", from.IP, "sport", "=", ports.local, "dport", "=", ports.remote).CombinedOutput()
			require.NoError(t, err, string(out))
			if strings.Contains(string(out), from.IP) { // it may have ended before
				t.Logf("ended behind %d bytes: %s", bytes, strings.Join(strings.Fields(string(out)), " "))
				return
			}
		}
		select {
		case <-tick.C:
		case <-l.done:
			t.Fatal("the run has ended")
		case <-late:
			t.Fatal("nothing carries a MiB")
		}
	}
}

// ports are those of a connection.
type ports struct{ local, remote string }

var socketLine = regexp.MustCompile(`\S+:(\d+) +\S+:(\d+) .*\bbytes_received:(\d+)`)

// received is what has come at a host from another on each connection.
func received(t *testing.T, at, from *hosts.Host) map[ports]int {
	t.Helper()
	out, err := at.Command("ss", "-tinHO", "dst", from.IP).CombinedOutput()
	require.NoError(t, err, string(out))
	all := map[ports]int{}
	for _, m := range socketLine.FindAllStringSubmatch(string(out), -1) {
		bytes, err := strconv.Atoi(m[3])
		require.NoError(t, err)
		all[ports{":" + m[1], ":" + m[2]}] = bytes
	}
	return all
}
