package remote

import "time"

// What a peer sends that means nothing is read no faster than this, from one address, so that it does not take the processors from those who
// mean something; and is held against that address.
const (
	rubbishRate  = 8 << 20 // bytes a second
	rubbishPause = 15 * time.Second
	rubbishBytes = 1 << 20 // of a strike

	// frameCost is what a frame counts for that means nothing, beside its bytes: to find that out costs something also where it is empty.
	frameCost = 1 << 10
	// rubbishDue is how much rubbish is gathered before the reader of frames rests.
	rubbishDue = 64 << 10
)

// meaningless reports reasons that only a peer is to blame for, or another release: others are part of everyday life.
func (r Reason) meaningless() bool {
	switch r {
	case BadFrame, BadEnvelope, BadSerializer, BadPayload, UnknownType, Reserved, BadSystem:
		return true
	}
	return false
}

// rubbishTime is how long so many bytes of rubbish may take.
func rubbishTime(bytes int) time.Duration {
	return time.Duration(bytes) * time.Second / rubbishRate
}

// wasted holds bytes against who sent them, from that network, and rests, while the link lives.
func (l *link) wasted(network string, bytes int) {
	if network != "" {
		l.e.strikes.add(network, float64(bytes)/rubbishBytes)
	}
	timer := time.NewTimer(l.e.strikes.rest(network, rubbishTime(bytes)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.over:
	case <-l.e.dialing.Done(): // it is closing, and what the peer has yet to say may be in order
	}
}
