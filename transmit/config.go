package transmit

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// A Selector is a way to select items, for samples and for removal. The zero Selector is [FIFO].
type Selector struct {
	kind     table.Kind
	exponent float64
}

// FIFO selects the item that was inserted first.
func FIFO() Selector { return Selector{} }

// LIFO selects the item that was inserted last.
func LIFO() Selector { return Selector{kind: table.LIFO} }

// Uniform selects any item, all with the same probability.
func Uniform() Selector { return Selector{kind: table.Uniform} }

// Prioritised selects an item with a probability proportional to its priority
// to the power of exponent, which is 0 or more; while all priorities are 0, all
// items alike (Schaul et al., "Prioritized Experience Replay", 2016, section 3.3).
func Prioritised(exponent float64) Selector { return Selector{table.Prioritised, exponent} }

// MinHeap selects an item with the least priority; which of several is not said.
func MinHeap() Selector { return Selector{kind: table.MinHeap} }

// MaxHeap selects an item with the greatest priority; which of several is not said.
func MaxHeap() Selector { return Selector{kind: table.MaxHeap} }

// A Limiter says when a table takes inserts and gives samples. Who has to wait
// does so in the order of arrival. The zero Limiter is MinSize(1).
type Limiter struct{ rules table.Limiter }

// MinSize gives samples once the table has n items, and takes all inserts.
func MinSize(n int) Limiter { return Limiter{table.MinSize(n)} }

// SampleToInsertRatio gives samples once the table has n items, and then holds
// the number of samples at ratio times that of inserts: whichever is ahead by
// more than buffer samples waits. ratio is more than 0, buffer at least the greater of 1 and ratio.
func SampleToInsertRatio(ratio float64, n int, buffer float64) Limiter {
	return Limiter{table.SampleToInsertRatio(ratio, n, buffer)}
}

// QueueOf takes inserts while fewer than n items wait to be sampled, and gives
// samples while there are any. With [FIFO], LIFO and items that are sampled
// once it makes a queue or a stack; see [Queue], [Stack].
func QueueOf(n int) Limiter { return Limiter{table.Queue(n)} }

// A Table describes a table of a node.
type Table struct {
	Name    string   // required, unique in the node; UTF-8 of at most 256 bytes
	Sampler Selector // who is sampled; FIFO by default
	Remover Selector // who goes when there is no room; FIFO by default
	Limiter Limiter  // MinSize(1) by default
	// MaxItems is how many items the table holds. Zero: 1,000,000; negative is an error.
	MaxItems int
	// MaxBytes is how many bytes the steps of its items may have, each counted once. Zero: no limit; negative is an error.
	MaxBytes int64
	// MaxTimesSampled is how often an item is sampled before it goes. Zero: as often as one likes; negative is an error.
	MaxTimesSampled int
	// Columns say what each step has; an item with others is refused. None: steps are not looked into.
	Columns []Column
}

// Queue is a table whose items are sampled once, in the order of their
// insertion. Inserts wait while there are n.
func Queue(name string, n int) Table {
	return Table{Name: name, Limiter: QueueOf(n), MaxItems: n, MaxTimesSampled: 1}
}

// Stack is a table whose items are sampled once, the last first. Inserts wait
// while there are n.
func Stack(name string, n int) Table {
	t := Queue(name, n)
	t.Sampler, t.Remover = LIFO(), LIFO()
	return t
}

// rules are the table's, with the defaults.
func (t Table) rules() table.Config {
	c := table.Config{
		Sampler:  table.Selector{Kind: t.Sampler.kind, Exponent: t.Sampler.exponent},
		Remover:  table.Selector{Kind: t.Remover.kind, Exponent: t.Remover.exponent},
		Limiter:  t.Limiter.rules,
		MaxItems: t.MaxItems, MaxBytes: t.MaxBytes, MaxTimesSampled: t.MaxTimesSampled,
	}
	if c.MaxItems == 0 {
		c.MaxItems = 1_000_000
	}
	if t.Limiter == (Limiter{}) {
		c.Limiter = table.MinSize(1)
	}
	return c
}

const longestName = 256

func (t Table) validate() error {
	if t.Name == "" || len(t.Name) > longestName || !utf8.ValidString(t.Name) {
		return fmt.Errorf("its name must be UTF-8 of 1 to %d bytes", longestName)
	}
	names := map[string]bool{}
	for _, c := range t.Columns {
		if names[c.Name] {
			return fmt.Errorf("two columns are called %q", c.Name)
		}
		names[c.Name] = true
		if !c.Type.Known() {
			return fmt.Errorf("column %q has no type", c.Name)
		}
		for _, d := range c.Shape {
			if d < -1 {
				return fmt.Errorf("column %q has a dimension of %d: it must be 0 or more, or -1 for any", c.Name, d)
			}
		}
	}
	return t.rules().Validate()
}

// A Config describes a node.
type Config struct {
	Tables []Table
	// Checkpoints say where the node keeps what it has. The zero value: nowhere.
	Checkpoints Checkpoints
	// Seed makes the samples of a program with one order of requests the same each time. Zero: others each time.
	Seed uint64
	// Logger is told of checkpoints. Nil: the one that is slog's default when the node starts.
	Logger *slog.Logger
}

// Checkpoints say where and when a node saves all tables and registers. What
// it has is restored from there when it starts.
type Checkpoints struct {
	// Dir is the absolute path of a directory on the node's host, for this node of this program in one run at a time, that is made if need be. Empty: no checkpoints.
	// While a run uses it another waits for 15 s, in case it takes the place of the first, and then fails to start.
	Dir string
	// Every is the time between checkpoints. Zero and less: only when asked for, and at the end.
	Every time.Duration
	// Keep is how many good checkpoints there are at most. Zero: 2; negative is an error. With 1, one that is damaged later is not replaced by an older one.
	Keep int
}

// Check says what is wrong with the configuration: it is asked when a program
// is checked, before anything starts.
func (n *Node) Check() error {
	var errs []error
	names := map[string]bool{}
	for _, t := range n.config.Tables {
		if err := t.validate(); err != nil {
			errs = append(errs, fmt.Errorf("table %q: %w", t.Name, err))
		}
		if names[t.Name] {
			errs = append(errs, fmt.Errorf("two tables are called %q", t.Name))
		}
		names[t.Name] = true
	}
	if n.config.Checkpoints.Keep < 0 {
		errs = append(errs, errors.New("Checkpoints.Keep is negative"))
	}
	if dir := n.config.Checkpoints.Dir; dir != "" && !rooted(dir) {
		errs = append(errs, fmt.Errorf("Checkpoints.Dir is %q: give the whole path on the node's host; a host's process works in a folder that is removed with the run", dir))
	}
	return errors.Join(errs...)
}

// rooted tells whether a path is absolute on the launcher's system or on that of the hosts, which may be another.
func rooted(dir string) bool { return filepath.IsAbs(dir) || strings.HasPrefix(dir, "/") }
