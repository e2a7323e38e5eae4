package remote

import "time"

// A stride is how much of large messages goes into one write: nothing passes what is being written, so the slower a connection takes it the
// shorter the stride, down to one chunk. Its zero value is the longest.
type stride struct{ shorter uint }

const (
	longStep  = time.Millisecond // a write that takes longer makes the next one half as long
	shortStep = longStep / 4     // one that takes less, twice
	shortest  = 2                // times that a stride is halved
)

func (s stride) bytes() int { return loadBytes >> s.shorter }

// took says how long the last write has taken.
func (s *stride) took(d time.Duration) {
	switch {
	case d > longStep:
		s.shorter = min(s.shorter+1, shortest)
	case d < shortStep && s.shorter > 0:
		s.shorter--
	}
}
