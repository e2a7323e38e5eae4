package table

import (
	"errors"
	"fmt"
	"math"
)

// A Limiter says when a table takes inserts and gives samples, by how many
// there have been of each. The rules are those of Reverb's rate limiter
// (Cassirer et al., "Reverb: A Framework for Experience Replay", 2021,
// section 3.3): what an insert allows in samples, less the samples, stays
// between MinDiff and MaxDiff, once there have been MinSize items.
type Limiter struct {
	MinSize          int     // items that must be there for a sample
	Ratio            float64 // samples per insert
	MinDiff, MaxDiff float64 // bounds of Ratio × inserts − samples; infinite ones bind nothing
	// Unread says that an item which goes without having been sampled counts
	// as never inserted, as in a queue.
	Unread bool
}

// MinSize lets samples through once there are n items, and all inserts.
func MinSize(n int) Limiter {
	return Limiter{MinSize: n, Ratio: 1, MinDiff: math.Inf(-1), MaxDiff: math.Inf(1)}
}

// SampleToInsertRatio holds the samples at ratio times the inserts, up to an
// error of buffer, once there are n items.
func SampleToInsertRatio(ratio float64, n int, buffer float64) Limiter {
	middle := ratio * float64(n)
	return Limiter{MinSize: n, Ratio: ratio, MinDiff: middle - buffer, MaxDiff: middle + buffer}
}

// Queue lets inserts be at most n ahead of the samples.
func Queue(n int) Limiter {
	return Limiter{MinSize: 1, Ratio: 1, MinDiff: 0, MaxDiff: float64(n), Unread: true}
}

// validate says why a table of at most most items, each sampled at most times (0: without end), could come to a stand-still for good.
func (l Limiter) validate(most, times int) error {
	switch {
	case l.MinSize < 1:
		return errors.New("the limiter's least number of items must be at least 1")
	case l.MinSize > most:
		return fmt.Errorf("the limiter waits for %d items, and the table holds at most %d: no sample would ever be given", l.MinSize, most)
	case !(l.Ratio > 0) || math.IsInf(l.Ratio, 0):
		return fmt.Errorf("the limiter's samples per insert are %v: they must be more than 0", l.Ratio)
	case l.Unread && l.MaxDiff < 1:
		return fmt.Errorf("the limiter lets %v items wait: a queue must have room for at least 1", l.MaxDiff)
	case !(l.MinDiff < l.MaxDiff):
		return fmt.Errorf("the limiter's error buffer leaves nothing between %v and %v", l.MinDiff, l.MaxDiff)
	case l.Unread && l.MaxDiff > float64(most):
		return fmt.Errorf("the limiter lets %v items wait, and the table holds at most %d: unread ones would be lost", l.MaxDiff, most)
	case l.Unread:
		return nil
	case l.MaxDiff-l.MinDiff < 2*max(1, l.Ratio):
		return fmt.Errorf("the limiter's error buffer must be at least %v: with less, inserts and samples would come to wait for each other", max(1, l.Ratio))
	case times > 0 && l.Ratio > float64(times) && !math.IsInf(l.MaxDiff, 1):
		return fmt.Errorf("the limiter waits for %v samples per insert, and an item is sampled at most %d times: inserts would come to wait for ever", l.Ratio, times)
	}
	return nil
}

// Counts are what has happened to a table since it was made or reset.
type Counts struct {
	Inserts, Samples, Deletes uint64 // a delete is any way in which an item went
	Unread                    uint64 // deletes of items that had not been sampled
}

// inserts are those that count.
func (l Limiter) inserts(c Counts) float64 {
	if l.Unread {
		return float64(c.Inserts - c.Unread)
	}
	return float64(c.Inserts)
}

// mayInsert tells whether one more item may come.
func (l Limiter) mayInsert(c Counts) bool {
	if c.Inserts+1-c.Deletes <= uint64(l.MinSize) {
		return true
	}
	return l.Ratio*(l.inserts(c)+1)-float64(c.Samples) <= l.MaxDiff
}

// maySample tells whether one more sample may be given.
func (l Limiter) maySample(c Counts) bool {
	if c.Inserts-c.Deletes < uint64(l.MinSize) {
		return false
	}
	return l.Ratio*l.inserts(c)-float64(c.Samples)-1 >= l.MinDiff
}
