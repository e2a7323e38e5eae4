package tlaunch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tartrl/tlaunch-go"

// room is a rule of the house: what the code in a folder, or in one file, may import. Of the rooms whose path
// fits, the one with the longest path holds.
type room struct {
	path string // folder with all below it, or file; "." is the root folder alone
	// may names the rooms, each with all below it, that may be imported beside the room's own packages.
	may []string
	// never names imports from outside the module that have no place here; "net/..." is net and all below it but for net/netip, which is pure.
	never []string
	// only names what of such an import may be used all the same: types that say nothing of how one comes by a value.
	only map[string][]string
	// pure code decides: no network, no clock, no randomness of its own, no locks, no goroutines.
	pure bool
}

// house is the table of docs/architecture.md. A folder with code for which it has no line is an error.
var house = []room{
	{path: ".", may: []string{"actor", "remote", "cluster", "bootstrap", "topology", "transmit", "tensor"}},
	{path: "cause.go", may: []string{"actor"}, pure: true},
	{path: "reaching.go", may: []string{"."}, pure: true},
	{path: "reachable.go", may: []string{"."}, pure: true},
	{path: "judge.go", may: []string{"."}, pure: true},
	{path: "actor", never: []string{"net/..."}, only: map[string][]string{"net": {"Conn", "Addr", "Buffers", "ErrClosed"}}},
	{path: "remote", may: []string{"actor"}},
	{path: "cluster", never: []string{"github.com/asynkron/..."}},
	{path: "bootstrap", never: []string{"github.com/asynkron/..."}},
	{path: "bootstrap/internal/resume", never: []string{"github.com/asynkron/..."}},
	{path: "bootstrap/inventory", never: []string{"github.com/asynkron/..."}, pure: true},
	{path: "topology", pure: true},
	{path: "topology/collective", may: []string{"topology", "actor", "tensor"}},
	{path: "transmit", may: []string{"actor", "tensor"}},
	{path: "tensor", pure: true},
	{path: "topology/collective/measures.go", may: []string{"topology"}, pure: true},
	{path: "topology/collective/predict.go", may: []string{"topology"}, pure: true},
	{path: "topology/collective/forecast.go", may: []string{"topology"}, pure: true},
	{path: "transmit/internal/table", pure: true},
	{path: "learning", may: []string{"transmit", "topology/collective", "tensor", "actor"}},
	{path: "cluster/diff.go", never: []string{"github.com/asynkron/..."}, pure: true},
	{path: "cluster/roll.go", never: []string{"github.com/asynkron/..."}, pure: true},
	{path: "metrics", may: []string{"actor", "remote"}},
	{path: "cmd", may: []string{".", "bootstrap"}},
	{path: "examples", may: []string{".", "actor", "topology", "metrics", "tensor", "transmit", "learning"}},
	{path: "bench", may: []string{".", "actor", "remote", "cluster", "bootstrap", "topology", "transmit", "tensor"}},
	// What several rooms share and nobody outside sees; it knows none of them.
	{path: "internal"},
	{path: "internal/netns"},
	{path: "internal/testutil"},
	// The programs of the tests of the whole use what a user may, and stock peers beside it.
	{path: "internal/clustertest", may: []string{".", "actor", "topology", "tensor", "transmit"}},
}

// impure are the imports that pure code has no use for.
var impure = []string{"net/...", "time", "sync/...", "context", "os/exec", "syscall", "math/rand/...", "crypto/rand"}

// texts are the names in impure packages that only name or rewrite values, so pure code may use them.
var texts = map[string][]string{
	"context": {"Canceled", "DeadlineExceeded"},
	"net":     {"JoinHostPort", "SplitHostPort"},
	"time":    {"Duration", "Millisecond", "Second", "Minute", "Hour"},
}

// testOnly are the imports that code other than tests and internal/testutil has no use for.
var testOnly = []string{"testing/...", "github.com/stretchr/testify/...", "go.uber.org/goleak/...", module + "/internal/testutil/..."}

// examplesOnly are the imports that only examples have a use for: who uses the library does not pay for them.
var examplesOnly = []string{"gonum.org/..."}

// TestImportsGoDownOnly reads the sources rather than asking the go command, so that it holds for all systems and build tags at once.
func TestImportsGoDownOnly(t *testing.T) {
	t.Parallel()
	broken, err := breaches(os.DirFS("."))
	require.NoError(t, err)
	require.Empty(t, broken, "docs/architecture.md says who may import whom")
}

func TestBreachesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		path, source string
		want         string // "" is allowed
	}{
		"root may all":                {"run.go", `import "` + module + `/bootstrap/ssh"`, ""},
		"actor knows nobody":          {"actor/ref.go", `import "` + module + `/remote"`, "actor/ref.go:2: actor may not import remote"},
		"actor opens no sockets":      {"actor/ref.go", `import "net/http"`, `actor/ref.go:2: actor may not import net/http`},
		"actor names connections":     {"actor/ref.go", "import \"net\"\nvar c net.Conn", ""},
		"actor makes none":            {"actor/ref.go", "import \"net\"\nvar d = net.Dial", "actor/ref.go:3: actor may not use net.Dial"},
		"nor by another name":         {"actor/ref.go", "import n \"net\"\nvar d = n.Dial", "actor/ref.go:2: actor may not import net under another name"},
		"a room's own":                {"actor/ref.go", `import "` + module + `/actor/internal/wire"`, ""},
		"netip is no socket":          {"actor/ref.go", `import "net/netip"`, ""},
		"remote may actor":            {"remote/conn.go", `import "` + module + `/actor"`, ""},
		"remote may not root":         {"remote/conn.go", `import "` + module + `"`, "remote/conn.go:2: remote may not import ."},
		"bootstrap knows no actors":   {"bootstrap/ssh/dial.go", `import "github.com/asynkron/protoactor-go/actor"`, "bootstrap/ssh/dial.go:2: bootstrap may not import github.com/asynkron/protoactor-go/actor"},
		"cluster knows no bootstrap":  {"cluster/consul.go", `import "` + module + `/bootstrap"`, "cluster/consul.go:2: cluster may not import bootstrap"},
		"another system's file":       {"bootstrap/pid_windows.go", `import "` + module + `/cluster"`, "bootstrap/pid_windows.go:2: bootstrap may not import cluster"},
		"pure: no clock":              {"topology/tree.go", "import \"time\"\nvar t = time.Now()", "topology/tree.go:3: topology is pure and may not use time.Now"},
		"pure: but durations":         {"topology/tree.go", "import \"time\"\nvar t = 3 * time.Second", ""},
		"pure: no dialling":           {"topology/tree.go", "import \"net\"\nvar a = net.JoinHostPort(\"a\", \"1\")\nvar d = net.Dial", "topology/tree.go:4: topology is pure and may not use net.Dial"},
		"pure: no clock by a name":    {"topology/tree.go", "import t \"time\"\nvar x = t.Now()", "topology/tree.go:2: topology is pure and may not import time under another name"},
		"pure: no locks":              {"topology/tree.go", `import "sync"`, "topology/tree.go:2: topology is pure and may not import sync"},
		"pure: no goroutine":          {"topology/tree.go", "func f() {\n\tgo f()\n}", "topology/tree.go:3: topology is pure and may not start a goroutine"},
		"pure: a file":                {"cluster/diff.go", `import "net/http"`, "cluster/diff.go:2: cluster/diff.go is pure and may not import net/http"},
		"pure: not the next file":     {"cluster/watch.go", `import "net/http"`, ""},
		"below pure":                  {"bootstrap/inventory/parse.go", `import "sync/atomic"`, "bootstrap/inventory/parse.go:2: bootstrap/inventory is pure and may not import sync/atomic"},
		"an impure room below a pure": {"topology/collective/sum.go", `import "time"`, ""},
		"examples stay at the door":   {"examples/star/main.go", `import "` + module + `/remote"`, "examples/star/main.go:2: examples may not import remote"},
		"examples may root":           {"examples/star/main.go", `import "` + module + `"`, ""},
		"examples may compute":        {"examples/star/main.go", `import "gonum.org/v1/gonum/blas"`, ""},
		"nobody else computes":        {"transmit/node.go", `import "gonum.org/v1/gonum/blas"`, "transmit/node.go:2: only examples may import gonum.org/v1/gonum/blas"},
		"no testing":                  {"remote/fake.go", `import "testing"`, "remote/fake.go:2: only tests may import testing"},
		"no test helpers":             {"remote/fake.go", `import "` + module + `/internal/testutil/leak"`, "remote/fake.go:2: only tests may import " + module + "/internal/testutil/leak"},
		"test helpers may":            {"internal/testutil/hosts/net.go", `import "testing"`, ""},
		"tests may":                   {"actor/ref_test.go", `import "` + module + `/remote"`, ""},
		"internal is for all":         {"actor/ref.go", `import "` + module + `/internal/buffer"`, ""},
		"internal knows nobody":       {"internal/buffer/pool.go", `import "` + module + `/actor"`, "internal/buffer/pool.go:2: internal may not import actor"},
		"a new room":                  {"attic/box.go", "", "attic/box.go:1: no rule for folder attic: add it to the table in house_test.go and to docs/architecture.md"},
		"a name that only begins so":  {"actors/box.go", "", "actors/box.go:1: no rule for folder actors: add it to the table in house_test.go and to docs/architecture.md"},
	} {
		t.Run(name, func(t *testing.T) {
			broken, err := breaches(fstest.MapFS{
				c.path:               {Data: []byte("package x\n" + c.source)},
				"testdata/x/bad.go":  {Data: []byte("not even Go")},
				"scripts/x/go.mod":   {Data: []byte("module nested\n")},
				"scripts/x/tools.go": {Data: []byte("package x\nimport \"" + module + "/actor\"\n")},
			})
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, broken)
			} else {
				require.Equal(t, []string{c.want}, broken)
			}
		})
	}
}

// breaches returns each breach of the rules below a folder, as file:line: text.
func breaches(module fs.FS) (found []string, err error) {
	err = fs.WalkDir(module, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			broken, err := breachesIn(module, name)
			found = append(found, broken...)
			return err
		case name == ".":
			return nil
		case entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_"):
			return fs.SkipDir
		}
		if _, err := fs.Stat(module, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir // a module of its own
		}
		return nil
	})
	return found, err
}

// breachesIn returns the breaches of one file.
func breachesIn(module fs.FS, name string) (found []string, err error) {
	source, err := fs.ReadFile(module, name)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	breach := func(at ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: ", name, files.Position(at.Pos()).Line)+fmt.Sprintf(format, args...))
	}
	r, ok := roomOf(name)
	if !ok {
		breach(file, "no rule for folder %s: add it to the table in house_test.go and to docs/architecture.md", path.Dir(name))
		return found, nil
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		own, isOwn := ownFolder(imported)
		switch {
		case r.path != "internal/testutil" && matches(testOnly, imported):
			breach(spec, "only tests may import %s", imported)
		case r.path != "examples" && matches(examplesOnly, imported):
			breach(spec, "only examples may import %s", imported)
		case isOwn && !r.admits(own):
			breach(spec, "%s may not import %s", r.path, own)
		case r.only[imported] != nil:
			if spec.Name != nil {
				breach(spec, "%s may not import %s under another name", r.path, imported)
			}
		case matches(r.never, imported):
			breach(spec, "%s may not import %s", r.path, imported)
		case r.pure && texts[imported] != nil:
			if spec.Name != nil {
				breach(spec, "%s is pure and may not import %s under another name", r.path, imported)
			}
		case r.pure && matches(impure, imported):
			breach(spec, "%s is pure and may not import %s", r.path, imported)
		}
	}
	named, what := r.only, ""
	if r.pure {
		named, what = texts, " is pure and"
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if r.pure {
				breach(n, "%s is pure and may not start a goroutine", r.path)
			}
		case *ast.SelectorExpr:
			// A variable named like the package would be taken for it; it had better have another name.
			if of, ok := n.X.(*ast.Ident); ok && named[of.Name] != nil && !slices.Contains(named[of.Name], n.Sel.Name) {
				breach(n, "%s%s may not use %s.%s", r.path, what, of.Name, n.Sel.Name)
			}
		}
		return true
	})
	return found, nil
}

// roomOf finds the rule for a file: the one with the longest path that holds it.
func roomOf(file string) (best room, found bool) {
	for _, r := range house {
		holds := below(file, r.path)
		if r.path == "." {
			holds = path.Dir(file) == "."
		}
		if holds && (!found || len(r.path) > len(best.path)) {
			best, found = r, true
		}
	}
	return best, found
}

// admits tells whether a room's code may import one of the module's own folders.
func (r room) admits(folder string) bool {
	own := r.path
	if path.Ext(own) == ".go" {
		own = path.Dir(own)
	}
	if own != "." && below(folder, own) {
		return true
	}
	if below(folder, "internal") {
		return true
	}
	return slices.ContainsFunc(r.may, func(may string) bool { return below(folder, may) })
}

// below tells whether a path is folder or lies below it. Below "." is only "." itself.
func below(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// ownFolder turns an import of the module into its folder.
func ownFolder(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// matches tells whether an import is in a list, in which a trailing /... stands for all below as well.
func matches(list []string, imported string) bool {
	if imported == "net/netip" {
		return false
	}
	return slices.ContainsFunc(list, func(entry string) bool {
		if prefix, ok := strings.CutSuffix(entry, "/..."); ok {
			return below(imported, prefix)
		}
		return imported == entry
	})
}
