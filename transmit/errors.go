package transmit

import (
	"errors"

	"github.com/tartrl/tlaunch-go/tensor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// What can be wrong with a request. errors.Is finds these also in errors that
// come from a node of another process.
var (
	// ErrNoTable: the node has no table of that name.
	ErrNoTable = errors.New("transmit: no such table")
	// ErrType: a step or tensor is of another type or shape than it has to be, or its bytes are no such thing at all.
	ErrType = tensor.ErrType
	// ErrPriority: a priority that is negative, not a number, or infinite.
	ErrPriority = table.ErrPriority
	// ErrTooLarge: an item with more bytes than its table may have in all, or a step larger than a message.
	ErrTooLarge = table.ErrTooLarge
	// ErrWindow: an item of steps that its writer has not appended, or does not keep any more.
	ErrWindow = table.ErrWindow
	// ErrRequest: a request that makes no sense.
	ErrRequest = errors.New("transmit: bad request")
	// ErrForgotten: the node does not know the writer or sampler any more, as it was started again, and something was under way that it may have done or not.
	ErrForgotten = errors.New("transmit: the node has forgotten")
	// ErrClosed: the writer or sampler was closed.
	ErrClosed = errors.New("transmit: closed")
	// ErrDirectory: a directory for checkpoints that is another's by its node, program or tables, that another run uses, or that cannot be written.
	ErrDirectory = errors.New("transmit: not a directory for checkpoints of this node")
)

// faults are the errors by their codes in transmit.proto.
var faults = map[uint64]error{
	1: ErrNoTable, 2: ErrType, 3: ErrPriority, 4: ErrTooLarge, 5: ErrWindow, 6: ErrRequest, 7: ErrForgotten,
}

// A Fault is an error that a node has answered with.
type Fault struct {
	Code uint64 // of transmit.proto
	Text string
}

func (f *Fault) Error() string { return f.Text }

// Is reports whether target is the sentinel of the code.
func (f *Fault) Is(target error) bool { return faults[f.Code] == target }

// faultOf is err as it can be sent; nil for nil.
func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	f := &Fault{Text: err.Error()}
	for code, sentinel := range faults {
		if errors.Is(err, sentinel) {
			f.Code = code
		}
	}
	return f
}

// errorOf is a fault as an error; nil for nil.
func (f *Fault) errorOf() error {
	if f == nil {
		return nil
	}
	return f
}
