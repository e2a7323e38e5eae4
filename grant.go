package tlaunch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/remote"
)

// A Grant is what an invitation was redeemed for: membership of a run. Its
// TLS lets a stock Proto.Actor process talk to the run's nodes.
type Grant struct {
	Run, Program string
	Credentials  remote.Credentials
	Members      map[string]string // address by host, as it was when the grant was made: see Locate

	bounds Bounds
	nodes  map[string]nodeEntry
	places []hostPlace // all that was known then
	consul *ConsulConfig
	pin    [32]byte
	ticket []byte

	mu    sync.Mutex
	known map[string]string // the latest addresses by host
}

// Locate asks the run where its hosts are now: the address of each that is
// there, by its name. A host that was started again has another than before.
// One of the hosts that this grant has heard of last must be reachable, or
// with [FindInConsul] any. [Connection] does it by itself.
func (g *Grant) Locate(ctx context.Context) (map[string]string, error) {
	places, err := g.ask(ctx)
	if err != nil {
		return nil, err
	}
	return addressesOf(places), nil
}

// TLS is a configuration that serves and dials as this member and accepts
// members of the same run only.
func (g *Grant) TLS() (*tls.Config, error) { return g.Credentials.TLS(nil) }

// ConnectOption changes how a process joins a run.
type ConnectOption func(*connectSettings)

type connectSettings struct {
	consul *ConsulConfig
	logger *slog.Logger
	tracer trace.TracerProvider
}

// FindInConsul takes the addresses of the run's hosts from Consul instead of
// from the invitation, which still proves that this process may join. It looks
// there again when no host is to be reached that it knows of.
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
	request, err := actor.Encode(redeemRequest{Secret: v.Secret, CSR: csr})
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
	g := &Grant{
		Run: v.Run, Program: e.Program, Credentials: e.Credentials, Members: addressesOf(e.Places),
		bounds: e.Bounds, nodes: map[string]nodeEntry{}, places: e.Places, consul: s.consul, pin: v.Pin, ticket: e.Ticket[:], known: addressesOf(e.Places),
	}
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
