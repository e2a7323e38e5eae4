package learning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Board is a node that counts what actors and learners do. While they
// report it writes, every so often and at the end, a line with the counters to
// the log, and to a file as JSON. Its zero value is ready to be added to a
// program.
type Board struct {
	// Every is the time between lines, at least. Zero: 5 s; negative: only the one at the end.
	Every time.Duration
	// JSON is the absolute path of a file on the node's host, to which each line is appended as a JSON object of [Counters]. Empty: none.
	JSON string
	// Window is of how many episodes, the last ones, there are means. Zero and less: 100.
	Window int

	began   time.Time
	told    time.Time // when the last line was written
	counts  Counters
	recent  map[string][]float64 // returns, by group
	behind  []float64            // versions, of the last episodes
	history []Counters
}

// Counters are what a [Board] has counted since the run began, and in the runs that this one goes on with.
type Counters struct {
	Seconds   float64            `json:"seconds"`
	Steps     int                `json:"steps"`     // of environments
	Episodes  int                `json:"episodes"`  // that have ended
	Updates   int                `json:"updates"`   // of weights
	Version   uint64             `json:"version"`   // of the newest weights, in this run
	Staleness float64            `json:"staleness"` // mean over the last episodes: how many versions behind the newest the actor was at their end
	Lives     map[string]int     `json:"lives"`     // how often each actor has begun: one more than it was started again
	Returns   map[string]float64 `json:"returns"`   // mean of the last episodes, by group; not a number while one of theirs is none
}

// MarshalJSON is the counters with null for what is no number, which JSON has no other word for: the mean of returns of which one is none.
func (c Counters) MarshalJSON() ([]byte, error) {
	type plain Counters
	shown := struct {
		plain
		Returns map[string]*float64 `json:"returns"`
	}{plain: plain(c)}
	if c.Returns != nil {
		shown.Returns = map[string]*float64{}
	}
	for group, v := range c.Returns {
		if shown.Returns[group] = &v; math.IsNaN(v) || math.IsInf(v, 0) {
			shown.Returns[group] = nil
		}
	}
	return json.Marshal(shown)
}

// A Played is an episode, as an actor reports it.
type Played struct {
	Group string // whose mean it belongs to: all that act alike
	Episode
}

// A Learned is what a learner reports.
type Learned struct {
	Updates int    // since it last did
	Version uint64 // of the newest weights; 0: as before
}

const mostHistory = 1024

// Check refuses a path that is not absolute when a program is checked, before anything starts: a host's process works in a folder that is
// removed with the run.
func (b *Board) Check() error {
	if b.JSON == "" || filepath.IsAbs(b.JSON) || strings.HasPrefix(b.JSON, "/") { // on the launcher's system, or on that of the hosts
		return nil
	}
	return fmt.Errorf("Board.JSON is %q: give the whole path on the node's host; a host's process works in a folder that is removed with the run", b.JSON)
}

// Start makes the board ready. The file must be one that can be written.
func (b *Board) Start(context.Context) error {
	if b.Window <= 0 {
		b.Window = 100
	}
	if b.Every == 0 {
		b.Every = 5 * time.Second
	}
	b.began = time.Now()
	b.told = b.began
	b.counts.Lives, b.counts.Returns, b.recent = map[string]int{}, map[string]float64{}, map[string][]float64{}
	if b.JSON == "" {
		return nil
	}
	f, err := os.OpenFile(b.JSON, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// Begin counts that an actor of a name begins, and returns how often it has,
// this time included: one that is started again seeds its randomness with
// that, so as not to do the same again.
func (b *Board) Begin(_ context.Context, actor string) (life int, err error) {
	b.counts.Lives[actor]++
	return b.counts.Lives[actor], nil
}

// Played counts an episode.
func (b *Board) Played(ctx context.Context, p Played) error {
	b.counts.Steps += p.Steps
	b.counts.Episodes++
	b.recent[p.Group] = last(b.recent[p.Group], p.Return, b.Window)
	b.counts.Returns[p.Group] = mean(b.recent[p.Group])
	behind := 0.0
	if p.Version < b.counts.Version {
		behind = float64(b.counts.Version - p.Version)
	}
	b.behind = last(b.behind, behind, b.Window)
	b.counts.Staleness = mean(b.behind)
	return b.tellIfDue(ctx)
}

// Learned counts updates.
func (b *Board) Learned(ctx context.Context, l Learned) error {
	b.counts.Updates += l.Updates
	b.counts.Version = max(b.counts.Version, l.Version)
	return b.tellIfDue(ctx)
}

// Restore adds what an earlier run has counted, which this one goes on with. Versions and means begin anew.
func (b *Board) Restore(_ context.Context, earlier Counters) error {
	b.began = b.began.Add(-time.Duration(earlier.Seconds * float64(time.Second)))
	b.counts.Steps += earlier.Steps
	b.counts.Episodes += earlier.Episodes
	b.counts.Updates += earlier.Updates
	for name, lives := range earlier.Lives {
		b.counts.Lives[name] += lives
	}
	return nil
}

// Counters are what was counted until now.
func (b *Board) Counters(context.Context) (Counters, error) { return b.now(), nil }

// History are the counters as they were when lines were written, the earliest
// first. Of many only every other is kept, again and again.
func (b *Board) History(context.Context) ([]Counters, error) { return slices.Clone(b.history), nil }

// Stop writes the last line.
func (b *Board) Stop(ctx context.Context) error { return b.tell(ctx) }

func (b *Board) now() Counters {
	c := b.counts
	c.Seconds = time.Since(b.began).Seconds()
	c.Lives, c.Returns = maps.Clone(c.Lives), maps.Clone(c.Returns)
	return c
}

func (b *Board) tellIfDue(ctx context.Context) error {
	if b.Every < 0 || time.Since(b.told) < b.Every {
		return nil
	}
	return b.tell(ctx)
}

func (b *Board) tell(ctx context.Context) error {
	b.told = time.Now()
	c := b.now()
	b.history = append(b.history, c)
	if len(b.history) > mostHistory {
		kept := b.history[:0]
		for i := 0; i < len(b.history); i += 2 {
			kept = append(kept, b.history[i])
		}
		b.history = kept
	}
	attrs := []any{"seconds", int(c.Seconds), "steps", c.Steps, "episodes", c.Episodes, "updates", c.Updates, "version", c.Version, "staleness", tenth(c.Staleness)}
	for _, group := range slices.Sorted(maps.Keys(c.Returns)) {
		attrs = append(attrs, group, tenth(c.Returns[group]))
	}
	slog.InfoContext(ctx, "progress", attrs...)
	if b.JSON == "" {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(b.JSON, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// tenth is a number with one decimal.
func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// last appends to the last n.
func last(v []float64, x float64, n int) []float64 {
	if len(v) == n {
		v = append(v[:0], v[1:]...)
	}
	return append(v, x)
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
