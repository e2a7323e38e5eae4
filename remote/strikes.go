package remote

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"syscall"
	"time"
)

// strikes remember from where callers come who have to be turned away, or whose links end because of what they say on them. An address with
// too many of them is not listened to for a while: its connections are hung up on as they come, which costs a tenth of finding out what is
// wrong with them. They remember too how long the rubbish takes that an address sends, see rest. See newStrikes.
type strikes struct {
	most int // that an address may have

	mu   sync.Mutex
	from map[string]strike
}

// A strike is how many an address had at a time; they are forgiven one by one.
type strike struct {
	count  float64
	at     time.Time
	rested time.Time // when all that it has sent for nothing may have been read
}

const (
	forgiven   = 16      // strikes in a second
	maxStrikes = 4 << 10 // addresses that are remembered

	offence = 1.0
	hangUp  = 1.0 / 8 // honest callers give up as well, though not by the hundred
)

// weightOf is what a caller that was not let in is held for.
func weightOf(err error) float64 {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.Canceled) {
		return hangUp
	}
	return offence
}

func newStrikes(most int) *strikes { return &strikes{most: most, from: map[string]strike{}} }

func (s strike) now(t time.Time) float64 {
	return max(0, s.count-forgiven*t.Sub(s.at).Seconds())
}

// add notes a strike, or a part of one. Of a flood of addresses not all are remembered.
func (s *strikes) add(from string, weight float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := time.Now()
	old := s.from[from]
	s.noteLocked(from, t, strike{min(old.now(t), float64(s.most)) + weight, t, old.rested})
}

func (s *strikes) noteLocked(from string, t time.Time, now strike) {
	if _, known := s.from[from]; !known && len(s.from) >= maxStrikes {
		maps.DeleteFunc(s.from, func(_ string, o strike) bool { return o.now(t) == 0 && !o.rested.After(t) })
		if len(s.from) >= maxStrikes {
			return
		}
	}
	s.from[from] = now
}

// out reports whether an address has too many.
func (s *strikes) out(from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.from[from]
	return known && old.now(time.Now()) >= float64(s.most)
}

// rest is how long whoever has sent something for nothing is not to be read from, if that takes so long: all from one address take turns,
// so that many connections are no faster than one. An empty address is by itself.
func (s *strikes) rest(from string, takes time.Duration) time.Duration {
	if from == "" {
		return min(takes, rubbishPause)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := time.Now()
	old := s.from[from]
	begin := t
	if old.rested.After(t) {
		begin = old.rested
	}
	rested := begin.Add(min(takes, rubbishPause))
	if latest := t.Add(rubbishPause); rested.After(latest) {
		rested = latest
	}
	s.noteLocked(from, t, strike{old.now(t), t, rested})
	return rested.Sub(t)
}
