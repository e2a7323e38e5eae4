//go:build linux && hosts

package clustertest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

// tally is what a log file says of one writer.
type tally struct {
	received, declared int
	bytes              int64
	lost               bool // the last line, short enough to be held back until it fits
}

// numbered reads a log file and checks its numbers: each line follows the one before, or a gap says what is missing. Lines
// number themselves, too.
func numbered(t *testing.T, path string) (c tally) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<16)
	at := 0
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return c
		}
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if parts[0] == "#" || parts[2] == "agent" {
			continue
		}
		number, err := strconv.Atoi(parts[1])
		require.NoError(t, err)
		text := parts[3]
		c.lost = false
		c.bytes += int64(len(text))
		if parts[2] == "gap" {
			var missing, bytes int
			_, err := fmt.Sscanf(strings.Replace(text, "lines", "line", 1), "WARN  %d line (%d bytes)", &missing, &bytes)
			require.NoError(t, err)
			c.lost = bytes < 1<<20
			require.Equal(t, at+missing, number, "a gap stands where its lines would be")
			c.declared += missing
		} else {
			require.Equal(t, at+1, number, "%s: %.100s", path, line)
			c.received++
			own, _, _ := strings.Cut(strings.TrimPrefix(text, "INFO  "), " ")
			require.Equal(t, parts[1], own, "its own number: %.100s", line)
		}
		at = number
	}
}

// counted is how much a host's talker has counted.
func counted(t *testing.T, h *hosts.Host, at int) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Home, programs.TalkCount))
	require.NoError(t, err)
	if len(b) < at+8 {
		return 0
	}
	return int(binary.BigEndian.Uint64(b[at:]))
}

// Lines received and lines declared missing are together the lines written, whoever is killed in the middle of them.
func TestNoLineIsLostUnsaid(t *testing.T) {
	const seed = 4
	random := rand.New(rand.NewPCG(seed, seed))
	c := up(t, 8)
	perSecond := 10_000
	if raceEnabled { // which does a tenth of the work in the time
		perSecond = 1000
	}
	for round, flags := range [][]string{
		nil, // all of them write as fast as they should
		{"-log-rate", "20000"},
		{"-log-rate", "-1"},
	} {
		t.Run(fmt.Sprint(round, flags), func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"talk", "-for", "2s", "-per-second", strconv.Itoa(perSecond), "-logs", dir, "-log-level", "ERROR", "-quiet"}, flags...)
			var killed []string
			if round > 0 {
				when := time.Duration(500+random.IntN(1000)) * time.Millisecond
				for _, i := range random.Perm(len(c.Hosts))[:1+random.IntN(3)] {
					killed = append(killed, c.Hosts[i].Name)
					args = append(args, "-kill", fmt.Sprintf("%s=%v", c.Hosts[i].Name, when+time.Duration(random.IntN(50))*time.Millisecond))
				}
			}
			r := launch(t, nil, testprog(t), append(args, c.ssh()...)...)
			want := 0
			if killed != nil {
				want = 137
			}
			require.Equal(t, want, r.status, "seed %d, killed %v", seed, killed)
			var all tally
			written := 0
			for i, h := range c.Hosts {
				for at, path := range map[int]string{programs.TalkPrints: "@" + h.Name + ".log", programs.TalkLogs: fmt.Sprintf("talker-%d.log", i)} {
					got, count := numbered(t, filepath.Join(dir, path)), counted(t, h, at)
					sum := got.received + got.declared
					// A process that is killed between a line and its count has written one more, or a part of one.
					require.True(t, sum == count || sum == count+1 && killed != nil, "%s: %d received and %d declared, %d written (killed %v)", path, got.received, got.declared, count, killed)
					require.False(t, got.lost, "the last line always comes, unless it is one of a megabyte")
					all.received, all.declared, all.bytes = all.received+got.received, all.declared+got.declared, all.bytes+got.bytes
					written += count
				}
			}
			if len(flags) > 0 && flags[1] == "20000" {
				require.Positive(t, all.declared)
			}
			if flags != nil && flags[1] == "-1" {
				require.Zero(t, all.declared)
			}
			t.Logf("seed %d: killed %v; %d lines written, %d received (%d MB), %d declared missing", seed, killed, written, all.received, all.bytes>>20, all.declared)
			c.requireClean(t)
		})
	}
}
