package sshconn

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"
	"time"
)

const (
	defaultTimeout = 15 * time.Second
	defaultRetries = 10
)

// Config says where the SSH set-up is found. Its zero value is the user's own.
type Config struct {
	// ConfigFile is read in place of ~/.ssh/config and /etc/ssh/ssh_config and must then exist; empty means those two, "none" means no file.
	ConfigFile string

	// KnownHosts are the files of known host keys, which must exist; nil means those that the configuration names, else ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHosts []string

	// Identities are private key files that are offered before those of the configuration. They must be readable.
	Identities []string

	// InsecureIgnoreHostKey accepts any host key: whoever is on the way can read and change everything.
	InsecureIgnoreHostKey bool

	// Timeout bounds each host's connection from dialling to login, retries included; a jump host has its own. 0 means ConnectTimeout of the configuration, else 15 s;
	// negative means no bound but the context's.
	Timeout time.Duration

	// Retries is how often a connection is tried again when the server hangs up before its version. 0 means 10, negative means never.
	Retries int

	// Rand gives numbers in [0, 1) for the jitter of the pauses between retries and may be called by several goroutines at once; nil means math/rand/v2.
	Rand func() float64

	// Logger hears of retries, of settings that are not honoured and of skipped lines; nil means silence.
	Logger *slog.Logger
}

// validate checks c and fills in its zero values.
func (c Config) validate() (Config, error) {
	for _, files := range [][]string{c.KnownHosts, c.Identities} {
		for _, f := range files {
			if _, err := os.Stat(f); err != nil {
				return c, fmt.Errorf("sshconn: %w", err)
			}
		}
	}
	if c.Retries == 0 {
		c.Retries = defaultRetries
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Target is a host to connect to.
type Target struct {
	Name    string // in errors; empty: Address
	User    string // empty: the configuration's, then the current user
	Address string // what one would give to ssh: an alias of the configuration, a name or an IP address without brackets. Empty: Name
	Port    int    // 0: the configuration's, then 22

	// Since is when the connections to jump hosts that are shared may have begun at the earliest; older ones are not joined. Zero means that all may.
	Since time.Time
}

// local is who and where the launcher is.
type local struct {
	user, home, hostname string
}

func lookupLocal() (local, error) {
	u, err := user.Current()
	if err != nil {
		return local{}, fmt.Errorf("sshconn: who runs this: %w", err)
	}
	l := local{user: u.Username, home: u.HomeDir}
	if home, err := os.UserHomeDir(); err == nil {
		l.home = home // $HOME, as a launcher in a container or a test has it
	}
	if l.home == "" {
		return local{}, errors.New("sshconn: no home folder is known; set HOME")
	}
	if l.hostname, err = os.Hostname(); err != nil {
		l.hostname = "localhost"
	}
	return l, nil
}

// dotSSH is a file in the user's .ssh folder.
func (l local) dotSSH(name string) string { return filepath.Join(l.home, ".ssh", name) }
