package child

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A descendant that forked twice, leads a session of its own and ignores SIGTERM ends with the head, whichever way that ends.
func TestWholeFamilyEnds(t *testing.T) {
	const stray = `(setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 0.05; done' & ) ; `
	for name, c := range map[string]struct {
		script string
		end    func(*Child)
		code   int
	}{
		"it exits":      {stray + "sleep 0.2; exit 5", func(*Child) {}, 5},
		"it is asked":   {stray + "while :; do sleep 0.05; done", (*Child).Terminate, 143},
		"it is killed":  {stray + "while :; do sleep 0.05; done", (*Child).Kill, 137},
		"a daemon only": {stray, func(*Child) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			child, out, _ := shell(t, c.script)
			if c.code > 128 {
				eventually(t, func() bool { return strings.Contains(out.String(), "\n") })
			}
			c.end(child)
			require.Equal(t, c.code, wait(t, child).Code)
			if out.String() != "" { // it got so far
				require.False(t, alive(t, out.String()))
			}
			require.Empty(t, marked(child.marks))
		})
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	mark := "CHILD_TEST=" + t.Name() + strconv.Itoa(os.Getpid())
	require.False(t, hasAll([]byte("A=1\x00"+mark+"2\x00"), []string{mark}), "a longer value is another")
	require.False(t, hasAll([]byte("X"+mark+"\x00"), []string{mark}), "a longer name is another")
	require.False(t, hasAll([]byte(mark+"\x00A=1\x00"), []string{mark, "A=2"}))
	require.True(t, hasAll([]byte("A=1\x00"+mark+"\x00"), []string{mark, "A=1"}))
	require.False(t, hasAll(nil, []string{mark}))
}
