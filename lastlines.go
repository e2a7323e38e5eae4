package tlaunch

import (
	"strings"
	"sync"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

// What is kept of the last lines of a node, or of a host's process.
const (
	lastCount = 20
	lastBytes = 8 << 10
	lastWidth = 2 << 10 // of one line; what is longer is cut
)

// lastLines keeps the last lines of every node and process. It is safe for
// concurrent use.
type lastLines struct {
	mu   sync.Mutex
	kept map[speaker]*tail
}

// speaker is who wrote a line: a node by its display name, or a process.
type speaker struct{ host, node string }

func newLastLines() *lastLines { return &lastLines{kept: map[speaker]*tail{}} }

func (l *lastLines) add(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := speaker{r.Host, r.Node}
	if l.kept[s] == nil {
		l.kept[s] = &tail{}
	}
	l.kept[s].add(r)
}

// anew begins another life of a node or process: what an earlier one printed
// of its crash is not how this one ends.
func (l *lastLines) anew(s speaker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.kept[s]; t != nil {
		t.crash, t.crashed = nil, 0
	}
}

// of returns the last lines of a node or process.
func (l *lastLines) of(s speaker) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.kept[s]; t != nil {
		return t.lines()
	}
	return nil
}

// tail is the last records of a node or process, and of one whose Go runtime
// reported a crash the first ones of that report: it begins with what was
// wrong, and ends with goroutines by the hundred.
type tail struct {
	records []Record
	bytes   int
	crash   []Record
	crashed int // bytes of crash
}

func (t *tail) add(r Record) {
	if len(r.Text) > lastWidth {
		r.Text = strings.Clone(r.Text[:lastWidth]) + "…" // so that the long one can go
	}
	if t.crash != nil || r.Stream == bootstrap.Stderr && beginsCrash(r.Text) {
		if r.Stream == bootstrap.Stderr && len(t.crash) < lastCount && t.crashed < lastBytes {
			t.crash = append(t.crash, r)
			t.crashed += len(r.Text)
		}
	}
	t.records = append(t.records, r)
	t.bytes += len(r.Text)
	drop := 0
	for len(t.records)-drop > lastCount || t.bytes > lastBytes && len(t.records)-drop > 1 {
		t.bytes -= len(t.records[drop].Text)
		t.records[drop] = Record{}
		drop++
	}
	t.records = t.records[drop:]
}

// beginsCrash recognises the first line of what the Go runtime prints of a
// process that it ends.
func beginsCrash(line string) bool {
	for _, begin := range []string{"panic: ", "fatal error: ", "SIGSEGV: ", "SIGABRT: ", "SIGQUIT: "} {
		if strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

func (t *tail) lines() []string {
	from := t.records
	if t.crash != nil {
		from = t.crash
	}
	lines := make([]string, 0, len(from))
	for _, r := range from {
		for text := range strings.SplitSeq(r.Text, "\n") {
			r.Text = text
			lines = append(lines, r.Line())
			r.Attrs = nil // once, after the first line
		}
	}
	return lines[:min(len(lines), 2*lastCount)]
}
