package tlaunch

import (
	"sync"
	"sync/atomic"
)

// tap is where the records of a run pass by, whether they come from hosts or
// were logged in this process. It is safe for concurrent use.
type tap struct {
	lines *lastLines
	files atomic.Pointer[logFiles] // nil: none are kept

	mu      sync.Mutex
	numbers map[speaker]uint64
}

func newTap() *tap { return &tap{lines: newLastLines(), numbers: map[speaker]uint64{}} }

// fill makes what passes by go into files, too.
func (t *tap) fill(files *logFiles) { t.files.Store(files) }

func (t *tap) add(r Record) {
	t.lines.add(r)
	if files := t.files.Load(); files != nil {
		files.add(r)
	}
}

// number numbers a record of this process as a host would.
func (t *tap) number(r Record) Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := speaker{r.Host, r.Node}
	t.numbers[s]++
	r.NodeSeq = t.numbers[s]
	return r
}

// close closes the files, if there are any.
func (t *tap) close() {
	if files := t.files.Swap(nil); files != nil {
		files.close()
	}
}
