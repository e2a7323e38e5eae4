//go:build linux && hosts

package clustertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/cluster"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
)

// inConsul lists the services and keys of runs.
func inConsul(t testing.TB, client *api.Client) (found []string) {
	t.Helper()
	services, _, err := client.Catalog().Services(nil)
	require.NoError(t, err)
	for name := range services {
		if strings.HasPrefix(name, "tlaunch-") {
			found = append(found, "service "+name)
		}
	}
	keys, _, err := client.KV().Keys("tlaunch/", "", nil)
	require.NoError(t, err)
	for _, k := range keys {
		found = append(found, "key "+k)
	}
	return found
}

func requireNothingInConsul(t testing.TB, s *consultest.Server) {
	t.Helper()
	client := s.Client(t)
	eventually(t, consulPatience, func() []string { return inConsul(t, client) })
}

// members are the instances of the only run there is, with their checks.
func members(t testing.TB, client *api.Client) (run string, entries []*api.ServiceEntry) {
	t.Helper()
	for _, s := range inConsul(t, client) {
		if name, ok := strings.CutPrefix(s, "service "); ok {
			require.Empty(t, run, "two runs")
			run = strings.TrimPrefix(name, "tlaunch-")
		}
	}
	entries, _, err := client.Health().Service("tlaunch-"+run, "", false, nil)
	require.NoError(t, err)
	slices.SortFunc(entries, func(a, b *api.ServiceEntry) int { return strings.Compare(a.Service.ID, b.Service.ID) })
	return run, entries
}

func TestConsulShowsTheRun(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	// Everything is denied but what the documented policy grants.
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String(), ACL: true})
	token := consul.NewToken(t, "tlaunch", cluster.ConsulPolicy(""))
	env := []string{"CONSUL_HTTP_ADDR=" + consul.Address, "CONSUL_HTTP_TOKEN=" + token}
	client := consul.Client(t)

	l := start(t, env, testprog(t), append([]string{"fate", "-how", "wait", "-registry", "consul"}, c.ssh()...)...)
	l.await("fate how=wait")
	eventually(t, consulPatience, func() (late []string) {
		_, entries := members(t, client)
		for _, e := range entries {
			if s := e.Checks.AggregatedStatus(); s != api.HealthPassing {
				late = append(late, e.Service.ID+" is "+s)
			}
		}
		return late
	})
	run, entries := members(t, client)
	require.Len(t, entries, 3)
	for i, e := range entries {
		h := c.Hosts[i]
		require.Equal(t, h.IP, e.Service.Address)
		require.NotZero(t, e.Service.Port)
		require.Equal(t, h.Name, e.Service.Meta["tlaunch-host"])
		require.Equal(t, "1", e.Service.Meta["tlaunch-incarnation"])
		require.Len(t, e.Checks, 2, "the node's and the service's own")
	}
	pair, _, err := client.KV().Get("tlaunch/"+run+"/description", nil)
	require.NoError(t, err)
	require.NotNil(t, pair)
	var description struct {
		Run, Program string
		Nodes        []struct{ Node, Host string }
	}
	require.NoError(t, json.Unmarshal(pair.Value, &description))
	require.Equal(t, run, description.Run)
	require.Equal(t, "fate", description.Program)
	require.Len(t, description.Nodes, 3)
	require.NotContains(t, l.out.String(), token)

	l.signal(syscall.SIGTERM)
	require.Equal(t, 143, l.wait().status)
	requireNothingInConsul(t, consul)
	c.requireClean(t)
}

func TestDeathsAreTakenOutOfConsul(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	wait := append([]string{"fate", "-how", "wait", "-registry", "consul"}, c.ssh()...)
	env := []string{"CONSUL_HTTP_ADDR=" + consul.Address}

	l := start(t, env, testprog(t), wait...)
	l.await("fate how=wait", "standing by", "standing by")
	killRun(t, c.Hosts[1])
	r := l.wait()
	require.Equal(t, 1, r.status)
	require.Contains(t, r.out, "host2")
	requireNothingInConsul(t, consul)
	c.requireClean(t)

	// A launcher that is killed cannot tidy up: its hosts withdraw what is theirs, and Consul what is its own, in its time.
	l = start(t, env, testprog(t), wait...)
	l.await("fate how=wait", "standing by", "standing by")
	l.signal(syscall.SIGKILL)
	l.wait()
	c.requireCleanWithin(t, allGone)
	client := consul.Client(t)
	eventually(t, consulPatience, func() []string {
		return slices.DeleteFunc(inConsul(t, client), func(s string) bool {
			key, ok := strings.CutPrefix(s, "key ")
			if !ok {
				return false
			}
			pair, _, err := client.KV().Get(key, nil)
			require.NoError(t, err)
			return pair == nil || pair.Session != ""
		})
	})
}

// options launch program code on the site's hosts from this process, as a service would.
func (c *site) options(t testing.TB, more ...tlaunch.Option) []tlaunch.Option {
	t.Helper()
	inv, err := tlaunch.ReadInventory(c.inventory)
	require.NoError(t, err)
	return append([]tlaunch.Option{
		tlaunch.SSH(inv), tlaunch.WithSSH(tlaunch.SSHConfig{ConfigFile: c.Config}), tlaunch.Binary("", testprog(t)),
		tlaunch.OnRecord(func(r tlaunch.Record) { t.Logf("%s %s %s %v", r.Host, r.Node, r.Text, r.Attrs) }),
	}, more...)
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestConsulAwayChangesNothing(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	const ttl = time.Second
	run, err := programs.Service.Launch(within(t, runPatience), struct{}{}, c.options(t, tlaunch.WithConsul(tlaunch.ConsulConfig{
		Settings: cluster.ConsulSettings{Address: consul.Address}, TTL: ttl,
	}))...)
	require.NoError(t, err)
	defer run.Stop(within(t, runPatience))
	client := consul.Client(t)
	_, before := members(t, client)
	require.Len(t, before, 3)

	ledger, err := tlaunch.Find[*programs.Ledger](run, "ledger", 0)
	require.NoError(t, err)
	consul.Stop() // whether the nodes have started or not
	away := time.After(5 * ttl)
	calls, tick := 0, time.NewTicker(ttl/5)
	defer tick.Stop()
	for gone := true; gone; {
		select {
		case <-away:
			gone = false
		case <-tick.C:
			calls++
			sum, err := actor.Call(within(t, runPatience), ledger, (*programs.Ledger).Add, 1)
			require.NoError(t, err)
			require.Equal(t, calls, sum)
		}
	}
	consul.Restart(t, true) // it has forgotten everything
	eventually(t, consulPatience, func() []string {
		_, after := members(t, client)
		if len(after) != 3 {
			return []string{"not all are back"}
		}
		for i, e := range after {
			if e.Service.ID != before[i].Service.ID || e.Service.Port != before[i].Service.Port || e.Checks.AggregatedStatus() != api.HealthPassing {
				return []string{e.Service.ID + " is " + e.Checks.AggregatedStatus()}
			}
		}
		return nil
	})
	require.NoError(t, run.Stop(within(t, runPatience)))
	requireNothingInConsul(t, consul)
	c.requireClean(t)
}

// A host that is started again is found by all: the other hosts, Consul, and guests that look there.
func TestHostIsStartedAgainWithConsul(t *testing.T) {
	t.Parallel()
	c := up(t, 3)
	consul := consultest.Start(t, consultest.Options{Bind: c.Gateway.String()})
	where := tlaunch.ConsulConfig{Settings: cluster.ConsulSettings{Address: consul.Address}}
	run, err := programs.Phoenix.Launch(within(t, runPatience), programs.PhoenixConfig{Lives: 3, Max: 5}, c.options(t, tlaunch.WithConsul(where))...)
	require.NoError(t, err)
	defer run.Stop(within(t, runPatience))
	join := func(name string) actor.Ref[*programs.Bird] {
		guest, err := tlaunch.Connect(within(t, runPatience), tlaunch.Invitation(invite(t, run, name, time.Minute)), tlaunch.FindInConsul(where))
		require.NoError(t, err)
		t.Cleanup(func() {
			if err := guest.Close(context.Background()); err != nil {
				require.ErrorIs(t, err, actor.ErrUnreachable, "a process that was killed may have had no time to acknowledge")
			}
		})
		bird, err := tlaunch.Find[*programs.Bird](guest, "bird", 0)
		require.NoError(t, err)
		return bird
	}
	early := join("early")
	// noted waits until both senders know the bird's present life.
	noted := func(bird actor.Ref[*programs.Bird]) {
		for _, sender := range []string{"sender/0", "sender/1"} {
			require.Eventually(t, func() bool {
				taken, err := actor.Call(within(t, runPatience), bird, (*programs.Bird).Taken, sender)
				if !errors.Is(err, actor.ErrPeerGone) { // which is what a call may meet that was under way
					require.NoError(t, err)
				}
				return len(taken) > 0
			}, runPatience, 10*time.Millisecond)
		}
	}
	noted(early)
	client := consul.Client(t)
	killBird := func() {
		require.NoError(t, syscall.Kill(workerOf(t, c.Hosts[1], ofRun(c.Hosts[1])).PID, syscall.SIGKILL))
	}
	killBird()
	second := fmt.Sprintf("tlaunch-%s:host2:2", run.ID())
	eventually(t, runPatience, func() []string {
		_, entries := members(t, client)
		if len(entries) != 3 || entries[1].Service.ID != second || entries[1].Checks.AggregatedStatus() != api.HealthPassing {
			return []string{second + " is not in"}
		}
		return nil
	})
	noted(early)
	noted(join("late"))
	killBird()
	require.NoError(t, run.Wait(within(t, runPatience)), "the senders have seen all lives")
	requireNothingInConsul(t, consul)
	c.requireClean(t)
}
