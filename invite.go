package tlaunch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
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
	"github.com/tartrl/tlaunch-go/cluster"
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
	Members     map[string]string // address by host
	Nodes       []nodeEntry
}

type nodeEntry struct{ Key, Host, Type string }

type redeemRequest struct {
	Secret [16]byte
	CSR    []byte
}

// door is where invitations are kept and redeemed, in the launcher.
type door struct {
	fleet *fleet

	mu      sync.Mutex
	invited map[[32]byte]guest // by the hash of the secret
	count   uint64             // incarnations of guests
}

type guest struct {
	name  string
	until time.Time
}

func newDoor(f *fleet) *door { return &door{fleet: f, invited: map[[32]byte]guest{}} }

func (f *fleet) invite(name string, ttl time.Duration) (Invitation, error) {
	if f.run.program.tls != nil {
		return "", usagef("program %s brings its own TLS, so the run has no authority that could invite", f.run.program.name)
	}
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
	e := entry{Credentials: c, Program: run.program.name, Members: d.fleet.where.addresses()}
	for _, n := range run.graph.nodes {
		k, err := run.kindOf(n.key)
		if err != nil {
			return nil, err
		}
		e.Nodes = append(e.Nodes, nodeEntry{n.key, n.process, k.String()})
	}
	return actor.Encode(e)
}

// A Grant is what an invitation was redeemed for: membership of a run. Its
// TLS lets a stock Proto.Actor process talk to the run's nodes.
type Grant struct {
	Run, Program string
	Credentials  remote.Credentials
	Members      map[string]string // address by host
	nodes        map[string]nodeEntry
}

// TLS is a configuration that serves and dials as this member and accepts
// members of the same run only.
func (g *Grant) TLS() (*tls.Config, error) { return g.Credentials.TLS(nil) }

// ConnectOption changes how a process joins a run.
type ConnectOption func(*connectSettings)

type connectSettings struct {
	consul *ConsulConfig
	logger *slog.Logger
}

// FindInConsul takes the addresses of the run's hosts from Consul instead of
// from the invitation, which still proves that this process may join.
func FindInConsul(cfg ConsulConfig) ConnectOption {
	return func(s *connectSettings) { s.consul = &cfg }
}

// ConnectLogger receives the connection's own notes. The default discards
// them. So does nil.
func ConnectLogger(l *slog.Logger) ConnectOption {
	return func(s *connectSettings) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		s.logger = l
	}
}

// Redeem turns an invitation into membership. It works once.
func Redeem(ctx context.Context, i Invitation, opts ...ConnectOption) (*Grant, error) {
	s := &connectSettings{logger: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(s)
	}
	v, err := i.parse()
	if err != nil {
		return nil, err
	}
	if s.consul != nil {
		if v.Addresses, err = addressesInConsul(ctx, *s.consul, v.Run); err != nil {
			return nil, err
		}
	}
	key, csr, err := remote.NewRequest()
	if err != nil {
		return nil, err
	}
	request, err := actor.Encode(redeemRequest{v.Secret, csr})
	if err != nil {
		return nil, err
	}
	answer, err := joinAny(ctx, v, request)
	if err != nil {
		return nil, fmt.Errorf("joining run %s: %w", v.Run, err)
	}
	var e entry
	if err := actor.Decode(answer, &e); err != nil {
		return nil, fmt.Errorf("joining run %s: the answer does not parse: %w", v.Run, err)
	}
	e.Credentials.KeyPEM = key
	g := &Grant{Run: v.Run, Program: e.Program, Credentials: e.Credentials, Members: e.Members, nodes: map[string]nodeEntry{}}
	for _, n := range e.Nodes {
		g.nodes[n.Key] = n
	}
	return g, nil
}

// joinAny asks one host after the other, until one answers: a refusal is final,
// for the secret is spent.
func joinAny(ctx context.Context, v invitation, request []byte) ([]byte, error) {
	var errs []error
	for _, address := range v.Addresses {
		answer, err := remote.Join(ctx, nil, address, v.Pin, request)
		if err == nil {
			return answer, nil
		}
		if errors.Is(err, remote.ErrJoin) {
			return nil, fmt.Errorf("%w: the invitation was used before, has expired, or is not of this run", err)
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, errors.New("no host of it is known")
	}
	return nil, errors.Join(errs...)
}

func addressesInConsul(ctx context.Context, cfg ConsulConfig, run string) (addresses []string, err error) {
	c, err := cluster.NewConsul(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	members, err := c.Members(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		addresses = append(addresses, m.Address)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("run %s has no members in Consul", run)
	}
	return addresses, nil
}

// A Connection is a process's membership of a run that another launched: it
// finds nodes and calls them.
type Connection struct {
	grant    *Grant
	table    *actor.Table
	sys      *actor.System
	endpoint *remote.Endpoint
}

// Connect joins a run with an invitation. It works once. Close the connection
// when it is not needed any more.
func Connect(ctx context.Context, i Invitation, opts ...ConnectOption) (*Connection, error) {
	g, err := Redeem(ctx, i, opts...)
	if err != nil {
		return nil, err
	}
	s := &connectSettings{logger: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(s)
	}
	c := &Connection{grant: g, table: actor.NewTable()}
	c.sys = actor.NewSystem(actor.Config{Host: g.Credentials.Name, Table: c.table, Locate: c.locate, Logger: s.logger})
	hosts := map[string]string{}
	for host, address := range g.Members {
		hosts[address] = host
	}
	c.endpoint, err = remote.New(remote.Config{
		System: c.sys.Actors(), Credentials: &g.Credentials, Down: c.sys.PeerDown, Logger: s.logger,
		Address: fmt.Sprintf("%s.%d.%s", g.Credentials.Name, g.Credentials.Incarnation, g.Run), // nobody dials it
		Expect: func(address string) (string, bool) {
			if address == launcherAddress(g.Run) {
				return launcherName, true
			}
			h, ok := hosts[address]
			return h, ok
		},
	})
	if err != nil {
		return nil, errors.Join(err, c.sys.Close(ctx))
	}
	c.sys.Attach(c.endpoint)
	return c, nil
}

// Run is the id of the run.
func (c *Connection) Run() string { return c.grant.Run }

// Close leaves the run: calls under way end.
func (c *Connection) Close(ctx context.Context) error {
	return errors.Join(c.sys.Close(ctx), c.endpoint.Close(ctx))
}

func (c *Connection) locate(key string) (string, error) {
	n, ok := c.grant.nodes[key]
	if !ok {
		return "", fmt.Errorf("%w: %s", actor.ErrNoNode, key)
	}
	if a := c.grant.Members[n.Host]; a != "" {
		return a, nil
	}
	return "", fmt.Errorf("%w: host %s of %s", actor.ErrUnreachable, n.Host, key)
}

func (c *Connection) names() *actor.Table { return c.table }

func (c *Connection) kindOf(key string) (kind, error) {
	n, ok := c.grant.nodes[key]
	if !ok {
		return kind{}, fmt.Errorf("%w: program %s has no node %s", actor.ErrNoNode, c.grant.Program, key)
	}
	return kind{name: n.Type}, nil
}

var (
	_ Source = (*Run)(nil)
	_ Source = (*Connection)(nil)
)
