package sshconn

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxJumps bounds a chain of jump hosts.
const maxJumps = 8

// settings is everything that is known of a host before it is dialled.
type settings struct {
	name     string // for errors
	alias    string // what one would give to ssh
	user     string
	hostName string
	port     int
	network  string // tcp, tcp4 or tcp6
	timeout  time.Duration

	identities     []string // IdentityFile
	certificates   []string // CertificateFile
	identitiesOnly bool
	agent          string // socket; empty: none

	knownHosts   []string
	hostKeyAlias string
	lax          *directive // StrictHostKeyChecking that would weaken the check
	jumps        []Target   // from the launcher's side to the host's
}

// id tells connections apart: two targets of one id share a jump connection.
func (s settings) id() string {
	return s.user + "@" + s.addr() + "#" + s.hostKeyAlias
}

// addr is host:port, the host in brackets where it is an IPv6 address.
func (s settings) addr() string { return joinHostPort(s.hostName, s.port) }

// resolve reads what the configuration says of t. chain is set when t is reached through a ProxyJump that decides how: then t's own ProxyJump is not looked at.
func (d *Dialer) resolve(t Target, chain bool) (settings, error) {
	name := t.Name
	if name == "" {
		name = t.Address
	}
	if t.Address == "" {
		t.Address = name
	}
	e, err := evaluate(d.files, t.Address, t.User, d.local)
	if err != nil {
		return settings{}, err
	}
	s := settings{name: name, alias: t.Address, user: e.remoteUser(), hostName: e.hostName(), port: t.Port, network: "tcp", timeout: d.cfg.Timeout}
	x := expander{e: e, s: &s}
	for _, step := range []func(*expander) error{(*expander).reach, (*expander).keys, (*expander).known} {
		if err := step(&x); err != nil {
			return settings{}, err
		}
	}
	if d.cfg.KnownHosts != nil {
		s.knownHosts = d.cfg.KnownHosts
	}
	if !chain {
		if s.jumps, err = x.proxyJump(); err != nil {
			return settings{}, err
		}
	}
	return s, nil
}

// expander turns directives into settings.
type expander struct {
	e *evaluation
	s *settings
}

// value returns the first value of a key, whether it is there and is not "none".
func (x *expander) value(key string) (directive, bool) {
	d, ok := x.e.first[key]
	return d, ok && !strings.EqualFold(d.value, "none")
}

func (x *expander) reach() error {
	if d, ok := x.value("port"); ok && x.s.port == 0 {
		n, err := strconv.ParseUint(d.value, 10, 16)
		if err != nil || n == 0 {
			return d.fault("the port must be a number from 1 to 65535")
		}
		x.s.port = int(n)
	}
	if x.s.port == 0 {
		x.s.port = 22
	}
	if d, ok := x.value("addressfamily"); ok {
		switch strings.ToLower(d.value) {
		case "inet":
			x.s.network = "tcp4"
		case "inet6":
			x.s.network = "tcp6"
		}
	}
	if d, ok := x.value("connecttimeout"); ok && x.s.timeout == 0 {
		n, err := strconv.ParseUint(d.value, 10, 31)
		if err != nil {
			return d.fault("write a number of seconds")
		}
		x.s.timeout = time.Duration(n) * time.Second
	}
	if x.s.timeout == 0 {
		x.s.timeout = defaultTimeout
	}
	if d, ok := x.value("proxycommand"); ok {
		if _, jump := x.e.first["proxyjump"]; !jump {
			return d.fault("ProxyCommand is not supported; use ProxyJump")
		}
	}
	return nil
}

func (x *expander) keys() error {
	for key, to := range map[string]*[]string{"identityfile": &x.s.identities, "certificatefile": &x.s.certificates} {
		for _, d := range x.e.all[key] {
			if strings.EqualFold(d.value, "none") {
				continue
			}
			path, err := x.path(d, d.value)
			if err != nil {
				return err
			}
			*to = append(*to, path)
		}
	}
	if d, ok := x.value("identitiesonly"); ok {
		x.s.identitiesOnly = strings.EqualFold(d.value, "yes")
	}
	x.s.agent = os.Getenv("SSH_AUTH_SOCK")
	if d, given := x.e.first["identityagent"]; given {
		switch {
		case strings.EqualFold(d.value, "none"):
			x.s.agent = ""
		case d.value == "SSH_AUTH_SOCK":
		case strings.HasPrefix(d.value, "$") && !strings.HasPrefix(d.value, "${"):
			x.s.agent = os.Getenv(d.value[1:])
		default:
			path, err := x.path(d, d.value)
			if err != nil {
				return err
			}
			x.s.agent = path
		}
	}
	return nil
}

func (x *expander) known() error {
	const system = "/etc/ssh/ssh_known_hosts"
	for _, files := range []struct {
		key      string
		defaults []string
	}{
		{"userknownhostsfile", []string{filepath.Join(x.e.local.home, ".ssh", "known_hosts"), filepath.Join(x.e.local.home, ".ssh", "known_hosts2")}},
		{"globalknownhostsfile", []string{system, system + "2"}},
	} {
		d, given := x.e.first[files.key]
		if !given {
			x.s.knownHosts = append(x.s.knownHosts, files.defaults...)
			continue
		}
		for _, w := range words(d.value) {
			if strings.EqualFold(w, "none") {
				continue
			}
			path, err := x.path(d, w)
			if err != nil {
				return err
			}
			x.s.knownHosts = append(x.s.knownHosts, path)
		}
	}
	if d, ok := x.value("hostkeyalias"); ok {
		x.s.hostKeyAlias = d.value
	}
	if d, ok := x.value("revokedhostkeys"); ok {
		return d.fault("RevokedHostKeys is not supported; mark the keys with @revoked in known_hosts")
	}
	if d, ok := x.value("stricthostkeychecking"); ok && slices.Contains([]string{"no", "off", "accept-new"}, strings.ToLower(d.value)) {
		x.s.lax = &d
	}
	return nil
}

// proxyJump reads the chain of jump hosts, in the order in which they are passed.
func (x *expander) proxyJump() ([]Target, error) {
	d, ok := x.value("proxyjump")
	if !ok {
		return nil, nil
	}
	var jumps []Target
	for part := range strings.SplitSeq(d.value, ",") {
		t, ok := parseJump(strings.TrimSpace(part))
		if !ok {
			return nil, d.fault("not a jump host; write [user@]host[:port], more of them with commas between")
		}
		if t.Name == x.e.original {
			return nil, nil // a jump host under "Host *" is not reached through itself
		}
		jumps = append(jumps, t)
	}
	if len(jumps) > maxJumps {
		return nil, d.fault("more than " + strconv.Itoa(maxJumps) + " jump hosts")
	}
	return jumps, nil
}

func parseJump(s string) (Target, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	var t Target
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		t.User, s = s[:at], s[at+1:]
		if t.User == "" {
			return t, false
		}
	}
	port, hasPort := "", false
	if inner, ok := strings.CutPrefix(s, "["); ok {
		t.Name, port, ok = strings.Cut(inner, "]")
		if !ok {
			return t, false
		}
		port, hasPort = strings.CutPrefix(port, ":")
		if !hasPort && port != "" {
			return t, false
		}
	} else {
		t.Name, port, hasPort = strings.Cut(s, ":")
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return t, false
		}
		t.Port = int(n)
	}
	return t, t.Name != "" && !strings.ContainsAny(t.Name, " \t@")
}

// environment is made by the first who needs it: each process of a run has this package, and few have a use for it.
var environment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{[^}]*\}`) })

// path expands ~, ${NAME} and the %-tokens of OpenSSH in a file's name.
func (x *expander) path(d directive, value string) (string, error) {
	var missing string
	value = environment().ReplaceAllStringFunc(value, func(ref string) string {
		v, ok := os.LookupEnv(ref[2 : len(ref)-1])
		if !ok {
			missing = ref
		}
		return v
	})
	if missing != "" {
		return "", d.fault("the environment has no " + missing)
	}
	if rest, ok := strings.CutPrefix(value, "~/"); ok {
		value = filepath.Join(x.e.local.home, rest)
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b.WriteByte(value[i])
			continue
		}
		i++
		token := ""
		if i < len(value) {
			token = value[i : i+1]
		}
		v, ok := x.token(token)
		if !ok {
			return "", d.fault("%" + token + " is not supported here; the tokens are %% %d %h %i %k %L %l %n %p %r %u")
		}
		b.WriteString(v)
	}
	path := b.String()
	if !filepath.IsAbs(path) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", d.fault(err.Error())
		}
		path = abs
	}
	return path, nil
}

func (x *expander) token(t string) (string, bool) {
	l := x.e.local
	switch t {
	case "%":
		return "%", true
	case "d":
		return l.home, true
	case "h":
		return x.s.hostName, true
	case "i":
		u, err := user.Current()
		if err != nil {
			return "", false
		}
		return u.Uid, true
	case "k":
		if d, ok := x.value("hostkeyalias"); ok {
			return d.value, true
		}
		return x.e.original, true
	case "L":
		short, _, _ := strings.Cut(l.hostname, ".")
		return short, true
	case "l":
		return l.hostname, true
	case "n":
		return x.e.original, true
	case "p":
		return strconv.Itoa(x.s.port), true
	case "r":
		return x.s.user, true
	case "u":
		return l.user, true
	}
	return "", false
}
