package transmit

import "fmt"

// A sight is a step that has to be looked into: whether it is what the columns of a table say.
type sight struct {
	shelf  *shelf
	number uint64
	bytes  []byte
}

// inspect looks into the steps of a request's windows where their tables have
// columns, and notes what is wrong. It is called with s.mu held and lets go of
// it meanwhile: decoding takes long, and bytes of steps never change. Other
// requests of the session wait for this one.
func (s *state) inspect(w *write) {
	sights := s.sights(w)
	if len(sights) == 0 {
		return
	}
	s.mu.Unlock()
	bad := map[*shelf]map[uint64]error{}
	for _, look := range sights {
		step, err := DecodeStep(look.bytes)
		if err == nil {
			err = checkColumns(look.shelf.columns, step)
		}
		if err == nil {
			continue
		}
		if bad[look.shelf] == nil {
			bad[look.shelf] = map[uint64]error{}
		}
		bad[look.shelf][look.number] = err
	}
	s.mu.Lock()
	for i, win := range w.windows {
		sh := s.tables[win.table]
		if sh == nil || len(sh.columns) == 0 {
			continue
		}
		if err := firstIn(bad[sh], win); err != nil {
			if w.faults == nil {
				w.faults = make([]error, len(w.windows))
			}
			w.faults[i] = err
			continue
		}
		if w.session.stream.Has(win.first, win.count) {
			w.session.checked[sh] = w.session.checked[sh].with(win)
		}
	}
}

// sights are the steps of a request's windows that are not known to be well, each once for a table.
func (s *state) sights(w *write) (found []sight) {
	stream := w.session.stream
	will := map[*shelf]span{} // be known
	for _, win := range w.windows {
		sh := s.tables[win.table]
		if sh == nil || len(sh.columns) == 0 || !stream.Has(win.first, win.count) {
			continue
		}
		known, begun := will[sh]
		if !begun {
			known = w.session.checked[sh]
		}
		for i := win.first; i < win.first+win.count; i++ {
			if i >= known.from && i < known.to {
				i = known.to - 1
				continue
			}
			found = append(found, sight{sh, i, stream.Step(i)})
		}
		will[sh] = known.with(win)
	}
	return found
}

// with is s and the steps of a window, if these are next to each other or overlap, and else those of the window.
func (s span) with(win window) span {
	end := win.first + win.count
	if win.first > s.to || end < s.from {
		return span{win.first, end}
	}
	return span{min(s.from, win.first), max(s.to, end)}
}

// firstIn is what is wrong with the first step of a window that has a fault.
func firstIn(bad map[uint64]error, win window) error {
	least, found := uint64(0), error(nil)
	for number, err := range bad {
		if number >= win.first && number-win.first < win.count && (found == nil || number < least) {
			least, found = number, fmt.Errorf("step %d of its writer: %w", number, err)
		}
	}
	return found
}
