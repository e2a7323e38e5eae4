package programs

import (
	"context"
	"fmt"
	"log/slog"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/transmit"
)

// VaultConfig is for [Vault].
type VaultConfig struct {
	Dir string // for checkpoints, on the second host
}

// Depositor inserts numbers, has them saved, and when the vault was started again holds it to what it must have kept.
type Depositor struct{ vault transmit.Ref }

// Run ends when it has seen a second life of the vault.
func (d *Depositor) Run(ctx context.Context) error {
	const step, together = 50, 500
	w, err := transmit.NewWriter(d.vault, transmit.WriterConfig{Keep: 1})
	if err != nil {
		return err
	}
	next, saved := int64(0), int64(0)
	for {
		for range step {
			if err := w.Append(transmit.Step{"n": transmit.Scalar(next)}); err != nil {
				return err
			}
			next++
			if err := w.Item(ctx, "t", 1, 1); ctx.Err() != nil {
				return err
			}
		}
		flushed := w.Flush(ctx) // while the vault is away, items may be lost
		info, err := transmit.Info(ctx, d.vault)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			slog.InfoContext(ctx, "asked again", "error", err)
			continue
		}
		if info.Checkpoint.Number > 0 && info.Checkpoint.Time.IsZero() { // it has one, and this life has made none
			slog.InfoContext(ctx, "there again", "checkpoint", info.Checkpoint.Number, "flush", flushed)
			return d.count(ctx, info.Tables[0].Items, saved, next)
		}
		if flushed != nil || next%together != 0 {
			continue
		}
		if _, err := transmit.Checkpoint(ctx, d.vault); err == nil {
			saved = next
			slog.InfoContext(ctx, "saved", "items", saved)
		}
	}
}

// count takes the items: all that were saved, and none twice.
func (d *Depositor) count(ctx context.Context, items int, saved, written int64) error {
	s := transmit.NewSampler(d.vault, "t", transmit.SamplerConfig{})
	defer s.Close(ctx)
	taken, err := s.Take(ctx, items)
	if err != nil {
		return err
	}
	before := int64(-1)
	for i, it := range taken {
		step, err := it.Step(0)
		if err != nil {
			return err
		}
		n, err := transmit.Values[int64](step["n"])
		if err != nil {
			return err
		}
		if n[0] <= before || n[0] >= written || n[0] != int64(i) && int64(i) < saved {
			return fmt.Errorf("item %d of %d is %d, after %d; %d were saved", i, len(taken), n[0], before, saved)
		}
		before = n[0]
	}
	if int64(items) < saved {
		return fmt.Errorf("%d items, and %d were saved", items, saved)
	}
	slog.InfoContext(ctx, "all that was saved is there", "items", items, "saved", saved)
	return nil
}

// Vault has a node with checkpoints on the second host, which may be started again, and who fills it on the first.
var Vault = tlaunch.Define("vault", func(p *tlaunch.Program, cfg VaultConfig) error {
	hosts := p.Hosts()
	vault := tlaunch.Add(p, "vault", transmit.NewNode(transmit.Config{
		Tables:      []transmit.Table{{Name: "t", MaxTimesSampled: 1}},
		Checkpoints: transmit.Checkpoints{Dir: cfg.Dir},
	}), tlaunch.On(hosts[1]), tlaunch.OnFailure(tlaunch.Restart(tlaunch.Restarts{Max: 3})))
	tlaunch.Add(p, "depositor", &Depositor{vault}, tlaunch.On(hosts[0]))
	return nil
}, tlaunch.LocalHosts(2))
