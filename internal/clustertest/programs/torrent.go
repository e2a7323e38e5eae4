package programs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// TorrentConfig is for [Torrent].
type TorrentConfig struct {
	Bytes int    // of a broadcast
	Until string // a file; the last broadcast begins when the first member sees it
}

// Drinker is a member of a chain along which the first broadcasts again and again.
type Drinker struct {
	collective.Member
	cfg TorrentConfig
}

// Run tells what has arrived. Nothing may be missing.
func (d *Drinker) Run(ctx context.Context) error {
	data := make([]int64, d.cfg.Bytes/8)
	for round, last := 0, false; !last; round++ {
		clear(data)
		if d.Rank() == 0 {
			for i := range data {
				data[i] = torrentAt(round, i)
			}
			if _, err := os.Stat(d.cfg.Until); err == nil {
				data[0] = 1
			}
		}
		began := time.Now()
		if err := collective.Broadcast(ctx, d, 0, data); err != nil {
			return err
		}
		took := time.Since(began)
		last = data[0] == 1
		for i, n := range data[1:] {
			if want := torrentAt(round, i+1); n != want {
				return fmt.Errorf("member %d has %x in place %d after broadcast %d, and not %x", d.Rank(), n, i+1, round, want)
			}
		}
		slog.InfoContext(ctx, "whole", "rank", d.Rank(), "round", round, "last", last, "took", took.Round(time.Millisecond))
	}
	return nil
}

// torrentAt is in a place of a broadcast, and nowhere else; in the first is whether it is the last.
func torrentAt(round, i int) int64 {
	if i == 0 {
		return 0
	}
	return int64(round)<<32 | int64(i)
}

// Torrent has a member on each host, and ends when one does.
var Torrent = tlaunch.Define("torrent", func(p *tlaunch.Program, cfg TorrentConfig) error {
	return oneOnEach(p, topology.Chain(), func() *Drinker { return &Drinker{cfg: cfg} })
})
