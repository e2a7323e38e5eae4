package remote

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Role is what a member of a run is there for.
type Role string

// The roles of a run.
const (
	RoleLauncher Role = "launcher" // keeps the run
	RoleHost     Role = "host"     // runs nodes
	RoleGuest    Role = "guest"    // joined by invitation
)

// Identity is what a certificate of a run says about its holder.
type Identity struct {
	Run         string
	Role        Role
	Name        string
	Incarnation uint64
}

// memberName is the DNS name in each member's certificate: TLS clients insist on checking one, and what matters, the
// run and the name in it, is in the URI.
const memberName = "member.tlaunch"

var runPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func (id Identity) validate() error {
	switch {
	case len(id.Run) > 128 || !runPattern.MatchString(id.Run):
		return fmt.Errorf("remote: run id %q must be letters, digits, '-', '_' and single dots, at most 128", id.Run)
	case id.Role != RoleLauncher && id.Role != RoleHost && id.Role != RoleGuest:
		return fmt.Errorf("remote: unknown role %q", id.Role)
	case id.Name == "" || len(id.Name) > 255:
		return fmt.Errorf("remote: the name of a member has 1 to 255 bytes, not %d", len(id.Name))
	}
	return nil
}

// String is the form in certificates: tlaunch://RUN/ROLE/NAME/INCARNATION.
func (id Identity) String() string { return id.uri().String() }

func (id Identity) uri() *url.URL {
	path := "/" + string(id.Role) + "/" + id.Name + "/" + strconv.FormatUint(id.Incarnation, 10)
	raw := "/" + string(id.Role) + "/" + url.PathEscape(id.Name) + "/" + strconv.FormatUint(id.Incarnation, 10)
	return &url.URL{Scheme: "tlaunch", Host: id.Run, Path: path, RawPath: raw}
}

// parseIdentity reads the form that String writes.
func parseIdentity(u *url.URL) (Identity, error) {
	parts := strings.Split(u.EscapedPath(), "/")
	if u.Scheme != "tlaunch" || len(parts) != 4 || parts[0] != "" {
		return Identity{}, fmt.Errorf("%w: %q is no identity of a run", ErrRefused, u)
	}
	name, err := url.PathUnescape(parts[2])
	if err != nil {
		return Identity{}, fmt.Errorf("%w: name in %q: %w", ErrRefused, u, err)
	}
	incarnation, err := strconv.ParseUint(parts[3], 10, 64)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: incarnation in %q: %w", ErrRefused, u, err)
	}
	id := Identity{Run: u.Host, Role: Role(parts[1]), Name: name, Incarnation: incarnation}
	if err := id.validate(); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return id, nil
}

// certificateIdentity returns the one identity in a certificate whose chain was verified already.
func certificateIdentity(leaf *x509.Certificate) (Identity, error) {
	if len(leaf.URIs) != 1 {
		return Identity{}, fmt.Errorf("%w: the certificate carries %d identities instead of one", ErrRefused, len(leaf.URIs))
	}
	return parseIdentity(leaf.URIs[0])
}
