package actor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// The reasons for which a message has no result. Each crosses processes:
// errors.Is finds them, and context.DeadlineExceeded and context.Canceled, in
// an error that was returned on another host.
var (
	// ErrNoNode: no node of that name is known, or its host does not have it.
	ErrNoNode = errors.New("actor: no such node")
	// ErrNoMethod: the node has no such method, or it is one of Start, Run and Stop.
	ErrNoMethod = errors.New("actor: no such method")
	// ErrNotMethod: what was given is not a method expression such as (*T).M.
	ErrNotMethod = errors.New("actor: not a method expression")
	// ErrSignature: caller and node disagree on the structure of argument or result.
	ErrSignature = errors.New("actor: signatures differ")
	// ErrStopped: the node, or the system that should have sent, has ended.
	ErrStopped = errors.New("actor: stopped")
	// ErrUnreachable: the node's process cannot be reached, or the link to it broke.
	ErrUnreachable = errors.New("actor: unreachable")
	// ErrPeerGone: the node, or the process in which it lived, has ended with what it was sent. What is
	// sent later reaches its next incarnation, where the program has it started again.
	ErrPeerGone = errors.New("actor: peer gone")
	// ErrDeadlock: the call would wait for itself.
	ErrDeadlock = errors.New("actor: deadlock")
	// ErrOverloaded: a mailbox stayed full for as long as the sender could wait.
	ErrOverloaded = errors.New("actor: overloaded")
	// ErrTooLarge: the message is larger than a link may carry.
	ErrTooLarge = errors.New("actor: message too large")
	// ErrCannotTravel: a value's type would not arrive whole.
	ErrCannotTravel = errors.New("actor: value cannot travel")
	// ErrPanic: the method panicked; the Error holds the stack.
	ErrPanic = errors.New("actor: panic")
	// ErrZeroRef: the ref names no node.
	ErrZeroRef = errors.New("actor: zero ref")
)

// Code says on the wire what kind of failure an [Error] is. Numbers are part
// of the wire format: they are never reused.
type Code int32

// CodeFailed is the code of an error that a method itself returned.
const CodeFailed Code = 1

var sentinels = map[Code]error{
	2:        ErrNoNode,
	3:        ErrNoMethod,
	4:        ErrNotMethod,
	5:        ErrSignature,
	6:        ErrStopped,
	7:        ErrUnreachable,
	8:        ErrDeadlock,
	9:        ErrOverloaded,
	10:       ErrTooLarge,
	11:       ErrCannotTravel,
	12:       ErrPanic,
	13:       ErrZeroRef,
	14:       context.DeadlineExceeded,
	15:       context.Canceled,
	codeGone: ErrPeerGone,
	17:       ErrNoStreams,
}

// codeGone is looked for first: a link that ends because its peer has gone is unreachable as well.
const codeGone Code = 16

// codeOf finds the code of the sentinel that err wraps. ErrPanic is looked
// for last: an error that passed through a panic keeps the first reason.
func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	if errors.Is(err, ErrPeerGone) {
		return codeGone
	}
	for code := Code(2); int(code) < len(sentinels)+2; code++ {
		if errors.Is(err, sentinels[code]) {
			return code
		}
	}
	return CodeFailed
}

// An Error is a failure as its caller sees it, from the same process or from
// another: the method's own error is flattened to its text, so that it means
// the same in every launch type. errors.Is works for this package's sentinels
// and those of package context.
type Error struct {
	Code   Code
	Node   string // the node that was called, such as "consumer/0"
	Host   string // where it was running; empty when the failure arose at the caller
	Method string // bare name
	Text   string // what went wrong
	Stack  string // of the panic, if it was one
	Final  bool   `cbor:",omitempty"` // see [Final]; of a node's own life only
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Node)
	if e.Host != "" {
		b.WriteString(" on " + e.Host)
	}
	if e.Method != "" {
		b.WriteString(": " + e.Method)
	}
	b.WriteString(": " + e.Text)
	return b.String()
}

// Is reports whether target is the sentinel of the error's code, or [ErrFinal] where it is final.
func (e *Error) Is(target error) bool {
	return sentinels[e.Code] == target || e.Final && target == ErrFinal
}

// Flatten turns the error of a node's own life (Start, Run, Stop) into one
// that can be sent: text, code and, for a panic, stack.
func Flatten(node, host string, err error) *Error {
	e := &Error{Code: codeOf(err), Node: node, Host: host, Text: err.Error(), Final: errors.Is(err, ErrFinal)}
	var p *PanicError
	if errors.As(err, &p) {
		e.Code, e.Stack = codeOf(ErrPanic), p.Stack
	}
	return e
}

func (e *Error) toWire() *wire.Error {
	return &wire.Error{
		Code: int32(e.Code), Node: e.Node, Host: e.Host, Method: e.Method,
		Text: strings.ToValidUTF8(e.Text, "\uFFFD"), Stack: strings.ToValidUTF8(e.Stack, "\uFFFD"),
	}
}

func errorFromWire(w *wire.Error) *Error {
	if w.GetCode() == 0 {
		return &Error{Code: CodeFailed, Node: w.GetNode(), Host: w.GetHost(), Method: w.GetMethod(), Text: w.GetText(), Stack: w.GetStack()}
	}
	return &Error{
		Code: Code(w.GetCode()), Node: w.GetNode(), Host: w.GetHost(), Method: w.GetMethod(),
		Text: w.GetText(), Stack: w.GetStack(),
	}
}

// A PanicError is what a node's own life (Start, Run, Stop) returns when it panicked.
type PanicError struct {
	Value string // what was passed to panic, printed
	Stack string
}

func (e *PanicError) Error() string { return "panic: " + e.Value }

// Is makes a PanicError an [ErrPanic].
func (e *PanicError) Is(target error) bool { return target == ErrPanic }

// sound is the error that a user's code has returned, or a [PanicError] where that panics when it is looked at, as a nil pointer in an
// error may: who looks is not the user's code any more, and must not be ended by it.
func sound(err error) (same error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			same = newPanicError(fmt.Sprintf("in the error that was returned, a %T: %v", err, v), debug.Stack())
		}
	}()
	_ = err.Error()
	_ = codeOf(err)
	return err
}

func newPanicError(v any, stack []byte) *PanicError {
	return &PanicError{Value: fmt.Sprint(v), Stack: string(stack)}
}
