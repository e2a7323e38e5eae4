package programs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/topology"
	"github.com/tartrl/tlaunch-go/topology/collective"
)

// EditionsConfig is for [Editions].
type EditionsConfig struct {
	Bytes    int           // of a version
	Versions int           // how many the first member publishes
	Every    time.Duration // how often
	Victim   int           // the member whose process dies; -1: none
	After    time.Duration // since it has begun
}

// Editor is a member of a chain, the first of which publishes.
type Editor struct {
	collective.Member
	cfg EditionsConfig
}

// Run tells what was sent, or read.
func (e *Editor) Run(ctx context.Context) error {
	if e.Rank() == e.cfg.Victim {
		time.AfterFunc(e.cfg.After, die)
	}
	if e.Rank() == 0 {
		return e.publish(ctx)
	}
	r, err := collective.NewReader(ctx, e, 0, "data")
	if err != nil {
		return err
	}
	read, last := 0, int64(0)
	for number := uint64(0); ; read++ {
		v, err := r.Next(ctx, number)
		if errors.Is(err, collective.ErrEnded) && ctx.Err() == nil {
			break
		}
		if err != nil {
			return err
		}
		version, err := tensor.Values[int64](v.Tensors["data"])
		if err != nil {
			return err
		}
		for i, n := range version {
			if n != version[0] || n <= last {
				return fmt.Errorf("place %d of version %d has %d, after %d", i, version[0], n, last)
			}
		}
		number, last = v.Number, version[0]
	}
	slog.InfoContext(ctx, "read", "rank", e.Rank(), "last", last, "versions", read, "whole", r.Stats().Versions)
	return r.Close(ctx)
}

func (e *Editor) publish(ctx context.Context) error {
	p, err := collective.NewPublisher(ctx, e, "data")
	if err != nil {
		return err
	}
	data := make([]int64, e.cfg.Bytes/8)
	ticks := time.NewTicker(e.cfg.Every)
	defer ticks.Stop()
	for version := 1; version <= e.cfg.Versions; version++ {
		for i := range data {
			data[i] = int64(version)
		}
		if _, err := p.Publish(map[string]tensor.Tensor{"data": tensor.Of(data)}); err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = p.Close(ctx)
	slog.InfoContext(ctx, "published", "copies", fmt.Sprintf("%.2f", float64(p.Stats().SentBytes)/float64(e.cfg.Bytes)))
	return err
}

// Editions has a member on each host; the run goes on while two are left.
var Editions = tlaunch.Define("editions", func(p *tlaunch.Program, cfg EditionsConfig) error {
	p.OnFailure("member", tlaunch.KeepAtLeast(2))
	return oneOnEach(p, topology.Chain(), func() *Editor { return &Editor{cfg: cfg} })
})
