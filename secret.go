package tlaunch

import (
	"fmt"
	"log/slog"

	"github.com/tartrl/tlaunch-go/actor"
)

// A Secret is a value in a configuration that must not be seen: it prints and
// logs as "(secret)", in JSON and in text too, and stays out of fingerprints.
// It travels to the hosts with the configuration, on standard input.
//
// The zero Secret holds T's zero value. Secrets are shared when they are
// copied, and equal (==) only to their copies.
type Secret[T any] struct {
	// Where a Secret is an unexported field, fmt does not ask its methods: it prints what it finds, and what a pointer
	// leads to, but not what that leads to in turn.
	value **T
}

// NewSecret hides v.
func NewSecret[T any](v T) Secret[T] { return Secret[T]{hide(&v)} }

func hide[T any](v *T) **T { return &v }

// Reveal returns the value.
func (s Secret[T]) Reveal() (v T) {
	if s.value != nil {
		v = **s.value
	}
	return v
}

const redacted = "(secret)"

// String returns "(secret)".
func (s Secret[T]) String() string { return redacted }

// Format prints "(secret)", whatever the verb.
func (s Secret[T]) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) } // a fmt.State keeps its own error

// LogValue hides the value from log/slog.
func (s Secret[T]) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the value.
func (s Secret[T]) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText hides the value.
func (s Secret[T]) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// OpaqueToDigest keeps the value out of what processes compare.
func (s Secret[T]) OpaqueToDigest() {}

// MarshalCBOR writes the value itself, as [actor.Encode] does: configurations
// travel in CBOR. The error wraps [actor.ErrCannotTravel].
func (s Secret[T]) MarshalCBOR() ([]byte, error) {
	v := s.Reveal()
	return actor.Encode(struct{ Value *T }{&v})
}

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (s *Secret[T]) UnmarshalCBOR(data []byte) error {
	var v struct{ Value *T }
	if err := actor.Decode(data, &v); err != nil {
		return err
	}
	if v.Value == nil {
		v.Value = new(T)
	}
	s.value = hide(v.Value)
	return nil
}

// Set takes the value from a flag; T must be string or []byte.
func (s *Secret[T]) Set(text string) error {
	v := new(T)
	switch to := any(v).(type) {
	case *string:
		*to = text
	case *[]byte:
		*to = []byte(text)
	default:
		return fmt.Errorf("a secret %T cannot be set from text", *v)
	}
	s.value = hide(v)
	return nil
}
