//go:build linux && hosts

package clustertest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
)

// requireSeparateHomes asserts that the hosts have no folder in common in which the program would write.
func (c *site) requireSeparateHomes(t testing.TB) {
	t.Helper()
	homes := map[string]bool{}
	for _, h := range c.Hosts {
		homes[h.Home] = true
		require.NoError(t, os.WriteFile(h.Home+"/mark", nil, 0o600))
		for _, other := range c.Hosts {
			out, err := other.Command("test", "-e", h.Home+"/mark").CombinedOutput()
			require.Equal(t, other == h, err == nil, "%s sees the home of %s: %s", other.Name, h.Name, out)
		}
	}
	require.Len(t, homes, len(c.Hosts))
}

func TestExamplesOnSevenHosts(t *testing.T) {
	t.Parallel()
	c := upCold(t, 7)
	c.requireSeparateHomes(t)
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	const rounds = 10
	sum := rounds * (rounds + 1) / 2
	for _, e := range []struct {
		name, want string
		times      int // that want is printed
	}{
		{"star", fmt.Sprintf("messages=%d total=%d", 6*rounds, 6*sum), 1},
		{"tree", fmt.Sprintf("leaves=4 rounds=%d numbers=%d total=%d", rounds, 4*rounds, 4*sum), 1},
		{"net", fmt.Sprintf("from=6 messages=%d total=%d", 6*rounds, 6*sum), 7},
		{"weights", fmt.Sprintf("last=%d expected=%d", rounds, rounds), 6},
	} {
		for _, registry := range []string{"embedded", "consul"} {
			t.Run(e.name+"/"+registry, func(t *testing.T) {
				drawn := filepath.Join(t.TempDir(), "plot.svg")
				r := launch(t, []string{"CONSUL_HTTP_ADDR=" + consul.Address}, build(t, "examples/"+e.name, raceEnabled),
					append(c.ssh(), "-registry", registry, "-rounds", fmt.Sprint(rounds), "-plot", drawn)...)
				require.Zero(t, r.status)
				require.Contains(t, read(t, drawn), ">host7</text>")
				require.Equal(t, e.times, strings.Count(r.out, e.want), "%q in what it printed", e.want)
				c.requireClean(t)
				requireNothingInConsul(t, consul)
			})
		}
	}
}

// One binary, unchanged, on 3 and on 7 hosts.
func TestProducersOnTwoInventories(t *testing.T) {
	t.Parallel()
	c := upCold(t, 7)
	binary := build(t, "examples/producers", raceEnabled)
	before := digest(t, binary)
	lines := strings.SplitAfter(read(t, c.inventory), "\n")
	for hosts, want := range map[int]string{
		3: "producers=2 calls=20 total=670",  // the squares from r to r+1, for r from 0 to 9
		7: "producers=6 calls=60 total=3610", // the squares from r to r+5
	} {
		inventory := write(t, fmt.Sprintf("hosts%d", hosts), strings.Join(lines[:hosts], ""))
		r := launch(t, nil, binary, "-launch", "ssh", "-hosts", inventory, "-ssh-config", c.Config, "-rounds", "10")
		require.Zero(t, r.status)
		require.Contains(t, r.out, want)
		c.requireClean(t)
	}
	require.Equal(t, before, digest(t, binary))
	for _, h := range c.Hosts {
		_, err := os.Stat(h.Home + "/.cache/tlaunch/" + before)
		require.NoError(t, err, "what ran on %s is the same file", h.Name)
	}
}

// What was trained has the same bits on one host and on four, of which only the first has the images.
func TestSameBitsOnOneHostAndOnFour(t *testing.T) {
	t.Parallel()
	c := upCold(t, 4)
	lines := strings.SplitAfter(read(t, c.inventory), "\n")
	binary := build(t, "examples/mnist", raceEnabled)
	data := c.Hosts[0].Home + "/digits"
	require.NoError(t, os.Mkdir(data, 0o755))
	const images, side = 1000, 8
	r := rand.New(rand.NewPCG(1, 1))
	for _, set := range []string{"train", "t10k"} {
		pixels, labels := make([]byte, images*side*side), make([]byte, images)
		for i := range pixels {
			pixels[i] = byte(r.Uint32())
		}
		for i := range labels {
			labels[i] = pixels[i*side*side] % 10
		}
		// The header: the format is that of examples/mnist/idx.go.
		require.NoError(t, os.WriteFile(filepath.Join(data, set+"-images-idx3-ubyte"), append([]byte{0, 0, 8, 3, 0, 0, images >> 8, images & 255, 0, 0, 0, side, 0, 0, 0, side}, pixels...), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(data, set+"-labels-idx1-ubyte"), append([]byte{0, 0, 8, 1, 0, 0, images >> 8, images & 255}, labels...), 0o600))
	}
	weights, drawn := map[string]bool{}, filepath.Join(t.TempDir(), "plot.svg")
	for _, hosts := range []int{1, 4} {
		inventory := write(t, fmt.Sprintf("hosts%d", hosts), strings.Join(lines[:hosts], ""))
		r := launch(t, nil, binary, "-launch", "ssh", "-hosts", inventory, "-ssh-config", c.Config, "-data", data, "-steps", "100", "-batch", "32", "-epochs", "4",
			"-explain", "-plot", drawn)
		require.Zero(t, r.status)
		require.Contains(t, r.out, fmt.Sprintf("%d members on %d hosts: Ring in chunks of ", hosts, hosts))
		require.Contains(t, read(t, drawn), ">Accuracy</text>")
		found := regexp.MustCompile(`mnist workers=(\d) steps=100 .*weights=(\w+)`).FindStringSubmatch(r.out)
		require.NotNil(t, found, r.out)
		require.Equal(t, fmt.Sprint(hosts), found[1])
		weights[found[2]] = true
		c.requireClean(t)
	}
	require.Len(t, weights, 1)
}
