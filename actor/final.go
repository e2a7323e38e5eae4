package actor

import "errors"

// ErrFinal is what errors are that [Final] has marked.
var ErrFinal = errors.New("actor: final")

// Final marks the error of a node's own life as one that a further try would end with again, such as a configuration that cannot be: where the
// node's Start or Run returns it the node is not started again, whatever its policy says. The text stays what it is. Nil stays nil.
//
// The mark goes with the node's own failure, also to another process. It does not go with an error that a method returns: whether its caller
// can do anything is not for the node to say.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &finalError{err}
}

type finalError struct{ err error }

func (e *finalError) Error() string        { return e.err.Error() }
func (e *finalError) Unwrap() error        { return e.err }
func (e *finalError) Is(target error) bool { return target == ErrFinal }
