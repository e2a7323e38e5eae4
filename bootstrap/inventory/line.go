package inventory

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// fault is a word that cannot be used, and why.
type fault struct{ text, reason string }

// definition is one line of hosts: what is the same for all of them, and the words in which a range may stand.
type definition struct {
	base                  Host
	name, target, data    pattern
	hasTarget, hasDataKey bool
}

func (d definition) len() int { return d.name.len() }

// define reads the words of a host's line; faults are recorded.
func (p *parser) define(words []string) (definition, bool) {
	before := len(p.errs)
	d := definition{base: Host{Slots: 1}}
	d.name = p.pattern(words[0])
	rest := words[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], "=") {
		d.target, d.hasTarget = p.pattern(rest[0]), true
		rest = rest[1:]
	}
	seen := map[string]bool{}
	for _, w := range rest {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case !ok:
			p.fail(w, "not a key=value; a line is: name [user@]address[:port] key=value")
			continue
		case !isLabel(key):
			p.fail(w, "the key must be of a-z, 0-9, '.', '_' and '-', and start with a letter or digit")
			continue
		case value == "":
			p.fail(w, "the value is missing; write "+key+"=VALUE")
			continue
		case !printable(value):
			p.fail(w, "the value holds characters that cannot be printed")
			continue
		case seen[key]:
			p.fail(w, "the key "+key+" is given twice")
			continue
		}
		seen[key] = true
		p.set(&d, key, value)
	}
	for _, other := range []struct {
		given bool
		pattern
	}{{d.hasTarget, d.target}, {d.hasDataKey, d.data}} {
		if other.given && len(p.errs) == before && (other.ranged != d.name.ranged || other.len() != d.name.len()) {
			p.fail(other.text, fmt.Sprintf("%d values, but %s names %d hosts; write a range of the same length in both", other.len(), d.name.text, d.name.len()))
		}
	}
	return d, len(p.errs) == before
}

// set gives the meaning of one key.
func (p *parser) set(d *definition, key, value string) {
	switch key {
	case "slots":
		d.base.Slots = p.count(key, value, 1)
	case "gpus":
		d.base.GPUs = p.count(key, value, 0)
	case "data":
		d.data, d.hasDataKey = p.pattern(value), true
	default:
		if d.base.Labels == nil {
			d.base.Labels = map[string]string{}
		}
		d.base.Labels[key] = value
	}
}

func (p *parser) count(key, value string, least int) int {
	const most = 1 << 20
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		p.fail(key+"="+value, fmt.Sprintf("write a whole number from %d to %d", least, most))
	}
	return n
}

func (p *parser) pattern(text string) pattern {
	pat, err := parsePattern(text)
	if err != nil {
		p.fail(err.text, err.reason)
	}
	return pat
}

// at returns the i-th host of the line.
func (d definition) at(i int) (Host, *fault) {
	h := d.base
	h.Name = d.name.at(i)
	if !isHostName(h.Name) {
		return h, &fault{h.Name, "a host's name is of letters, digits, '.', '_' and '-', and starts with a letter or digit"}
	}
	h.Address = h.Name
	if d.hasTarget {
		if err := h.setTarget(d.target.at(i)); err != nil {
			return h, err
		}
	}
	if d.hasDataKey {
		data := d.data.at(i)
		inner, bracketed := strings.CutPrefix(data, "[")
		inner, closed := strings.CutSuffix(inner, "]")
		if bracketed != closed || bracketed && !isIPv6(inner) || !isAddress(inner) {
			return h, &fault{"data=" + data, "not an address; write a name or an IP address without a port"}
		}
		h.Data = inner
	}
	return h, nil
}

// setTarget reads [user@]address[:port].
func (h *Host) setTarget(s string) *fault {
	addr := s
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		h.User, addr = s[:at], s[at+1:]
		if h.User == "" || !printable(h.User) || strings.HasPrefix(h.User, "-") || strings.ContainsAny(h.User, "[]") {
			return &fault{s, "the user before @ is missing or not a user's name; write user@address"}
		}
	}
	host, port, hasPort := addr, "", false
	switch {
	case strings.HasPrefix(addr, "["):
		var closed bool
		host, port, closed = strings.Cut(addr[1:], "]")
		if !closed || !isIPv6(host) || port != "" && port[0] != ':' {
			return &fault{s, "not an IPv6 address in brackets; write [2001:db8::7] or [2001:db8::7]:22"}
		}
		hasPort = port != ""
		port = strings.TrimPrefix(port, ":")
	case strings.Count(addr, ":") > 1:
		return &fault{s, "write an IPv6 address in brackets: " + net.JoinHostPort("2001:db8::7", "22")}
	default:
		host, port, hasPort = strings.Cut(addr, ":")
		if isIPv6(host) {
			return &fault{s, "write an IPv6 address in brackets"}
		}
	}
	if !isAddress(host) {
		return &fault{s, "not an address; write [user@]address[:port] with a name or an IP address"}
	}
	h.Address = host
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return &fault{s, "the port must be a number from 1 to 65535"}
		}
		h.Port = int(n)
	}
	return nil
}

// isLabel reports whether s is [a-z0-9][a-z0-9._-]*.
func isLabel(s string) bool {
	return isHostName(s) && strings.ToLower(s) == s
}

// isHostName reports whether s is [A-Za-z0-9][A-Za-z0-9._-]*.
func isHostName(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return s != ""
}

// isAddress reports whether s is an IPv6 address or may be a host's name, an alias or an IPv4 address.
func isAddress(s string) bool {
	if isIPv6(s) {
		return printable(s)
	}
	return isHostName(s)
}

// printable reports whether s is free of control characters, blanks and invalid UTF-8, so that it can stand in a log, an error and a line of an inventory.
func printable(s string) bool {
	for _, r := range s {
		if r == '\uFFFD' || !strconv.IsGraphic(r) || r == '\u00a0' {
			return false
		}
	}
	return true
}
