//go:build linux && hosts

package netns_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/netns"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// What hosts are and do is proven in internal/testutil/hosts; here only what that package hides.

func TestHostsWithoutATest(t *testing.T) {
	n, err := netns.Up(2, netns.Config{User: "ada", Rate: "2gbit", Rates: map[string]string{"host2": "300mbit"}})
	require.NoError(t, err)
	for i, rate := range []string{"rate 2Gbit", "rate 300Mbit"} {
		shown, err := n.Hosts[i].Command("tc", "qdisc", "show", "dev", "eth0").Output()
		require.NoError(t, err)
		require.Contains(t, string(shown), rate)
	}
	require.Equal(t, "host1 ada@"+n.Hosts[0].IP+"\nhost2 ada@"+n.Hosts[1].IP+"\n", n.Inventory())
	out, err := exec.Command("ssh", "-F", n.ClientConfig, "host2", "whoami; pwd").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "ada\n"+n.Host("host2").Home+"\n", string(out))

	busy, err := exec.Command("ssh", "-F", n.ClientConfig, "host1", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").CombinedOutput()
	require.NoError(t, err, "%s", busy)
	require.Eventually(t, func() bool {
		left, err := n.Hosts[0].Processes()
		return err == nil && len(left) == 0
	}, time.Minute, time.Millisecond, "the session has ended")
	require.Eventually(t, func() bool {
		took, err := n.Hosts[0].CPUTime()
		return err == nil && took > 0
	}, time.Minute, time.Millisecond, "sshd has waited for the session, which may be a moment later")

	folder := filepath.Dir(filepath.Dir(n.ClientConfig))
	require.DirExists(t, folder)
	require.NoError(t, n.Close())
	_, err = os.Stat(folder)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUpSaysWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		cfg  netns.Config
		want string
	}{
		"none":     {0, netns.Config{}, "netns: 0 hosts asked for; a net has 1 to 200"},
		"too many": {201, netns.Config{}, "netns: 201 hosts asked for; a net has 1 to 200"},
		"no shell": {1, netns.Config{Shell: "/bin/nosuchshell"}, `netns: exec: "/bin/nosuchshell": stat /bin/nosuchshell: no such file or directory: run scripts/setup.sh, which installs it`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := netns.Up(c.n, c.cfg)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestAFailedUpSaysWhy(t *testing.T) {
	_, err := netns.Up(1, netns.Config{SSHD: []string{"NoSuchSetting yes"}})
	require.ErrorContains(t, err, "NoSuchSetting", "sshd's own words")
}
