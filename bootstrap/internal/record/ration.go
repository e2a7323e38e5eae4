package record

import "time"

// recordCost is what a record weighs beside its text.
const recordCost = 64

// ration decides which lines fit under a rate of bytes per second. It reads no clock: whoever asks says what time it is.
//
// Two seconds' worth may come at once. Once that is used up nothing fits until a quarter of a second's worth has gathered again, so
// that what is missing is missing in few places. A line that fits is taken whole, and its excess, up to a second's worth, is paid back.
type ration struct {
	rate int64 // bytes per second; zero and less: whatever comes fits

	budget float64
	at     time.Time // of budget; zero: full
	short  bool      // used up, and not yet gathered again
}

// fits says whether a line may begin at now.
func (r *ration) fits(now time.Time) bool {
	if r.rate <= 0 {
		return true
	}
	r.gather(now)
	if r.short && r.budget >= float64(r.rate)/4 {
		r.short = false
	}
	return !r.short
}

// take uses up bytes of a line that was let in.
func (r *ration) take(now time.Time, bytes int) {
	if r.rate <= 0 {
		return
	}
	r.gather(now)
	r.budget = max(r.budget-float64(bytes), -float64(r.rate))
	if r.budget <= 0 {
		r.short = true
	}
}

func (r *ration) gather(now time.Time) {
	most := 2 * float64(r.rate)
	if r.at.IsZero() {
		r.budget = most
	} else if d := now.Sub(r.at); d > 0 {
		r.budget = min(most, r.budget+d.Seconds()*float64(r.rate))
	}
	r.at = now
}
