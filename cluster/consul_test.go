//go:build linux && hosts

package cluster

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
)

// serviceIDs returns what Consul itself has under the run's name.
func serviceIDs(t *testing.T, s *consultest.Server, run string) []string {
	t.Helper()
	services, _, err := s.Client(t).Catalog().Service(serviceName(run), "", nil)
	require.NoError(t, err)
	ids := []string{}
	for _, service := range services {
		ids = append(ids, service.ServiceID)
	}
	return ids
}

func keys(t *testing.T, s *consultest.Server, run string) []string {
	t.Helper()
	found, _, err := s.Client(t).KV().Keys(keyPrefix(run), "", nil)
	require.NoError(t, err)
	return found
}

// watching runs a watch whose lists come on the channel, and ends it with the test.
func watching(t *testing.T, r Registry, run string) <-chan []Member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	lists, ended := make(chan []Member, 100), make(chan struct{})
	go func() {
		defer close(ended)
		for members, err := range r.Watch(ctx, run) {
			if err == nil {
				lists <- members
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return lists
}

func next(t *testing.T, lists <-chan []Member) []Member {
	t.Helper()
	select {
	case l := <-lists:
		return l
	case <-time.After(80 * time.Second): // a busy agent was seen to tell its server of a check only with what it does each minute
		require.FailNow(t, "no list came")
		return nil
	}
}

func TestConsul(t *testing.T) {
	t.Parallel() // mostly waiting
	server := consultest.Start(t, consultest.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	settings := ConsulSettings{Address: server.Address}

	t.Run("conforms", func(t *testing.T) {
		conform(t, fixture{open: func(t *testing.T) (a, b Registry) {
			return openConsul(t, settings, nil), openConsul(t, settings, nil)
		}})
	})

	t.Run("the check leaves nothing behind", func(t *testing.T) {
		c := openConsul(t, settings, nil)
		require.NoError(t, c.Check(ctx, "checked"))
		require.Empty(t, serviceIDs(t, server, "checked"))
		require.Empty(t, keys(t, server, "checked"))
	})

	t.Run("other services see name, address, meta and health", func(t *testing.T) {
		c := openConsul(t, settings, nil)
		m := Member{Run: "seen", Host: "h1", Address: "10.0.0.1:4000", Incarnation: 7, Meta: map[string]string{"gpus": "2"}}
		require.NoError(t, c.Register(ctx, m))
		require.NoError(t, c.Describe(ctx, "seen", []byte("star")))
		entries, _, err := server.Client(t).Health().Service("tlaunch-seen", "", true, nil)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, "10.0.0.1", entries[0].Service.Address)
		require.Equal(t, 4000, entries[0].Service.Port)
		require.Equal(t, map[string]string{"tlaunch-run": "seen", "tlaunch-host": "h1", "tlaunch-incarnation": "7", "gpus": "2"}, entries[0].Service.Meta)
		pair, _, err := server.Client(t).KV().Get("tlaunch/seen/description", nil)
		require.NoError(t, err)
		require.Equal(t, "star", string(pair.Value))

		require.NoError(t, c.Deregister(ctx, "seen", "other", 3))
		require.NotEmpty(t, keys(t, server, "seen"), "the fence")
		require.NoError(t, c.Close(ctx))
		require.Empty(t, serviceIDs(t, server, "seen"))
		require.Empty(t, keys(t, server, "seen"))
	})

	t.Run("what others register under our name is no member", func(t *testing.T) {
		c := openConsul(t, settings, nil)
		agent := server.Client(t).Agent()
		for id, meta := range map[string]map[string]string{
			"foreign":       nil,
			"no-run":        {metaHost: "h", metaIncarnation: "1"},
			"wrong-id":      {metaRun: "strange", metaHost: "h", metaIncarnation: "1"},
			"no-number":     {metaRun: "strange", metaHost: "h", metaIncarnation: "x"},
			"bad/host/name": {metaRun: "strange", metaHost: "a b", metaIncarnation: "1"},
		} {
			require.NoError(t, agent.ServiceRegister(&api.AgentServiceRegistration{ID: id, Name: "tlaunch-strange", Address: "10.0.0.1", Port: 1, Meta: meta}))
			defer agent.ServiceDeregister(id)
		}
		members, err := c.Members(ctx, "strange")
		require.NoError(t, err)
		require.Empty(t, members)
	})

	t.Run("an entry without its process leaves within the TTL", func(t *testing.T) {
		dying, watcher := openConsul(t, settings, nil), openConsul(t, settings, nil)
		m := member("h", 1)
		require.NoError(t, dying.place(ctx, m), "an entry that nobody renews")
		lists := watching(t, watcher, "r1")
		require.Equal(t, []Member{m}, next(t, lists))
		require.Empty(t, next(t, lists))
		require.NoError(t, watcher.Deregister(ctx, "r1", "h", 1), "removed although not healthy")
		require.Empty(t, serviceIDs(t, server, "r1"))
	})

	t.Run("a kept entry stays", func(t *testing.T) {
		c, watcher := openConsul(t, settings, nil), openConsul(t, settings, nil)
		m := member("h", 1)
		m.Run = "kept"
		require.NoError(t, c.Register(ctx, m))
		lists := watching(t, watcher, "kept")
		require.Equal(t, []Member{m}, next(t, lists))
		select {
		case l := <-lists:
			require.FailNow(t, "changed", "%v", l)
		case <-time.After(testTTL + 2*time.Second):
		}
	})

	t.Run("one removed behind its back comes back, unless fenced", func(t *testing.T) {
		c, other := openConsul(t, settings, nil), openConsul(t, settings, nil)
		m := member("h", 1)
		m.Run = "lost"
		require.NoError(t, c.Register(ctx, m))
		lists := watching(t, other, "lost")
		require.Equal(t, []Member{m}, next(t, lists))
		require.NoError(t, other.withdraw(ctx, m))
		require.Empty(t, next(t, lists))
		require.Equal(t, []Member{m}, next(t, lists))

		require.NoError(t, other.Deregister(ctx, "lost", "h", 1))
		require.Empty(t, next(t, lists))
		c.mu.Lock()
		k := c.kept[entryKey{"lost", "h"}]
		c.mu.Unlock()
		<-k.done // its keeper has found the fence and given up
		require.Empty(t, serviceIDs(t, server, "lost"))
	})
}

func TestConsulOutage(t *testing.T) {
	t.Parallel() // mostly waiting
	server := consultest.Start(t, consultest.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	settings := ConsulSettings{Address: server.Address}
	var logged bytes.Buffer
	c := openConsul(t, settings, nil)
	watcher := openConsul(t, settings, slog.New(slog.NewTextHandler(&logged, nil)))
	m1, m2 := member("h1", 1), member("h2", 1)
	require.NoError(t, c.Register(ctx, m1))
	require.NoError(t, c.Register(ctx, m2))
	require.NoError(t, c.Describe(ctx, "r1", []byte("d")))
	lists := watching(t, watcher, "r1")
	require.Len(t, next(t, lists), 2)
	quiet := func(d time.Duration) {
		t.Helper()
		select {
		case l := <-lists:
			require.FailNow(t, "the list changed", "%v", l)
		case <-time.After(d):
		}
	}

	for _, empty := range []bool{false, true} {
		server.Stop()
		quiet(5 * time.Second)
		members, err := watcher.Members(ctx, "r1")
		require.NoError(t, err)
		require.Equal(t, []Member{m1, m2}, members, "the last known")
		_, err = c.Description(ctx, "r1")
		require.ErrorIs(t, err, ErrRegistryUnreachable)
		server.Restart(t, empty)
		quiet(leastGrace + testTTL)
		require.Len(t, serviceIDs(t, server, "r1"), 2, "empty: %t", empty)
		d, err := c.Description(ctx, "r1")
		require.NoError(t, err)
		require.Equal(t, []byte("d"), d)
	}
	require.NoError(t, c.Deregister(ctx, "r1", "h1", 1))
	require.Equal(t, []Member{m2}, next(t, lists), "changes are seen again")

	require.NoError(t, watcher.Close(ctx)) // the log is ours from here
	require.Equal(t, 2, strings.Count(logged.String(), "level=WARN"), "once per outage:\n%s", &logged)
}

func TestConsulPolicy(t *testing.T) {
	t.Parallel() // mostly waiting
	server := consultest.Start(t, consultest.Options{ACL: true})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	with := func(token string) *Consul {
		return openConsul(t, ConsulSettings{Address: server.Address, Token: token}, nil)
	}
	works := func(t *testing.T, token, run string) {
		a, b := with(token), with(token)
		require.NoError(t, a.Check(ctx, run))
		m := member("h", 1)
		m.Run = run
		require.NoError(t, a.Register(ctx, m))
		require.NoError(t, a.Describe(ctx, run, []byte("d")))
		lists := watching(t, b, run)
		require.Equal(t, []Member{m}, next(t, lists))
		d, err := b.Description(ctx, run)
		require.NoError(t, err)
		require.Equal(t, []byte("d"), d)
		require.NoError(t, b.Deregister(ctx, run, "h", 1))
		require.Empty(t, next(t, lists))
		require.NoError(t, a.Close(ctx))
		require.Empty(t, keys(t, server, run))
	}
	refused := func(t *testing.T, token, run string) {
		c := with(token)
		require.ErrorIs(t, c.Check(ctx, run), ErrRegistryDenied)
		m := member("h", 1)
		m.Run = run
		require.ErrorIs(t, c.Register(ctx, m), ErrRegistryDenied)
		require.ErrorIs(t, c.Describe(ctx, run, nil), ErrRegistryDenied)
		_, err := c.Description(ctx, run)
		require.ErrorIs(t, err, ErrRegistryDenied)
	}
	all := server.NewToken(t, "all", ConsulPolicy(""))
	one := server.NewToken(t, "one", ConsulPolicy("mine"))
	t.Run("of every run", func(t *testing.T) { works(t, all, "any") })
	t.Run("of one run", func(t *testing.T) { works(t, one, "mine") })
	t.Run("of another run", func(t *testing.T) { refused(t, one, "mine-2") })
	t.Run("no token", func(t *testing.T) { refused(t, "", "mine") })
	t.Run("an unknown token", func(t *testing.T) { refused(t, "00000000-1111-2222-3333-444444444444", "mine") })
	t.Run("a permission less", func(t *testing.T) {
		for name, missing := range map[string]string{
			"keys": `key_prefix "tlaunch/mine/"`, "service": `service "tlaunch-mine"`, "nodes": `node_prefix ""`, "sessions": `session_prefix ""`,
		} {
			rules := strings.Replace(ConsulPolicy("mine"), missing, `query_prefix "none"`, 1)
			err := with(server.NewToken(t, "without-"+name, rules)).Check(ctx, "mine")
			require.ErrorIs(t, err, ErrRegistryDenied, name)
			require.ErrorContains(t, err, missing, "the error names the permission")
		}
		require.Empty(t, serviceIDs(t, server, "mine"))
		require.Empty(t, keys(t, server, "mine"))
	})
	t.Run("no more than needed", func(t *testing.T) {
		client := with(one).api
		_, err := client.KV().Put(&api.KVPair{Key: "tlaunch/other"}, nil)
		require.Error(t, err)
		require.Error(t, client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web"}))
		_, err = client.Agent().Self()
		require.Error(t, err)
	})
}

// die ends what c runs, as a kill would: nothing is taken back.
func die(c *Consul) {
	c.end()
	c.keepers.Wait()
}

func TestKeysGoWithTheirProcess(t *testing.T) {
	t.Parallel() // mostly waiting
	server := consultest.Start(t, consultest.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	opened := func() *Consul {
		c := openConsul(t, ConsulSettings{Address: server.Address}, nil)
		c.sessionTTL = testTTL
		return c
	}
	sessions := func(run string) (ids []string) {
		all, _, err := server.Client(t).Session().List(nil)
		require.NoError(t, err)
		for _, s := range all {
			if s.Name == serviceName(run) {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	all := []string{descriptionKey("r1"), fenceKey("r1", "h1"), fenceKey("r1", "h2")}
	has := func(want []string) func() bool {
		return func() bool { return slices.Equal(want, keys(t, server, "r1")) }
	}

	c := opened()
	require.NoError(t, c.Describe(ctx, "r1", []byte("d")))
	require.NoError(t, c.Deregister(ctx, "r1", "h1", 1))
	require.NoError(t, c.Deregister(ctx, "r1", "h2", 1))
	require.Equal(t, all, keys(t, server, "r1"))
	first := sessions("r1")
	require.Len(t, first, 1)
	for _, key := range all {
		pair, _, err := server.Client(t).KV().Get(key, nil)
		require.NoError(t, err)
		require.Equal(t, first[0], pair.Session, key)
	}

	// A session that Consul has ended is replaced, and what went with it put back.
	_, err := server.Client(t).Session().Destroy(first[0], nil)
	require.NoError(t, err)
	require.Eventually(t, has(all), time.Minute, 10*time.Millisecond)
	m := member("h1", 1)
	require.ErrorIs(t, opened().Register(ctx, m), ErrFenced)
	require.NotEqual(t, first, sessions("r1"))

	// A fence that could not be put back at once is, as soon as it can.
	k := c.described["r1"]
	k.stopAndWait()
	_, err = server.Client(t).Session().Destroy(k.session, nil)
	require.NoError(t, err)
	_, err = server.Client(t).KV().Put(&api.KVPair{Key: fenceKey("r1", "h1"), Value: []byte("no number")}, nil)
	require.NoError(t, err)
	require.ErrorContains(t, c.keepKeys(ctx, k, "r1", []byte("d")), "instead of an incarnation")
	_, err = server.Client(t).KV().Delete(fenceKey("r1", "h1"), nil)
	require.NoError(t, err)
	require.NoError(t, c.keepKeys(ctx, k, "r1", []byte("d")))
	require.Equal(t, all, keys(t, server, "r1"))

	// Of the same run described once more there is one session.
	require.NoError(t, c.Describe(ctx, "r1", []byte("e")))
	require.Len(t, sessions("r1"), 1)

	// A fence from elsewhere is not tied, and stays until the describer goes.
	require.NoError(t, opened().Deregister(ctx, "r1", "h3", 1))
	die(c)
	require.Eventually(t, has([]string{fenceKey("r1", "h3")}), 2*time.Minute, 10*time.Millisecond)
	require.Empty(t, sessions("r1"))

	c = opened()
	require.NoError(t, c.Describe(ctx, "r1", []byte("f")))
	require.NoError(t, c.Deregister(ctx, "r1", "h3", 2), "it may stay untied")
	require.NoError(t, c.Close(ctx))
	require.Empty(t, keys(t, server, "r1"))
	require.Empty(t, sessions("r1"))
}
