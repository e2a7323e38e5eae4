package tlaunch

import (
	"fmt"
	"log/slog"

	"github.com/fxamacker/cbor/v2"
)

// A Secret is a value in a configuration that must not be seen: it prints and
// logs as "(secret)", in JSON and in text too, and stays out of fingerprints.
// It travels to the hosts with the configuration, on standard input.
type Secret[T any] struct{ value T }

// NewSecret hides v.
func NewSecret[T any](v T) Secret[T] { return Secret[T]{v} }

// Reveal returns the value.
func (s Secret[T]) Reveal() T { return s.value }

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

// MarshalCBOR writes the value itself: configurations travel in CBOR.
func (s Secret[T]) MarshalCBOR() ([]byte, error) { return cbor.Marshal(s.value) }

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (s *Secret[T]) UnmarshalCBOR(data []byte) error { return cbor.Unmarshal(data, &s.value) }

// Set takes the value from a flag; T must be string or []byte.
func (s *Secret[T]) Set(text string) error {
	switch v := any(&s.value).(type) {
	case *string:
		*v = text
	case *[]byte:
		*v = []byte(text)
	default:
		return fmt.Errorf("a secret %T cannot be set from text", s.value)
	}
	return nil
}
