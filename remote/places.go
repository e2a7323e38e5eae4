package remote

import (
	"net"
	"net/netip"
	"sync"
)

// places bound how many of something come from outside at once: in all, and from one address, so that no caller keeps out all others. See newPlaces.
type places struct {
	most, each int

	mu    sync.Mutex
	taken int
	from  map[string]int
}

func newPlaces(most, each int) *places {
	return &places{most: most, each: each, from: map[string]int{}}
}

// take takes a place for a caller, who gives it back with leave. The reason is not empty where there is none.
func (p *places) take(from string) Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.taken >= p.most:
		return RefusedLimit
	case p.from[from] >= p.each:
		return RefusedAddressLimit
	}
	p.taken++
	p.from[from]++
	return ""
}

func (p *places) leave(from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.from[from]--; p.from[from] == 0 {
		delete(p.from, from)
	}
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// hostOf names a caller, without the port, which is a new one each time.
func hostOf(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}

// networkOf is what counts as one address: of IPv6, whoever has one has all that begin with the same 64 bits.
func networkOf(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is4() || a.Is4In6() {
		return host
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}
