package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Limits of what a registry holds.
const (
	// MaxMembers is the number of members a run can have.
	MaxMembers = 4096
	// MaxDescription is the size of a run's description in bytes.
	MaxDescription = 512 << 10

	maxRunName   = 128
	maxHostName  = 255
	maxAddress   = 300
	maxMetaPairs = 32
	maxMetaKey   = 64
	maxMetaValue = 512
	maxMetaTotal = 1024
)

// A Member is one host's process in a run.
type Member struct {
	// Run is the run's id: a letter or digit, then letters, digits, '.', '_'
	// and '-', at most 128 bytes.
	Run string `cbor:"1,keyasint"`

	// Host is the host's name in the inventory: printable, without spaces and
	// slashes, at most 255 bytes, unique in the run.
	Host string `cbor:"2,keyasint"`

	// Address is the host:port at which other processes reach the process's
	// endpoint; the port is a number from 1 to 65535.
	Address string `cbor:"3,keyasint"`

	// Incarnation grows each time the host's process is started anew in the
	// run. Zero is a valid first incarnation.
	Incarnation uint64 `cbor:"4,keyasint"`

	// Meta is the user's own: at most 32 pairs and 1 KiB in all, keys of at
	// most 64 letters, digits, '_' and '-' that do not begin with "tlaunch-",
	// values of at most 512 bytes. Nil and empty mean the same.
	Meta map[string]string `cbor:"5,keyasint,omitempty"`
}

// Clone returns a copy that shares nothing with m.
func (m Member) Clone() Member {
	m.Meta = maps.Clone(m.Meta)
	return m
}

// Equal reports whether the two members agree in every field.
func (m Member) Equal(o Member) bool {
	return m.Run == o.Run && m.Host == o.Host && m.Address == o.Address &&
		m.Incarnation == o.Incarnation && maps.Equal(m.Meta, o.Meta)
}

// Validate returns nil, or an error that wraps [ErrInvalid] and says which
// field breaks which limit.
func (m Member) Validate() error {
	if err := validateRun(m.Run); err != nil {
		return err
	}
	if err := validateHost(m.Host); err != nil {
		return err
	}
	if m.Incarnation == math.MaxUint64 {
		return fmt.Errorf("%w incarnation of host %s: %d is reserved", ErrInvalid, m.Host, m.Incarnation)
	}
	if err := validateAddress(m.Address); err != nil {
		return fmt.Errorf("%w (host %s)", err, m.Host)
	}
	if err := validateMeta(m.Meta); err != nil {
		return fmt.Errorf("%w (host %s)", err, m.Host)
	}
	return nil
}

func validateRun(run string) error {
	if run == "" || len(run) > maxRunName {
		return fmt.Errorf("%w run %q: give 1 to %d bytes", ErrInvalid, run, maxRunName)
	}
	for i, r := range run {
		if !asciiAlnum(r) && (i == 0 || r != '.' && r != '_' && r != '-') {
			return fmt.Errorf("%w run %q: use a letter or digit, then letters, digits, '.', '_' and '-'", ErrInvalid, run)
		}
	}
	return nil
}

func validateHost(host string) error {
	if host == "" || len(host) > maxHostName || host == "." || host == ".." || !utf8.ValidString(host) {
		return fmt.Errorf("%w host %q: give 1 to %d bytes of UTF-8", ErrInvalid, host, maxHostName)
	}
	for _, r := range host {
		if !unicode.IsPrint(r) || r == ' ' || r == '/' {
			return fmt.Errorf("%w host %q: use printable characters without spaces and slashes", ErrInvalid, host)
		}
	}
	return nil
}

func validateAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w address %q: give host:port: %w", ErrInvalid, address, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%w address %q: the port must be a number from 1 to 65535", ErrInvalid, address)
	}
	if host == "" || len(address) > maxAddress {
		return fmt.Errorf("%w address %q: give a host, and at most %d bytes", ErrInvalid, address, maxAddress)
	}
	return nil
}

func validateMeta(meta map[string]string) error {
	total := 0
	for k, v := range meta {
		total += len(k) + len(v)
		if k == "" || len(k) > maxMetaKey || len(v) > maxMetaValue || !utf8.ValidString(v) {
			return fmt.Errorf("%w meta %q: keys have 1 to %d bytes, values at most %d bytes of UTF-8", ErrInvalid, k, maxMetaKey, maxMetaValue)
		}
		if len(k) >= len(reservedMeta) && k[:len(reservedMeta)] == reservedMeta {
			return fmt.Errorf("%w meta %q: keys that begin with %q are reserved", ErrInvalid, k, reservedMeta)
		}
		for _, r := range k {
			if !asciiAlnum(r) && r != '_' && r != '-' {
				return fmt.Errorf("%w meta %q: use letters, digits, '_' and '-' in keys", ErrInvalid, k)
			}
		}
	}
	if len(meta) > maxMetaPairs || total > maxMetaTotal {
		return fmt.Errorf("%w meta: %d pairs with %d bytes; %d pairs and %d bytes are the most", ErrInvalid, len(meta), total, maxMetaPairs, maxMetaTotal)
	}
	return nil
}

// reservedMeta begins the meta keys that registries use themselves.
const reservedMeta = "tlaunch-"

func validateDescription(d []byte) error {
	if len(d) > MaxDescription {
		return fmt.Errorf("%w description: %d bytes; %d are the most", ErrInvalid, len(d), MaxDescription)
	}
	return nil
}

func asciiAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func sortMembers(ms []Member) {
	slices.SortFunc(ms, func(a, b Member) int { return cmp.Compare(a.Host, b.Host) })
}

func cloneMembers(ms []Member) []Member {
	out := make([]Member, len(ms))
	for i, m := range ms {
		out[i] = m.Clone()
	}
	return out
}
