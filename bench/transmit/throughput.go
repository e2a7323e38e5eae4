package transmit

import (
	"context"
	"errors"
	"fmt"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
)

const small, big = 1 << 10, 100 << 10

var sizes = []int{small, big}

// local measures inserts and samples in one process.
func local(ctx context.Context, c config, say func(row) error) error {
	return withDriver(ctx, plan{Sizes: sizes}, tlaunch.InProcess(tlaunch.LocalInventory(2)), func(d actor.Ref[*driver]) error {
		return cases(ctx, d, c, "one process", say)
	})
}

// apart measures them between two, whose links have TLS, after what a bare connection carries there.
func apart(ctx context.Context, c config, say func(row) error) error {
	return withDriver(ctx, plan{sizes, true}, tlaunch.Processes(tlaunch.LocalInventory(2)), func(d actor.Ref[*driver]) error {
		for _, b := range []struct {
			name   string
			secure bool
		}{{"TCP", false}, {"crypto/tls", true}} {
			f, err := actor.Call(ctx, d, (*driver).Pour, pour{b.secure, big, c.duration})
			if err != nil {
				return err
			}
			if err := say(row{Case: "bare connection/" + b.name, Size: big, Value: f.Rate * big / 1e9, Unit: "GB/s", Processor: f.Processor}); err != nil {
				return err
			}
		}
		return cases(ctx, d, c, "two processes", say)
	})
}

// clearly measures the same over links without TLS, which runs have none of: what is left is not the encryption's.
func clearly(ctx context.Context, c config, say func(row) error) error {
	return withDriver(ctx, plan{nil, true}, tlaunch.Processes(tlaunch.LocalInventory(2)), func(d actor.Ref[*driver]) error {
		if err := actor.Do(ctx, d, (*driver).Unseal, sizes); err != nil {
			return err
		}
		return cases(ctx, d, c, "two processes, no TLS", say)
	})
}

// withDriver runs the program for as long as do takes.
func withDriver(ctx context.Context, p plan, launch tlaunch.Option, do func(actor.Ref[*driver]) error) error {
	run, err := program.Launch(ctx, p, launch)
	if err != nil {
		return err
	}
	d, err := tlaunch.Find[*driver](run, "driver", 0)
	if err == nil {
		err = do(d)
	}
	return errors.Join(err, run.Stop(context.WithoutCancel(ctx)))
}

// cases measures inserts, and samples of what these have left.
func cases(ctx context.Context, d actor.Ref[*driver], c config, where string, say func(row) error) error {
	across := where != "one process"
	for _, size := range sizes {
		inserts := 0.0
		for _, s := range selectors {
			for _, sample := range []bool{false, true} {
				clients, what, unit := []int{1, 8}, "insert", "writers"
				if sample {
					clients, what, unit = []int{1, 4}, "sample", "readers"
				}
				for _, n := range clients {
					j := job{Table: tableName(size, s.name), Size: size, Clients: n, Sample: sample, Duration: c.duration}
					f, err := actor.Call(ctx, d, (*driver).Measure, j)
					if err != nil {
						return err
					}
					name, least := fmt.Sprintf("%s/%s/%d %s/%s", what, s.name, n, unit, where), 0.0
					if sample {
						least = inserts
					} else {
						inserts = max(inserts, f.Rate)
					}
					if err := rows(say, name, size, f, across, least); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// rows are items and bytes a second. Samples are to be no slower than inserts were.
func rows(say func(row) error, name string, size int, f found, across bool, inserts float64) error {
	items := row{Case: name, Size: size, Value: f.Rate, Unit: "items/s", Processor: f.Processor}
	bytes := row{Case: name, Size: size, Value: f.Rate * float64(size) / 1e9, Unit: "GB/s"}
	switch {
	case across && inserts > 0:
		items = items.atLeast(inserts)
	case across && size == small:
		items = items.atLeast(200_000)
	case across && size == big:
		bytes = bytes.atLeast(1.5)
	}
	return errors.Join(say(items), say(bytes))
}
