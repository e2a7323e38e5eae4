package remote

import (
	"maps"
	"sync"
	"time"
)

// strikes remember from where callers come who have to be turned away, or whose links end because of what they say on them. An address with
// too many of them is not listened to for a while: its connections are hung up on as they come, which costs a tenth of finding out what is
// wrong with them. See newStrikes.
type strikes struct {
	most int // that an address may have

	mu   sync.Mutex
	from map[string]strike
}

// A strike is how many an address had at a time; they are forgiven one by one.
type strike struct {
	count float64
	at    time.Time
}

const (
	forgiven   = 16      // strikes in a second
	maxStrikes = 4 << 10 // addresses that are remembered
)

func newStrikes(most int) *strikes { return &strikes{most: most, from: map[string]strike{}} }

func (s strike) now(t time.Time) float64 {
	return max(0, s.count-forgiven*t.Sub(s.at).Seconds())
}

// add notes a strike. Of a flood of addresses not all are remembered.
func (s *strikes) add(from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := time.Now()
	old, known := s.from[from]
	if !known && len(s.from) >= maxStrikes {
		maps.DeleteFunc(s.from, func(_ string, o strike) bool { return o.now(t) == 0 })
		if len(s.from) >= maxStrikes {
			return
		}
	}
	s.from[from] = strike{min(old.now(t), float64(s.most)) + 1, t}
}

// out reports whether an address has too many.
func (s *strikes) out(from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.from[from]
	return known && old.now(time.Now()) >= float64(s.most)
}
