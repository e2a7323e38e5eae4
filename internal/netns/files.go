//go:build linux

package netns

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// prepare writes the host's own files: account files, sshd's key and configuration, homes and temporary folders.
func (h *Host) prepare() error {
	for dir, mode := range map[string]os.FileMode{
		"etc": 0o755, "ssh": 0o755, "home": 0o755, "tmp": 0o777 | os.ModeSticky, "vartmp": 0o777 | os.ModeSticky, "home/root": 0o700,
	} {
		path := filepath.Join(h.dir, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // MkdirAll is subject to the umask and knows no sticky bit
			return err
		}
	}
	if h.plain() {
		if err := os.Mkdir(h.Home, 0o700); err != nil {
			return err
		}
		if err := os.Chown(h.Home, plainUID, plainUID); err != nil {
			return err
		}
	}
	passwd, err := h.accounts("/etc/passwd", fmt.Sprintf("root:x:0:0:root:%s:%s", h.homeOf("root"), h.net.cfg.Shell),
		fmt.Sprintf("%s:x:%d:%d::%s:%s", h.net.cfg.User, plainUID, plainUID, h.Home, h.net.cfg.Shell))
	if err != nil {
		return err
	}
	group, err := h.accounts("/etc/group", "root:x:0:", fmt.Sprintf("%s:x:%d:", h.net.cfg.User, plainUID))
	if err != nil {
		return err
	}
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	for _, peer := range h.net.Hosts {
		hosts += peer.IP + " " + peer.Name + "\n"
	}
	for name, text := range map[string]string{
		"etc/passwd": passwd, "etc/group": group, "etc/hosts": hosts, "etc/hostname": h.Name + "\n", "ssh/sshd_config": h.sshdConfig(),
	} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// plain tells whether the hosts have a plain account beside root.
func (h *Host) plain() bool { return h.net.cfg.User != "root" }

// accounts is the machine's account file with root's line replaced and, where there is one, the plain account's line added.
func (h *Host) accounts(path, root, plain string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := []string{root}
	if h.plain() {
		lines = append(lines, plain)
	}
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, ":"); name != "root" && name != h.net.cfg.User {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(lines, "\n") + "\n", nil
}

func (h *Host) sshdConfig() string {
	dir := filepath.Join(h.dir, "ssh")
	lines := append([]string{"MaxStartups 200"}, h.net.cfg.SSHD...) // of MaxStartups alone sshd takes the last value
	return strings.Join(append(lines,
		"Port 22",
		"HostKey "+filepath.Join(dir, "hostkey"),
		"PidFile "+filepath.Join(dir, "pid"),
		"AuthorizedKeysFile "+filepath.Join(dir, "authorized_keys"),
		"StrictModes no",
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"UsePAM no",
		"UseDNS no",
		"PrintMotd no",
		"MaxSessions 100",
		"Subsystem sftp internal-sftp",
	), "\n") + "\n"
}

// writeClient makes the keys of the net and what a client needs to log in. It makes the hosts' folders on the way, because a host's key is its own.
func (n *Net) writeClient() error {
	n.KnownHosts = filepath.Join(n.client, "known_hosts")
	n.Identity = filepath.Join(n.client, "id_ed25519")
	n.ClientConfig = filepath.Join(n.client, "config")
	user, err := writeKey(n.Identity)
	if err != nil {
		return err
	}
	var known, config strings.Builder
	for _, h := range n.Hosts {
		dir := filepath.Join(h.dir, "ssh")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		key, err := writeKey(filepath.Join(dir, "hostkey"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(user), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&known, "%s,%s %s", h.IP, h.Name, ssh.MarshalAuthorizedKey(key))
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n", h.Name, h.IP)
	}
	fmt.Fprintf(&config, "Host *\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n",
		n.cfg.User, n.Identity, n.KnownHosts)
	if err := os.WriteFile(n.KnownHosts, []byte(known.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(n.ClientConfig, []byte(config.String()), 0o644)
}

// writeKey writes a new private key to path and returns its public half.
func writeKey(path string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}
