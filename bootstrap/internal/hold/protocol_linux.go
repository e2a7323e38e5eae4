package hold

import (
	"errors"
	"strconv"
	"syscall"
	"time"
)

// The files that an init inherits. Those below FileWords are the worker's, in which they have the same numbers.
const (
	FileWords = 6 // what the init has to say: [Word]s
	FileBeats = 7 // the agent's beats; their content is of no matter
)

// Orders are what an init is told, in the value of [Variable].
type Orders struct {
	Namespace bool          // process 1 of a PID namespace; else a subreaper
	Patience  time.Duration // how long the agent may be silent, at least a millisecond
	FirstPID  int           // in a namespace: the worker's number is the next free one after this, so that workers differ
	Worker    string        // value of [Variable] in the worker
	Alone     string        // a variable of the environment that the worker is not to have; empty: none
}

// String is the value of [Variable].
func (o Orders) String() string {
	kind := "reaper"
	if o.Namespace {
		kind = "namespace"
	}
	words := RoleInit + "/" + kind + "/" + strconv.FormatInt(o.Patience.Milliseconds(), 10) + "/" + strconv.Itoa(o.FirstPID) + "/" + o.Worker
	if o.Alone != "" {
		words += "/" + o.Alone
	}
	return words
}

var errOrders = errors.New("bootstrap: init: " + Variable + " is set to something that no agent sets; unset it")

// ParseOrders reads the value of [Variable] in an init.
func ParseOrders(value string) (Orders, error) {
	var words [6]string
	n := 0
	for rest, more := value, true; more; n++ {
		if n == len(words) {
			return Orders{}, errOrders
		}
		words[n], rest, more = cut(rest, '/')
		if words[n] == "" {
			return Orders{}, errOrders
		}
	}
	if n < 5 || words[0] != RoleInit || words[1] != "namespace" && words[1] != "reaper" {
		return Orders{}, errOrders
	}
	patience, err := strconv.ParseInt(words[2], 10, 32)
	first, err2 := strconv.ParseInt(words[3], 10, 32)
	if err != nil || err2 != nil || patience <= 0 || first < 0 {
		return Orders{}, errOrders
	}
	return Orders{
		Namespace: words[1] == "namespace", Patience: time.Duration(patience) * time.Millisecond, FirstPID: int(first), Worker: words[4], Alone: words[5],
	}, nil
}

// Kind says what an init has to say.
type Kind byte

const (
	Started Kind = iota + 1 // the worker runs
	Failed                  // the worker was not started; the last word
	Ended                   // the worker has ended; the last word
)

// Word is what an init says to its agent.
type Word struct {
	Kind   Kind
	Step   Step               // Failed: what failed
	Errno  syscall.Errno      // Failed: why
	Status syscall.WaitStatus // Ended: how
	MaxRSS int64              // Ended: largest resident memory of the worker in bytes
}

// Step is a step of an init's start.
type Step byte

const (
	StepOrders Step = iota + 1
	StepMount       // a /proc of the namespace's own
	StepReaper
	StepWorker
)

// String says what was done.
func (s Step) String() string {
	switch s {
	case StepOrders:
		return "read its orders"
	case StepMount:
		return "mount /proc"
	case StepReaper:
		return "become the reaper of the worker's children"
	case StepWorker:
		return "start the worker"
	}
	return "step " + strconv.Itoa(int(s))
}

// WordSize is the number of bytes of a [Word].
const WordSize = 1 + 1 + 4 + 8

// Append encodes w.
func (w Word) Append(b []byte) []byte {
	value := uint32(w.Status)
	if w.Kind == Failed {
		value = uint32(w.Errno)
	}
	b = append(b, byte(w.Kind), byte(w.Step))
	b = appendNumber(b, uint64(value), 4)
	return appendNumber(b, uint64(w.MaxRSS), 8)
}

// ErrWord means that an init has said something that makes no sense.
var ErrWord = errors.New("bootstrap: the worker's init says something that cannot be understood")

// ParseWord decodes exactly [WordSize] bytes.
func ParseWord(b []byte) (Word, error) {
	if len(b) != WordSize {
		return Word{}, ErrWord
	}
	w := Word{Kind: Kind(b[0]), Step: Step(b[1])}
	value, rss := uint32(number(b[2:6])), int64(number(b[6:]))
	switch w.Kind {
	case Started:
	case Failed:
		w.Errno = syscall.Errno(value)
	case Ended:
		w.Status, w.MaxRSS = syscall.WaitStatus(value), rss
	default:
		return Word{}, ErrWord
	}
	return w, nil
}
