package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tartrl/tlaunch-go/bench/reach"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

// field is the hosts on which contestants meet.
type field struct {
	where     string   // for people
	names     []string // by which peers know the hosts
	inventory string   // file
	sshConfig string   // for us; empty: the user's own
	peersSSH  string   // OpenSSH configuration by which peers reach hosts by name
	network   string   // CIDR that the hosts share with the launcher; empty: unknown
	targets   []sshconn.Target
	dir       string // of our own files
	down      func() error

	// settle waits until nothing runs on the hosts any more, and used is the processor time that they have taken by then; nil where hosts cannot be looked into.
	settle func(ctx context.Context) error
	used   func() (time.Duration, error)
}

// openField brings hosts up, or takes those of an inventory.
func openField(cfg config) (_ *field, err error) {
	f := &field{down: func() error { return nil }}
	if f.dir, err = os.MkdirTemp("", "tlaunch-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if cfg.inventory == "" {
		if err := f.bringUp(cfg); err != nil {
			return nil, err
		}
	} else {
		f.inventory, f.sshConfig, f.where = cfg.inventory, cfg.sshConfig, "of "+cfg.inventory
	}
	inv, err := inventory.Read(f.inventory)
	if err != nil {
		return nil, err
	}
	for _, h := range inv.Hosts {
		f.names = append(f.names, h.Name)
		f.targets = append(f.targets, sshconn.Target{Name: h.Name, User: h.User, Address: h.Address, Port: h.Port})
	}
	if f.peersSSH == "" {
		f.peersSSH = filepath.Join(f.dir, "ssh_config")
		text, err := reach.ClientConfig(inv, cfg.sshConfig)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(f.peersSSH, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// close removes what was made.
func (f *field) close() error { return errors.Join(f.down(), os.RemoveAll(f.dir)) }

// visit runs a shell command on every host, at once, and returns the key exchange of the connection to the first.
func (f *field) visit(ctx context.Context, command string) (kex string, err error) {
	dialer, err := sshconn.NewDialer(sshconn.Config{ConfigFile: f.sshConfig})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, dialer.Close()) }()
	errs := make([]error, len(f.targets))
	var group sync.WaitGroup
	for i, target := range f.targets {
		group.Go(func() {
			conn, err := dialer.Dial(ctx, target)
			if err != nil {
				errs[i] = err
				return
			}
			if i == 0 {
				kex = conn.KeyExchange
			}
			errs[i] = errors.Join(execute(conn.Client, command), conn.Close())
		})
	}
	group.Wait()
	return kex, errors.Join(errs...)
}

func execute(client *ssh.Client, command string) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	if out, err := session.CombinedOutput(command); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// copyName is where a peer's copy of the executable goes, in the home folder.
const copyName = "tlaunch-bench-copy"

// empty removes from every host the executable of this hash and the copy that a peer has made.
func (f *field) empty(ctx context.Context, hash string) error {
	_, err := f.visit(ctx, fmt.Sprintf(`sh -c 'u=$(id -u); rm -f "${XDG_CACHE_HOME:-$HOME/.cache}/tlaunch/%[1]s" "$HOME/.cache/tlaunch/%[1]s" `+
		`"/var/tmp/tlaunch-$u/%[1]s" "/tmp/tlaunch-$u/%[1]s" "$HOME/%[2]s"'`, hash, copyName))
	return err
}
