package remote

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"
)

// A hello is what one of our own endpoints says about itself in the metadata of a stream, and what it answers. Stock
// peers ignore it and send none.
type hello struct {
	minVersion, maxVersion int
	address                string
	incarnation            uint64
}

const (
	minVersion = 1
	maxVersion = 1

	versionKey     = "tlaunch-version"
	addressKey     = "tlaunch-address"
	incarnationKey = "tlaunch-incarnation"
)

func (h hello) metadata() metadata.MD {
	return metadata.Pairs(
		versionKey, fmt.Sprintf("%d-%d", h.minVersion, h.maxVersion),
		addressKey, h.address,
		incarnationKey, strconv.FormatUint(h.incarnation, 10),
	)
}

// parseHello reads metadata. Without a version it is a stock peer's and ok is false.
func parseHello(md metadata.MD) (h hello, ok bool, err error) {
	version := md.Get(versionKey)
	if len(version) == 0 {
		return hello{}, false, nil
	}
	low, high, found := strings.Cut(version[0], "-")
	if !found {
		high = low
	}
	if h.minVersion, err = strconv.Atoi(low); err == nil {
		h.maxVersion, err = strconv.Atoi(high)
	}
	if err != nil || h.minVersion < 1 || h.maxVersion < h.minVersion {
		return hello{}, true, fmt.Errorf("%w: %q is no range of versions", ErrVersion, version[0])
	}
	if h.minVersion > maxVersion || h.maxVersion < minVersion {
		return hello{}, true, fmt.Errorf("%w: the peer speaks %s, this process %d-%d; run the same release at both ends",
			ErrVersion, version[0], minVersion, maxVersion)
	}
	address, incarnation := md.Get(addressKey), md.Get(incarnationKey)
	if len(address) != 1 || !printable(address[0]) || len(incarnation) != 1 {
		return hello{}, true, fmt.Errorf("%w: the peer does not say who it is", ErrVersion)
	}
	h.address = address[0]
	if h.incarnation, err = strconv.ParseUint(incarnation[0], 10, 64); err != nil {
		return hello{}, true, fmt.Errorf("%w: incarnation %q", ErrVersion, incarnation[0])
	}
	return h, true, nil
}

// fits checks that whoever shows this certificate may be the process at p. incarnation is nil for stock peers.
// dialled says that we chose the address, so that TLS has compared certificate and host already.
func (p *peer) fits(info peerInfo, dialled bool, incarnation *uint64) error {
	e, address := p.e, p.address
	if err := e.admits(address, info.member); err != nil {
		return err
	}
	if id := info.member; id != nil {
		if e.cfg.Expect != nil {
			if name, ok := e.cfg.Expect(address); ok && (name != id.Name || id.Role == RoleGuest) {
				return fmt.Errorf("%w: at %s there should be %q, not %s", ErrRefused, address, name, id)
			}
		}
		if incarnation != nil && *incarnation != id.Incarnation {
			return fmt.Errorf("%w: incarnation %d is claimed by %s", ErrRefused, *incarnation, id)
		}
		return p.bind(*id)
	}
	if info.leaf == nil || dialled || e.cfg.TLS.ServerName != "" {
		return nil // plaintext, checked already, or one name in all certificates: nothing to hold anybody to
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil // not dialled by that name, so it takes nobody's place
	}
	if err := info.leaf.VerifyHostname(host); err != nil {
		return fmt.Errorf("%w: %s is claimed with a certificate for another host: %w", ErrRefused, address, err)
	}
	return nil
}

// bind holds an address to one member while a link to it lives, and to growing incarnations of that member. One that a
// launcher or a host has had is never a guest's.
func (p *peer) bind(id Identity) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.admitsLocked(id); err != nil {
		return err
	}
	p.member = &id
	return nil
}

func (p *peer) admitsLocked(id Identity) error {
	was := p.member
	switch {
	case was == nil, yields(was, &id):
		return nil
	case yields(&id, was):
		return fmt.Errorf("%w: %s is the address of %s, and claimed by %s", ErrRefused, p.address, was, id)
	case was.Role == id.Role && was.Name == id.Name:
		if id.Incarnation < was.Incarnation {
			return fmt.Errorf("%w: %s is an earlier incarnation than %s", ErrRefused, id, was)
		}
	case len(p.links) > 0:
		return fmt.Errorf("%w: %s is in use by %s, and claimed by %s", ErrRefused, p.address, was, id)
	}
	return nil
}

// yields reports whether one member gives way to the other at an address: a guest does to those who make up the run.
func yields(one, other *Identity) bool { return one.Role == RoleGuest && other.Role != RoleGuest }
