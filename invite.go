package tlaunch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/remote"
)

// An Invitation lets one process join a run, once and for a while: whoever has
// it can. It holds the run's id, addresses of its hosts, the pin of its
// authority and a secret. Its text may be put into a file or a variable.
type Invitation string

// invitationMark begins every invitation, so that people and error messages
// recognise one.
const invitationMark = "tlaunch1:"

type invitation struct {
	Run       string
	Addresses []string
	Pin       [32]byte
	Secret    [16]byte
}

func (i invitation) text() (Invitation, error) {
	b, err := actor.Encode(i)
	return Invitation(invitationMark + base64.RawURLEncoding.EncodeToString(b)), err
}

func (i Invitation) parse() (v invitation, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(string(i)), invitationMark)
	if !ok {
		return v, usagef("this is no invitation: one begins with %q", invitationMark)
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = actor.Decode(b, &v)
	}
	if err != nil {
		return v, usagef("the invitation is damaged: %v", err)
	}
	return v, nil
}

// String shows that it is an invitation, but nothing of it.
func (i Invitation) String() string { return invitationMark + "…" }

// Format prints what String returns, whatever the verb.
func (i Invitation) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) } // a fmt.State keeps its own error

// LogValue keeps the invitation out of logs.
func (i Invitation) LogValue() slog.Value { return slog.StringValue(i.String()) }

// Invite makes an invitation for one process, which will be called name, valid
// for ttl: see [Connect] and [Redeem]. The process must reach the data address
// of a host of the run. A run in one process cannot invite. In a run that ends
// the error wraps [actor.ErrStopped].
func (r *Run) Invite(name string, ttl time.Duration) (Invitation, error) {
	if !validLabel(name) {
		return "", usagef("the name %q of a guest is not [a-z0-9][a-z0-9._-]*", name)
	}
	if ttl <= 0 {
		return "", usagef("an invitation needs a time to live, not %v", ttl)
	}
	if r.program.tls != nil {
		return "", usagef("program %s brings its own TLS, so the run has no authority that could invite", r.program.name)
	}
	r.mu.Lock()
	stopping := r.stopping
	r.mu.Unlock()
	if stopping {
		return "", fmt.Errorf("%w: run %s lets nobody in any more", actor.ErrStopped, r.id)
	}
	return r.engine.invite(name, ttl)
}

// entry is what a host's answer to a redeemed invitation holds.
type entry struct {
	Credentials remote.Credentials // without the key, which the guest made
	Program     string
	Bounds      Bounds
	Places      []hostPlace
	Nodes       []nodeEntry
	Ticket      [16]byte // what the guest shows to be told of places again
}

type nodeEntry struct {
	Key, Host, Type string
	Mortal          bool // the run goes on when the host's process ends
}

// redeemRequest is a request to be let in, or where there is a ticket, to be
// told where the hosts are by now.
type redeemRequest struct {
	Secret [16]byte `cbor:",omitempty"`
	CSR    []byte   `cbor:",omitempty"`
	Ticket []byte   `cbor:",omitempty"`
}

// door is where invitations are kept and redeemed, in the launcher.
type door struct {
	fleet *fleet

	mu      sync.Mutex
	invited map[[32]byte]guest    // by the hash of the secret
	tickets map[[32]byte]struct{} // of guests, hashed
	count   uint64                // incarnations of guests
}

type guest struct {
	name  string
	until time.Time
}

func newDoor(f *fleet) *door {
	return &door{fleet: f, invited: map[[32]byte]guest{}, tickets: map[[32]byte]struct{}{}}
}

func (f *fleet) invite(name string, ttl time.Duration) (Invitation, error) {
	i := invitation{Run: f.run.id, Pin: f.authority.Pin()}
	_, _ = rand.Read(i.Secret[:]) // crypto/rand does not fail
	for _, address := range f.where.addresses() {
		i.Addresses = append(i.Addresses, address)
	}
	now := time.Now()
	f.door.mu.Lock()
	maps.DeleteFunc(f.door.invited, func(_ [32]byte, g guest) bool { return now.After(g.until) })
	f.door.invited[sha256.Sum256(i.Secret[:])] = guest{name, now.Add(ttl)}
	f.door.mu.Unlock()
	return i.text()
}

// answer decides on a request that a host has passed on.
func (d *door) answer(j joinRequest) *joinAnswer {
	b, err := d.admit(j.Request)
	if err != nil {
		d.fleet.settings.logger.Warn("a process was not let in", "reason", err)
		return &joinAnswer{ID: j.ID, Denied: err.Error()}
	}
	return &joinAnswer{ID: j.ID, Answer: b}
}

func (d *door) admit(request []byte) ([]byte, error) {
	var r redeemRequest
	if err := actor.Decode(request, &r); err != nil {
		return nil, fmt.Errorf("the request does not parse: %w", err)
	}
	if r.Ticket != nil {
		return d.direct(r.Ticket)
	}
	hash := sha256.Sum256(r.Secret[:])
	d.mu.Lock()
	g, ok := d.invited[hash]
	delete(d.invited, hash) // once, whatever comes of it
	d.count++
	count := d.count
	d.mu.Unlock()
	if !ok {
		return nil, errors.New("the invitation is unknown, or was used before")
	}
	if time.Now().After(g.until) {
		return nil, errors.New("the invitation has expired")
	}
	c, err := d.fleet.authority.Sign(r.CSR, remote.RoleGuest, g.name, count)
	if err != nil {
		return nil, err
	}
	run := d.fleet.run
	e := entry{Credentials: c, Program: run.program.name, Bounds: run.program.bounds, Places: d.fleet.where.places(), Ticket: d.newTicket()}
	for _, n := range run.graph.nodes {
		k, err := run.kindOf(n.key)
		if err != nil {
			return nil, err
		}
		e.Nodes = append(e.Nodes, nodeEntry{n.key, n.process, k.String(), run.graph.mayLose(n.process)})
	}
	return actor.Encode(e)
}
