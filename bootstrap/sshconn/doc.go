// Package sshconn opens SSH connections with the user's own set-up: the configuration files, keys, certificates, agent and known hosts of OpenSSH.
//
// A [Dialer] has read the configuration; [Dialer.Dial] resolves a [Target] with it, connects, checks the host's key, logs in, and returns a [Conn], which is an *ssh.Client of
// golang.org/x/crypto/ssh. Hosts behind a jump host share one connection to it; it is closed with the last of them.
//
// # Guarantees
//
// A host's key is always checked against known_hosts (hashed names, @cert-authority and @revoked included) and the connection fails closed; StrictHostKeyChecking does not weaken this. The
// hazard is called InsecureIgnoreHostKey. Failures are typed: [*ConfigError], [*ReachError], [*HostKeyError], [*AuthError]; each says what to do.
//
// A server that hangs up before it has sent its version (MaxStartups) is tried again with growing, jittered pauses.
//
// # Cancellation
//
// The context of Dial covers name resolution, dialling, jump hosts, handshake, login and pauses; after Dial has returned it has no effect on the connection. A failed Dial leaves no socket behind. Close of a Conn ends its
// sessions. Close of a Dialer ends dials under way and shared jump connections, and waits for them.
//
// # Limits
//
// Read from the configuration: Host, Match (all, canonical, final, host, originalhost, user, localuser, with negation), Include, HostName, User, Port, AddressFamily, IdentityFile, IdentitiesOnly,
// IdentityAgent, CertificateFile, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias, ProxyJump and ConnectTimeout. Other criteria of Match are an error with file and line where the rest of
// their line applies to the host. ProxyCommand and RevokedHostKeys are refused. Algorithms are chosen by this package; ecdh-sha2-nistp256, then
// curve25519, are preferred for the key exchange because servers compute them many times faster than what OpenSSH prefers. On Linux what a server sends is acknowledged at once: sshd waits for that before it sends its next small packet, and would otherwise
// wait for 40 ms several times in each start. Login is by public key and certificate only; nothing is asked of the user, so an encrypted key must be in an agent.
package sshconn
