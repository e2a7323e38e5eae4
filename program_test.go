package tlaunch

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/bootstrap/inventory"
)

// hostsOf reads an inventory from lines.
func hostsOf(t *testing.T, lines ...string) *Inventory {
	t.Helper()
	inv, err := inventory.Parse("test", strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return inv
}

// graphOf builds a program that is not launched.
func graphOf(t *testing.T, inv *Inventory, build func(p *Program)) (*graph, error) {
	t.Helper()
	d := &program{name: "test", build: func(p *Program, _ []byte) error { build(p); return nil }}
	hosts, _, err := newSettings([]Option{InProcess(inv)}).hostList(d)
	require.NoError(t, err)
	return d.newGraph(nil, hosts, actor.NewTable())
}

var threeHosts = []string{"host1", "host2", "host3"}

type store struct{ sum int }

func (s *store) Add(_ context.Context, n int) (int, error) { s.sum += n; return s.sum, nil }

func (s *store) Square(_ context.Context, all []int) ([]int, error) {
	for i, n := range all {
		all[i] = n * n
	}
	return all, nil
}

type adder interface {
	Add(context.Context, int) (int, error)
}

type user struct{ to actor.Ref[*store] }

func TestProgramOfEveryKindOfNode(t *testing.T) {
	props := protoactor.PropsFromFunc(func(protoactor.Context) {})
	var refs []string
	g, err := graphOf(t, hostsOf(t, "[cpu]", "host1 slots=2", "host2", "[gpu]", "host3 gpus=1 rack=7"), func(p *Program) {
		h := p.Hosts()
		require.Equal(t, Host{Name: "host3", Groups: []string{"gpu"}, Slots: 1, GPUs: 1, Labels: map[string]string{"rack": "7"}}, h[2])
		h[0].Name = "changed" // a copy
		require.Equal(t, "host1", p.Hosts()[0].Name)
		require.Len(t, p.Group("cpu"), 2)
		require.Len(t, p.Group("all"), 3)

		s := Add(p, "store", &store{}, On(h[1]), Concurrent(3), Mailbox(7), MailboxBytes(800), Named("Lager Nº 1"), Batched((*store).Square, 4, time.Second))
		Add(p, "user", &user{s}, On("host3"))
		Add(p, "user", &user{s}, On("@gpu"))
		f := AddFunc(p, "once", func(context.Context, actor.Ref[*store]) error { return nil }, s, On("host1"))
		raw := AddProps(p, "raw", props, On("host1"))
		each := AddEach(p, "cell", OnEach("@cpu"), func(h Host, i int) *store { return &store{i} }, Named("cell"))
		refs = []string{s.Key(), f.Key(), raw.Key(), each[0].Key(), each[1].Key()}
		Add(p, "free", &store{}) // host2 has two, host1 three of twice the slots, host3 two
	})
	require.NoError(t, err)
	require.Equal(t, []string{"store/0", "once/0", "raw/0", "cell/0", "cell/1"}, refs)
	var where []string
	for _, n := range g.nodes {
		where = append(where, n.key+"@"+n.host)
	}
	require.Equal(t, []string{"store/0@host2", "user/0@host3", "user/1@host3", "once/0@host1", "raw/0@host1", "cell/0@host1", "cell/1@host2", "free/0@host1"}, where)
	require.Equal(t, "Lager Nº 1", g.nodes[0].name)
	require.Equal(t, "user/0", g.nodes[1].name)
	require.Equal(t, "concurrent 3, mailbox 7 of 800 bytes, batched Square(4, 1s)", g.summary[0].Options)
	require.Equal(t, []string{".to → store/0"}, g.summary[1].Refs)
	require.Equal(t, []string{".arg → store/0"}, g.summary[3].Refs, "a function's argument is searched too")
	require.True(t, g.nodes[3].active())
	require.False(t, g.nodes[4].active())
	require.Len(t, g.on("host1"), 4)
}

func TestHostsWithoutNodesAreNotUsed(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) { Add(p, "store", &store{}, On("host2")) })
	require.NoError(t, err)
	require.Equal(t, []Host{{Name: "host2", Slots: 1}}, g.usedHosts([]Host{{Name: "host1"}, {Name: "host2", Slots: 1}}))
}

func TestNodesMayHoldHosts(t *testing.T) {
	type holder struct {
		At  Host
		All []Host
	}
	_, err := graphOf(t, hostsOf(t, "host1 10.0.0.1 rack=b", "[gpu]", "host1", "host2 10.0.0.2"), func(p *Program) {
		all, gpu := p.Hosts(), p.Group("gpu")
		Add(p, "a", &holder{all[0], all})
		Add(p, "b", &holder{gpu[0], gpu})
		AddEach(p, "c", OnEach("@gpu"), func(h Host, _ int) *holder { return &holder{h, all} })
	})
	require.NoError(t, err)
}

func TestMistakesOfPrograms(t *testing.T) {
	shared := &store{}
	var nowhere actor.Ref[*store]
	foreign := actor.NewRef[*store](actor.NewTable(), "store/0")
	for name, c := range map[string]struct {
		build func(p *Program)
		want  string
	}{
		"no nodes":         {func(*Program) {}, "it has no nodes"},
		"unknown host":     {func(p *Program) { Add(p, "a", &store{}, On("host9")) }, `node a/0: there is no host "host9"; the inventory has host1, host2, host3`},
		"unknown group":    {func(p *Program) { Add(p, "a", &store{}, On("@gpu")) }, `node a/0: no host is in group "gpu"; the inventory has host1, host2, host3; name hosts of the group below a line [gpu] in it`},
		"empty group":      {func(p *Program) { p.Group("gpu"); Add(p, "a", &store{}) }, `no host is in group "gpu"`},
		"each of no group": {func(p *Program) { AddEach(p, "a", OnEach("host1"), func(Host, int) *store { return nil }) }, `OnEach("host1") is not a group`},
		"each of unknown": {func(p *Program) {
			AddEach(p, "a", OnEach("@gpu"), func(Host, int) *store { return &store{} })
		}, `no host is in group "gpu"`},
		"bad label":        {func(p *Program) { Add(p, "Läger", &store{}) }, `label "Läger" is not [a-z0-9][a-z0-9._-]*`},
		"long label":       {func(p *Program) { Add(p, strings.Repeat("a", 65), &store{}) }, "at most 64 characters"},
		"nil value":        {func(p *Program) { Add[*store](p, "a", nil) }, "node a/0 has no value"},
		"nil interface":    {func(p *Program) { Add[any](p, "a", nil) }, "node a/0 has no value"},
		"no pointer":       {func(p *Program) { Add(p, "a", store{}) }, "tlaunch.store is not a pointer"},
		"another Run":      {func(p *Program) { Add(p, "a", &otherLife{}) }, "node a/0: *tlaunch.otherLife.Run is a func(context.Context) and would never be called: make it a func(context.Context) error"},
		"another Stop":     {func(p *Program) { Add(p, "a", &otherLife{}) }, "node a/0: *tlaunch.otherLife.Stop is a func() error and would never be called"},
		"nil function":     {func(p *Program) { AddFunc[int](p, "a", nil, 1) }, "node a/0 has no function"},
		"nil props":        {func(p *Program) { AddProps(p, "a", nil) }, "node a/0 has no props"},
		"zero ref":         {func(p *Program) { Add(p, "a", &user{nowhere}) }, "node a/0: .to is a zero ref"},
		"another's ref":    {func(p *Program) { Add(p, "a", &user{foreign}) }, "node a/0: .to is a ref to store/0 of another program"},
		"shared":           {func(p *Program) { Add(p, "a", shared); Add(p, "b", shared) }, "nodes a/0 and b/0 share memory"},
		"shared deep down": {func(p *Program) { s := []*store{shared}; Add(p, "a", &s); Add(p, "b", &struct{ S *store }{shared}) }, "nodes a/0[0] and b/0.S share memory"},
		"As does not hold": {func(p *Program) {
			type other interface{ Missing(context.Context) error }
			Add(p, "a", &struct{ R actor.Ref[other] }{actor.As[other](Add(p, "s", &store{}))})
		}, "node a/0: .R: "},
		"batched literal": {func(p *Program) {
			Add(p, "a", &store{}, Batched(func(*store, context.Context, []int) ([]int, error) { return nil, nil }, 1, 0))
		}, "node a/0: batched method: actor: not a method expression"},
		"batched of another type": {func(p *Program) { Add(p, "a", &user{Add(p, "s", &store{})}, Batched((*store).Square, 1, 0)) }, "node a/0: batched method Square(1, 200ms) is not one of *tlaunch.user"},
		"batched function": {func(p *Program) {
			AddFunc(p, "a", func(context.Context, int) error { return nil }, 1, Batched((*store).Square, 1, 0))
		}, "node a/0 has no methods"},
		"Check": {func(p *Program) { Add(p, "a", &outspoken{wrong: errors.New("too small")}) }, "node a/0: too small"},
		"panic": {func(p *Program) { _ = p.Hosts()[3] }, "panic: runtime error: index out of range [3] with length 3"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := graphOf(t, hostsOf(t, threeHosts...), c.build)
			require.Nil(t, g)
			var mistake *ProgramError
			require.ErrorAs(t, err, &mistake)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, StatusUsage, ExitStatus(err))
		})
	}
}

// outspoken says itself what is wrong with it, and how many methods may run.
type outspoken struct {
	wrong   error
	program string
}

func (o *outspoken) Check() error          { return o.wrong }
func (*outspoken) Concurrent() int         { return 7 }
func (o *outspoken) InProgram(name string) { o.program = name }

func TestValuesAreToldWhereTheyAreAndSayHowManyMethodsRun(t *testing.T) {
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
		Add(p, "a", &outspoken{})
		Add(p, "a", &outspoken{}, Concurrent(3))
		Add(p, "a", &outspoken{}, Concurrent(9))
	})
	require.NoError(t, err)
	require.Equal(t, []int{7, 7, 9}, []int{g.nodes[0].concurrent, g.nodes[1].concurrent, g.nodes[2].concurrent})
	require.Equal(t, "test", g.nodes[2].value.(*outspoken).program)
}

// Parts of the configuration may be in several nodes: every process decodes its own.
func TestNodesMayHoldTheConfiguration(t *testing.T) {
	type config struct {
		Layers []int
		Names  map[string]string
	}
	type holder struct{ cfg config }
	shared := define(t, "holders", func(p *Program, cfg config) error {
		Add(p, "a", &holder{cfg})
		Add(p, "a", &holder{cfg})
		return nil
	})
	r, err := shared.Launch(t.Context(), config{[]int{1, 2}, map[string]string{"a": "b"}})
	require.NoError(t, err)
	require.NoError(t, r.Stop(t.Context()))
}

func TestMistakesAreReportedTogether(t *testing.T) {
	reason := errors.New("and the program's own")
	d := &program{name: "test", build: func(p *Program, _ []byte) error {
		Add(p, "Bad", &store{}, On("host9"))
		Add[*store](p, "none", nil)
		Add(p, "zero", &user{})
		return reason
	}}
	_, err := d.newGraph(nil, []Host{{Name: "host1"}}, actor.NewTable())
	require.ErrorIs(t, err, reason)
	for _, part := range []string{`label "Bad"`, `no host "host9"`, "none/0 has no value", ".to is a zero ref", "program test: "} {
		require.ErrorContains(t, err, part)
	}
}

func TestRefsMayFormCycles(t *testing.T) {
	type peer struct{ next actor.Ref[*store] }
	g, err := graphOf(t, hostsOf(t, threeHosts...), func(p *Program) {
		a := &struct{ other actor.Ref[*peer] }{}
		s := Add(p, "s", &store{})
		a.other = Add(p, "b", &peer{s})
		Add(p, "a", a)
	})
	require.NoError(t, err)
	require.Equal(t, []string{".other → b/0"}, g.summary[2].Refs)
}

func TestMistakesOfDefinitions(t *testing.T) {
	nothing := func(p *Program, _ int) error { Add(p, "a", &store{}); return nil }
	launch := func(d *Definition[int], opts ...Option) error {
		run, err := d.Launch(t.Context(), 1, opts...)
		require.Nil(t, run)
		require.Equal(t, StatusUsage, ExitStatus(err), "%v", err)
		return err
	}
	require.ErrorContains(t, launch(define(t, "Bad Name", nothing)), `its name "Bad Name"`)
	first, second := define(t, "twice", nothing), define(t, "twice", nothing)
	require.ErrorContains(t, launch(first), `two programs are called "twice"`)
	require.ErrorContains(t, launch(second), `two programs are called "twice"`)
	_, err := findProgram("twice")
	require.ErrorContains(t, err, "two programs")
	_, err = findProgram("missing")
	require.ErrorContains(t, err, `does not define the program "missing"`)

	ok := define(t, "options", nothing)
	require.ErrorContains(t, launch(ok, SSH(nil)), "needs an inventory")
	require.ErrorContains(t, launch(ok, Ports("20-10")), `ports "20-10"`)
	require.ErrorContains(t, launch(ok, InProcess(&Inventory{})), "no hosts")
	require.ErrorContains(t, launch(ok, InProcess(&Inventory{Hosts: []inventory.Host{{Name: "a"}, {Name: "a"}}})), `two hosts are called "a"`)
}

func TestConfigurationsThatCannotTravel(t *testing.T) {
	type hidden struct{ n int }
	_, err := define(t, "hidden", func(p *Program, h hidden) error { Add(p, "a", &h); return nil }).Launch(t.Context(), hidden{1})
	require.ErrorIs(t, err, actor.ErrCannotTravel)
	require.ErrorContains(t, err, "program hidden: configuration: ")
	require.Equal(t, StatusUsage, ExitStatus(err))
	type channels struct{ C chan int }
	_, err = define(t, "channels", func(p *Program, _ channels) error { return nil }).Launch(t.Context(), channels{})
	require.ErrorIs(t, err, actor.ErrCannotTravel)
}

func TestImpureProgramsAreFound(t *testing.T) {
	for name, value := range map[string]func() any{
		"random": func() any { n := rand.Uint64(); return &n },
		"time":   func() any { return &struct{ At time.Time }{time.Now()} },
	} {
		t.Run(name, func(t *testing.T) {
			d := define(t, "impure-"+name, func(p *Program, _ int) error {
				Add(p, "pure", &store{})
				Add(p, "impure", value())
				return nil
			})
			_, err := d.Launch(t.Context(), 1)
			var different *DifferenceError
			require.ErrorAs(t, err, &different)
			require.Equal(t, "impure/0", different.Node)
			require.Equal(t, StatusUsage, ExitStatus(err))
		})
	}
}

// otherLife has methods whose names are those of a node's life.
type otherLife struct{}

func (*otherLife) Run(context.Context) {}
func (*otherLife) Stop() error         { return nil }
