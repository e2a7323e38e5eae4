package collective

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tartrl/tlaunch-go/actor"
)

// Why an operation fails. Each crosses processes: all members of a failed operation get an error that wraps the same one.
var (
	// ErrGroup: the node is no member of a sealed group, or the context is not the node's.
	ErrGroup = errors.New("collective: no member of a group")
	// ErrBusy: another operation of the member is under way.
	ErrBusy = errors.New("collective: one operation at a time")
	// ErrTurn: the operation was begun in a method that takes the node's only turn, so that nothing could arrive.
	ErrTurn = errors.New("collective: called in the node's only turn")
	// ErrArgument: what this member has given cannot be: a root that is no member, lengths that do not fit, no function.
	ErrArgument = errors.New("collective: wrong argument")
	// ErrTooLarge: more than [MaxSize]. It can be done in parts; a [Stream], [StreamGather] or [StreamScatter] has no such limit.
	ErrTooLarge = errors.New("collective: too large")
	// ErrDisagree: members came to the same place with different operations, lengths, types, roots or options.
	ErrDisagree = errors.New("collective: members disagree")
	// ErrMissing: a member has ended, or cannot be reached.
	ErrMissing = errors.New("collective: a member is missing")
	// ErrAborted: another member has ended the operation, for reasons of its own.
	ErrAborted = errors.New("collective: ended by another member")
	// ErrLost: a member has done its part and something of it has not arrived.
	ErrLost = errors.New("collective: something was lost on the way")
)

// A MissingError names members that have ended, or cannot be reached.
type MissingError struct {
	Members []string // by name
	Err     error    // of the first; nil where another member has noticed
	Whole   bool     // the operation was done without them: this member's result is that of all others
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("%v: %s", ErrMissing, strings.Join(e.Members, ", "))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes it an [ErrMissing] and what it was noticed by.
func (e *MissingError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrMissing}
	}
	return []error{ErrMissing, e.Err}
}

// A DisagreeError says who came with which operation.
type DisagreeError struct {
	One, Other         string // members
	OneDoes, OtherDoes string // what they came with, in words
}

// Error says of each what it does, and of the rest only that in which they differ.
func (e *DisagreeError) Error() string {
	one, other := strings.Split(e.OneDoes, ", "), strings.Split(e.OtherDoes, ", ")
	apart := func(parts, others []string) string {
		return strings.Join(slices.Concat(parts[:1], slices.DeleteFunc(slices.Clone(parts[1:]), func(p string) bool { return slices.Contains(others, p) })), ", ")
	}
	return fmt.Sprintf("%v: %s does %s; %s does %s", ErrDisagree, e.One, apart(one, other), e.Other, apart(other, one))
}

// Unwrap makes it an [ErrDisagree].
func (e *DisagreeError) Unwrap() error { return ErrDisagree }

// A failure is why an operation failed, as it travels.
type failure struct {
	Kind    failureKind
	By      string // the member at which it failed first
	Text    string
	Members []string // missing; or the two that disagree, with what they do
}

type failureKind uint8

const (
	failedAborted failureKind = iota
	failedDisagree
	failedMissing
	failedLost
	failedCanceled
	failedDeadline
	failedArgument
	failedTooLarge
)

var failureKinds = map[failureKind]error{failedLost: ErrLost, failedCanceled: context.Canceled, failedDeadline: context.DeadlineExceeded,
	failedArgument: ErrArgument, failedTooLarge: ErrTooLarge}

// newFailure describes err, which ended the operation at a member.
func newFailure(by string, err error) *failure {
	f := &failure{By: by, Text: err.Error()}
	var missing *MissingError
	var disagree *DisagreeError
	switch {
	case errors.As(err, &disagree):
		f.Kind, f.Members = failedDisagree, []string{disagree.One, disagree.OneDoes, disagree.Other, disagree.OtherDoes}
	case errors.As(err, &missing):
		f.Kind, f.Members = failedMissing, missing.Members
	default:
		for kind, is := range failureKinds {
			if errors.Is(err, is) {
				f.Kind = kind
			}
		}
	}
	return f
}

// abortedError is a failure at another member.
type abortedError struct {
	by, text string
	is       error
}

func (e *abortedError) Error() string   { return fmt.Sprintf("%v: %s: %s", ErrAborted, e.by, e.text) }
func (e *abortedError) Unwrap() []error { return []error{ErrAborted, e.is} }

// err is the failure as the members that hear of it see it.
func (f *failure) err() error {
	switch {
	case f.Kind == failedDisagree && len(f.Members) == 4:
		return &DisagreeError{f.Members[0], f.Members[2], f.Members[1], f.Members[3]}
	case f.Kind == failedMissing:
		return &MissingError{Members: f.Members}
	}
	is := failureKinds[f.Kind]
	if is == nil {
		is = ErrAborted
	}
	return &abortedError{f.By, f.Text, is}
}

// goneError says that a member has ended, or cannot be reached.
type goneError struct {
	rank int
	name string
	err  error
}

func (e *goneError) Error() string   { return fmt.Sprintf("%v: %s: %v", ErrMissing, e.name, e.err) }
func (e *goneError) Unwrap() []error { return []error{ErrMissing, e.err} }

// isGone tells whether an error of a message says that its receiver is not there.
func isGone(err error) bool {
	for _, gone := range []error{actor.ErrPeerGone, actor.ErrUnreachable, actor.ErrStopped, actor.ErrNoNode, errReplaced, errOver, errPassed} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// errPassed: others take the member for gone.
var errPassed = errors.New("collective: others do not reach it")

// errOver: the member will take part in nothing any more.
var errOver = errors.New("collective: its Run has returned")

// errRejoins: the member itself was started again.
var errRejoins = errors.New("collective: it was started again, and takes part from a later operation on")

// errReplaced: the node was started again since it was heard of last, and knows nothing of what was.
var errReplaced = errors.New("collective: started again")
