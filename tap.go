package tlaunch

import "sync"

// tap is where the records of a run pass by, whether they come from hosts or
// were logged in this process. It is safe for concurrent use.
type tap struct {
	lines *lastLines

	mu      sync.Mutex
	files   *logFiles // nil: none are kept
	numbers map[speaker]uint64
}

func newTap() *tap { return &tap{lines: newLastLines(), numbers: map[speaker]uint64{}} }

// fill makes what passes by go into files, too.
func (t *tap) fill(files *logFiles) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.files = files
}

func (t *tap) add(r Record) {
	t.lines.add(r)
	t.mu.Lock()
	files := t.files
	t.mu.Unlock()
	if files != nil {
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
	t.mu.Lock()
	files := t.files
	t.files = nil
	t.mu.Unlock()
	if files != nil {
		files.close()
	}
}
