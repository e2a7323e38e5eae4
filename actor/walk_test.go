package actor_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
)

type fleet struct {
	name   string
	boss   actor.Ref[*sum]
	list   []actor.Ref[*sum]
	byName map[string]actor.Ref[*sum]
	ptr    *actor.Ref[*sum]
	nested struct{ deep [2]actor.Ref[*sum] }
	any    any
	self   *fleet
	Mu     sync.Mutex
	client *url.URL
	at     time.Time
}

func TestWalkFindsRefs(t *testing.T) {
	table := actor.NewTable()
	ref := func(key string) actor.Ref[*sum] { return actor.NewRef[*sum](table, key) }
	p := ref("n/3")
	f := &fleet{name: "f", boss: ref("n/0"), list: []actor.Ref[*sum]{ref("n/1")}, byName: map[string]actor.Ref[*sum]{"x": ref("n/2")}, client: &url.URL{Host: "h"}, at: time.Unix(1, 0), ptr: &p, any: ref("n/4")}
	f.nested.deep[1] = ref("n/5")
	f.self = f
	paths := map[string]string{}
	for _, r := range actor.Walk(f).Refs {
		paths[r.Path] = r.Key
		if r.Key != "" {
			require.Same(t, table, r.Table)
		}
		require.NoError(t, r.Err)
	}
	require.Equal(t, map[string]string{
		".boss": "n/0", ".list[0]": "n/1", ".byName[x]": "n/2", ".ptr": "n/3", ".any": "n/4", ".nested.deep[0]": "", ".nested.deep[1]": "n/5",
	}, paths)
	wrong := actor.Walk(struct{ r actor.Ref[runner] }{actor.As[runner](ref("n/0"))})
	require.ErrorIs(t, wrong.Refs[0].Err, actor.ErrNoMethod)
}

func TestWalkDigest(t *testing.T) {
	build := func(change func(*fleet)) [32]byte {
		f := &fleet{name: "f", byName: map[string]actor.Ref[*sum]{}, any: map[int]string{1: "a", 2: "b", 3: "c", 10: "d"}}
		for _, k := range []string{"a", "b", "c"} {
			f.byName[k] = actor.NewRef[*sum](actor.NewTable(), k)
		}
		change(f)
		return actor.Walk(f).Digest
	}
	same := build(func(*fleet) {})
	for range 20 {
		require.Equal(t, same, build(func(*fleet) {}))
	}
	// Neither addresses nor what another process could not have.
	byPointer := func(f *fleet) { f.any = map[*point]int{{1, 2}: 1, {3, 4}: 2} }
	require.Equal(t, build(byPointer), build(byPointer))
	require.Equal(t, build(func(f *fleet) { f.any = secret{"a"} }), build(func(f *fleet) { f.any = secret{"b"} }))
	for name, change := range map[string]func(*fleet){
		"name":                  func(f *fleet) { f.name = "g" },
		"ref":                   func(f *fleet) { f.boss = actor.NewRef[*sum](actor.NewTable(), "other") },
		"value":                 func(f *fleet) { f.any = map[int]string{1: "a", 2: "b", 3: "c", 10: "e"} },
		"type":                  func(f *fleet) { f.any = int64(3) },
		"more":                  func(f *fleet) { f.list = make([]actor.Ref[*sum], 1) },
		"time":                  func(f *fleet) { f.at = time.Unix(1, 2) },
		"time behind a pointer": func(f *fleet) { f.any = &time.Time{} },
	} {
		require.NotEqual(t, same, build(change), name)
	}
}

type secret struct{ text string }

func (secret) OpaqueToDigest() {}

func TestWalkFindsSharedMemory(t *testing.T) {
	common := &point{1, 2}
	bytes := []byte("shared")
	a := actor.Walk(struct {
		p *point
		m map[string]*point
		b []byte
		c chan int
	}{p: common, b: bytes})
	b := actor.Walk(struct {
		x []*point
		b []byte
	}{[]*point{nil, common}, bytes})
	var both []string
	for at, path := range a.Pointers {
		if other, ok := b.Pointers[at]; ok {
			both = append(both, path+" and "+other)
		}
	}
	require.ElementsMatch(t, []string{".p and .x[1]", ".b and .b"}, both)
	require.Empty(t, actor.Walk(struct {
		e *struct{}
		s []struct{}
	}{&struct{}{}, make([]struct{}, 3)}).Pointers)
}
