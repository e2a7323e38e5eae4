//go:build linux && hosts

package clustertest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

const module = "github.com/tartrl/tlaunch-go/"

// bin is the folder of what build has built.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "clustertest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	// Most of the time tests here wait. Those that are not parallel need the machine for themselves. The command line may say something else.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	status := leak.Run(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

type built struct {
	once sync.Once
	path string
	err  error
}

var (
	builtMu sync.Mutex
	builds  = map[string]*built{}
)

// build builds a command of this module once for all tests: statically linked as users are told to, or with the race detector.
func build(t testing.TB, folder string, race bool) string {
	t.Helper()
	name := filepath.Base(folder)
	args, env := []string{"-ldflags=-s -w"}, "CGO_ENABLED=0"
	if race {
		name, args, env = name+"-race", []string{"-race"}, "CGO_ENABLED=1"
	}
	builtMu.Lock()
	b := builds[name]
	if b == nil {
		b = &built{path: filepath.Join(bin, name)}
		builds[name] = b
	}
	builtMu.Unlock()
	b.once.Do(func() {
		cmd := exec.Command("go", append(append([]string{"build", "-o", b.path}, args...), module+folder)...)
		cmd.Env = append(os.Environ(), env)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			b.err = fmt.Errorf("go build %s: %w\n%s", folder, err, out.Bytes())
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// testprog is the executable with the programs of package programs; under the race detector it is built with it too.
func testprog(t testing.TB) string { return build(t, "internal/clustertest/testprog", raceEnabled) }
