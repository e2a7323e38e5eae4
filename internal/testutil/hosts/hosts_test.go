//go:build linux && hosts

package hosts_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashEnv) != "" {
		// It kills itself; if it cannot, it must not run the tests, which would start it again.
		testing.Benchmark(crash)
		os.Exit(1)
	}
	leak.Main(m)
}

// dial logs in on a host the way the net's files tell.
func dial(t *testing.T, n *hosts.Net, h *hosts.Host, user string) *ssh.Client {
	t.Helper()
	pem, err := os.ReadFile(n.Identity)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(pem)
	require.NoError(t, err)
	check, err := knownhosts.New(n.KnownHosts)
	require.NoError(t, err)
	client, err := ssh.Dial("tcp", net.JoinHostPort(h.IP, "22"), &ssh.ClientConfig{
		User:              user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback:   check,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		Timeout:           time.Minute,
	})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// remotely runs a shell command over SSH and returns its output without the last line feed.
func remotely(t *testing.T, client *ssh.Client, command string) string {
	t.Helper()
	session, err := client.NewSession()
	require.NoError(t, err)
	defer session.Close()
	out, err := session.CombinedOutput(command)
	require.NoError(t, err, "%s: %s", command, out)
	return strings.TrimSuffix(string(out), "\n")
}

// reaches waits until one host's ping of another is answered, a minute at most: on a busy machine one may be lost or late.
func reaches(from *hosts.Host, ip string) bool {
	for range 60 {
		if !cutOff(from, ip) {
			return true
		}
	}
	return false
}

// cutOff tells whether one host's ping of another is not answered within a second.
func cutOff(from *hosts.Host, ip string) bool {
	return from.Command("ping", "-c", "1", "-W", "1", ip).Run() != nil
}

func TestHostsAreApart(t *testing.T) {
	n := hosts.Up(t, 2)
	one, two := n.Hosts[0], n.Hosts[1]
	require.Equal(t, "host1", one.Name)
	require.True(t, reaches(one, two.IP))
	require.True(t, reaches(two, n.Gateway.String()))
	require.True(t, reaches(one, "host2"), "names of hosts are known on hosts")

	for _, h := range n.Hosts {
		client := dial(t, n, h, "root")
		require.Equal(t, h.Name, remotely(t, client, "hostname"))
		require.Equal(t, h.Home, remotely(t, client, "cd; pwd"))
		require.Empty(t, remotely(t, client, "true"))
		for _, dir := range []string{"~", "/tmp", "/var/tmp", "/dev/shm", "/root"} {
			require.Empty(t, remotely(t, client, "ls -A "+dir), "%s of %s starts empty", dir, h.Name)
			remotely(t, client, "echo "+h.Name+" > "+dir+"/mark")
			require.Equal(t, h.Name, remotely(t, client, "cat "+dir+"/mark"))
		}
	}
	require.NotEqual(t, one.Home, two.Home)
	text, err := os.ReadFile(filepath.Join(two.Home, "mark"))
	require.NoError(t, err, "a home is visible from outside")
	require.Equal(t, "host2\n", string(text))
	require.Error(t, one.Command("ls", two.Home).Run(), "a host sees no other host's home")
	require.Error(t, one.Command("ls", n.Identity).Run(), "a host sees nothing of the machine's /tmp")
}

func TestCommandRunsOnTheHost(t *testing.T) {
	n := hosts.Up(t, 1)
	h := n.Hosts[0]
	out, err := h.Command("sh", "-c", "hostname; pwd; echo $HOME; ip -brief addr show eth0").Output()
	require.NoError(t, err)
	require.Equal(t, []string{"host1", h.Home, h.Home}, strings.Split(string(out), "\n")[:3])
	require.Contains(t, string(out), h.IP+"/24")

	self := h.Command(fmt.Sprintf("/proc/%d/exe", os.Getpid()), "-test.list", "^TestCommandRunsOnTheHost$")
	out, err = self.CombinedOutput()
	require.NoError(t, err, "the test's own binary runs by its path in /proc: %s", out)
	require.Contains(t, string(out), "TestCommandRunsOnTheHost")
}

func TestCutAndDrop(t *testing.T) {
	n := hosts.Up(t, 3)
	one, two, three := n.Hosts[0], n.Hosts[1], n.Hosts[2]
	gateway := n.Gateway.String()

	one.Cut()
	require.True(t, cutOff(one, two.IP))
	require.True(t, cutOff(two, one.IP))
	require.True(t, reaches(two, three.IP))
	one.Heal()
	require.True(t, reaches(one, two.IP))

	one.Drop(two)
	require.True(t, cutOff(one, two.IP))
	require.True(t, cutOff(two, one.IP))
	require.True(t, reaches(one, three.IP))
	one.DropGateway()
	require.True(t, cutOff(one, two.IP), "the first drop stays when a second is added")
	require.True(t, cutOff(one, gateway))
	one.Undrop(two)
	require.True(t, reaches(one, two.IP))
	require.True(t, cutOff(one, gateway))
	one.UndropGateway()
	require.True(t, reaches(one, gateway))
}

func TestSSHDStopsAndStarts(t *testing.T) {
	n := hosts.Up(t, 1)
	h := n.Hosts[0]
	client := dial(t, n, h, "root")
	h.StopSSHD()
	h.StopSSHD()
	_, err := net.Dial("tcp", net.JoinHostPort(h.IP, "22"))
	require.Error(t, err)
	require.Equal(t, "host1", remotely(t, client, "hostname"), "open connections go on")
	h.StartSSHD()
	h.StartSSHD()
	require.Equal(t, "host1", remotely(t, dial(t, n, h, "root"), "hostname"))
	require.Contains(t, h.SSHDLog(), "Accepted publickey for root")
}

func TestProcesses(t *testing.T) {
	n := hosts.Up(t, 2)
	h := n.Hosts[0]
	require.Empty(t, h.Processes())
	// Its own session and parent gone: nothing but the namespace tells that it is the host's.
	out, err := h.Command("sh", "-c", "setsid sleep 4242 >/dev/null 2>&1 & echo $!").Output()
	require.NoError(t, err)
	client := dial(t, n, h, "root")

	var sleeper *hosts.Process
	for _, p := range h.Processes() {
		if fmt.Sprintln(p.PID) == string(out) {
			sleeper = &p
		}
	}
	require.NotNil(t, sleeper)
	require.Contains(t, strings.Join(sleeper.Args, " "), "sleep 4242")
	require.Empty(t, n.Hosts[1].Processes())

	h.KillAll()
	require.Empty(t, h.Processes())
	require.Error(t, client.Wait(), "sessions of sshd are killed as well")
	require.Equal(t, "host1", remotely(t, dial(t, n, h, "root"), "hostname"), "sshd itself goes on")
}

func TestOptions(t *testing.T) {
	n := hosts.Up(t, 1, hosts.User("ada"), hosts.LoginShell("/bin/bash"), hosts.SSHDConfig("SetEnv COLOUR=blue"), hosts.Rate("80mbit"))
	h := n.Hosts[0]
	client := dial(t, n, h, "ada")
	require.Equal(t, "ada ada /bin/bash "+h.Home, remotely(t, client, `echo $(id -un) $(id -gn) $SHELL $HOME`))
	require.Empty(t, remotely(t, client, "touch ~/mine"))
	require.Equal(t, "root", remotely(t, dial(t, n, h, "root"), "whoami"), "root may still log in")

	require.Equal(t, "blue", remotely(t, client, "echo $COLOUR"))

	inventory, err := os.ReadFile(n.Inventory(t))
	require.NoError(t, err)
	require.Equal(t, "host1 ada@"+h.IP+"\n", string(inventory))

	start := time.Now()
	session, err := client.NewSession()
	require.NoError(t, err)
	session.Stdin = bytes.NewReader(make([]byte, 5<<20)) // half a second at 10 MB/s
	require.NoError(t, session.Run("cat > /dev/null"))
	require.Greater(t, time.Since(start), 300*time.Millisecond)
}

func TestOpenSSHConfig(t *testing.T) {
	n := hosts.Up(t, 2)
	out, err := exec.Command("ssh", "-F", n.Config, "-o", "BatchMode=yes", "host2", "hostname").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "host2\n", string(out))
	require.Same(t, n.Hosts[1], n.Host("host2"))
	require.Nil(t, n.Host("host3"))
}

func TestNothingIsLeft(t *testing.T) {
	var ips []string
	var bridge string
	t.Run("up", func(t *testing.T) {
		begin := time.Now()
		n := hosts.Up(t, 8)
		t.Logf("8 hosts came up in %v", time.Since(begin))
		for _, h := range n.Hosts {
			ips = append(ips, h.IP)
			require.NoError(t, h.Command("sh", "-c", "setsid sleep 4242 >/dev/null 2>&1 &").Run())
			require.NotEmpty(t, h.Processes())
		}
		iface, err := interfaceOf(n.Gateway)
		require.NoError(t, err)
		bridge = iface.Name
	})
	x := strings.TrimPrefix(bridge, "tlbr")
	claim, err := os.Open("/run/tlaunch-hosts/" + x + ".lock")
	require.NoError(t, err)
	defer claim.Close()
	require.NoError(t, syscall.Flock(int(claim.Fd()), syscall.LOCK_EX)) // another test binary may have brought hosts up on the same subnet since
	_, err = net.InterfaceByName(bridge)
	require.Error(t, err)
	for _, glob := range []string{"/run/netns/tl" + x + "-*", "/sys/class/net/tl" + x + ".*", "/var/lib/tlaunch-hosts/" + x} {
		left, err := filepath.Glob(glob)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	require.Empty(t, commandLinesWith(t, "/var/lib/tlaunch-hosts/"+x+"/"))
	require.Len(t, ips, 8)
}

// interfaceOf finds the machine's interface that has this address.
func interfaceOf(ip net.IP) (net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return net.Interface{}, err
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			return net.Interface{}, err
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
				return i, nil
			}
		}
	}
	return net.Interface{}, fmt.Errorf("no interface has %v", ip)
}

// commandLinesWith finds the processes of the machine whose command line has this text.
func commandLinesWith(t *testing.T, text string) (found []string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, p := range paths {
		// A process may end while the list is read.
		if line, err := os.ReadFile(p); err == nil && bytes.Contains(line, []byte(text)) {
			found = append(found, string(line))
		}
	}
	return found
}
