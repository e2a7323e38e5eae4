package sshconn

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
)

// ErrClosed is returned by Dial after the Dialer was closed.
var ErrClosed = errors.New("sshconn: dialer closed")

// ConfigError is a line of an SSH configuration file that cannot be honoured for the host.
type ConfigError struct {
	File   string // configuration file
	Line   int    // from 1; 0 when the whole file is meant
	Text   string // keyword and value
	Reason string // what is wrong and what to do
}

// Error returns file:line, the text and the reason.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("sshconn: %s:%d: %q: %s", e.File, e.Line, e.Text, e.Reason)
}

// ReachKind says how reaching a host failed.
type ReachKind int

// How reaching a host failed.
const (
	ReachOther    ReachKind = iota // none of the below; see Err
	ReachDNS                       // the name is not known
	ReachRefused                   // nothing listens there
	ReachTimeout                   // no answer in time, or not the whole of one
	ReachNoRoute                   // the network knows no way
	ReachClosed                    // it hung up before the login, after all retries
	ReachJump                      // the jump host could not connect to it, or is not allowed to
	ReachProtocol                  // what answers does not speak SSH, or shares no algorithm with us
	ReachSilent                    // it accepts connections and says nothing
)

var reachText = map[ReachKind][2]string{
	ReachOther:    {"cannot be reached", "see the cause"},
	ReachDNS:      {"its name is not known", "check the spelling, or write the address into the inventory"},
	ReachRefused:  {"nothing listens there", "check the port, and that sshd runs"},
	ReachTimeout:  {"no answer in time", "check the address and firewalls, or raise the timeout"},
	ReachNoRoute:  {"no route to it", "check the network and the address"},
	ReachClosed:   {"it hung up before the login", "check MaxStartups and the log of its sshd, or raise the number of retries"},
	ReachJump:     {"the jump host does not get there", "check the name and port as seen from the jump host, that sshd runs, and that the jump host's sshd has AllowTcpForwarding yes"},
	ReachSilent:   {"it accepts connections and says nothing", "check that its sshd is not stuck (memory, disk) and that no other service has that port, or raise the timeout"},
	ReachProtocol: {"no SSH connection could be agreed on", "check that an SSH server listens on that port"},
}

// ReachError is a host that was not reached: nothing was proven about its key, and no login was tried.
type ReachError struct {
	Host     string    // name of the host
	Addr     string    // host:port that was tried
	Via      string    // the jump host through which, empty when directly
	Kind     ReachKind // how it failed
	Attempts int       // how many connections were tried, at least 1
	Said     string    // the beginning of what it sent, where that is not SSH; may be empty
	Err      error     // cause
}

// Error names the host, what happened and the remedy.
func (e *ReachError) Error() string { return "sshconn: " + e.Host + " " + e.Of(e.Host) }

// Of is what Error returns for whoever has said already that it is about host.
func (e *ReachError) Of(host string) string {
	via := ""
	if e.Via != "" {
		via = " through " + e.Via
	}
	tries := ""
	if e.Attempts > 1 {
		tries = fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	said := ""
	if e.Said != "" {
		said = fmt.Sprintf(", after it had said %q", e.Said)
	}
	text := reachText[e.Kind]
	return fmt.Sprintf("%sat %s%s: %s%s%s; %s: %v", unlessSaid(e.Host, host), e.Addr, via, text[0], tries, said, text[1], e.Err)
}

// Unwrap returns the cause.
func (e *ReachError) Unwrap() error { return e.Err }

// KnownLine is a line of a known_hosts file.
type KnownLine struct {
	File string
	Line int // from 1
}

func (l KnownLine) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// HostKeyError is a host whose key is not the one that known_hosts asks for.
type HostKeyError struct {
	Host        string      // name of the host
	Alias       string      // what one would give to ssh to reach it
	Addr        string      // host:port as known_hosts is searched
	Fingerprint string      // SHA256:… of the key that was shown
	Algorithm   string      // type of that key
	File        string      // where OpenSSH would add the key; "" is ~/.ssh/known_hosts
	Want        []KnownLine // lines that speak of this host, or of this key when it is revoked; nil when there are none
	Changed     bool        // another key is known for the host
	Revoked     bool        // the key is marked @revoked
	Note        string      // anything else that explains it; may be empty
	Err         error       // what the check said
}

// Error says what is wrong with the key, where, and what to do.
func (e *HostKeyError) Error() string { return "sshconn: " + e.Host + " " + e.Of(e.Host) }

// Of is what Error returns for whoever has said already that it is about host.
func (e *HostKeyError) Of(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sat %s showed host key %s %s: ", unlessSaid(e.Host, host), e.Addr, e.Algorithm, e.Fingerprint)
	host, port, _ := net.SplitHostPort(e.Addr)
	entry := host
	if port != "22" {
		entry = "[" + host + "]:" + port
	}
	switch {
	case e.Revoked:
		fmt.Fprintf(&b, "REVOKED at %s; do not connect", e.Want[0])
	case e.Changed:
		fmt.Fprintf(&b, "CHANGED, another key is known at %s; someone may be listening in. If the host was installed anew: ssh-keygen -f %s -R '%s', then accept the new key", e.wantText(), e.Want[0].File, entry)
	default:
		fmt.Fprintf(&b, "not known; compare the fingerprint, then: ssh %s (once, answering yes), or: ssh-keyscan -p %s %s >> %s", e.Alias, port, host, cmp.Or(e.File, "~/.ssh/known_hosts"))
	}
	if e.Note != "" {
		b.WriteString(" (" + e.Note + ")")
	}
	return b.String()
}

func (e *HostKeyError) wantText() string {
	var s []string
	for _, w := range e.Want {
		s = append(s, w.String())
	}
	return strings.Join(s, ", ")
}

// Unwrap returns what the check said.
func (e *HostKeyError) Unwrap() error { return e.Err }

// AuthError is a login that the host refused.
type AuthError struct {
	Host    string   // name of the host
	Addr    string   // host:port
	User    string   // who tried to log in
	Offered []string // keys that were offered: fingerprint and where it is from; nil when there were none
	Notes   []string // keys that could not be offered, and why
	Err     error    // what the handshake said
}

// Error names the user, the keys and the remedy.
func (e *AuthError) Error() string { return "sshconn: " + e.Host + " " + e.Of(e.Host) }

// Of is what Error returns for whoever has said already that it is about host.
func (e *AuthError) Of(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sat %s refused the login of %s: ", unlessSaid(e.Host, host), e.Addr, e.User)
	if len(e.Offered) == 0 {
		b.WriteString("there was no key to offer; make one with ssh-keygen or add one with ssh-add")
	} else {
		fmt.Fprintf(&b, "offered %s; put one of them into its authorized_keys (ssh-copy-id), or check the user's name", strings.Join(e.Offered, ", "))
	}
	for _, n := range e.Notes {
		b.WriteString("; " + n)
	}
	return b.String()
}

// Unwrap returns what the handshake said.
func (e *AuthError) Unwrap() error { return e.Err }

// unlessSaid is a name that begins a sentence, or nothing where the name was said.
func unlessSaid(name, said string) string {
	if name == said {
		return ""
	}
	return name + " "
}
