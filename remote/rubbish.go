package remote

import "time"

// What a stock peer sends that means nothing is read no faster than this, so that it does not take the processors from those who mean something;
// and is held against the address from which it comes.
const (
	rubbishRate  = 8 << 20 // bytes a second
	rubbishPause = time.Second
	rubbishBytes = 1 << 20 // of a strike
)

// meaningless reports reasons that only a peer is to blame for, or another release: others are part of everyday life.
func (r Reason) meaningless() bool {
	switch r {
	case BadEnvelope, BadSerializer, BadPayload, UnknownType, Reserved, BadSystem:
		return true
	}
	return false
}

// rubbishPauseFor is how long a link's reader rests after so many bytes of rubbish.
func rubbishPauseFor(bytes int) time.Duration {
	return min(time.Duration(bytes)*time.Second/rubbishRate, rubbishPause)
}

// wasted holds bytes against who sent them, and rests, while the link lives.
func (l *link) wasted(bytes int) {
	if l.network != "" {
		for range bytes / rubbishBytes {
			l.e.strikes.add(l.network)
		}
	}
	timer := time.NewTimer(rubbishPauseFor(bytes))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.over:
	}
}
