package ship

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sums counts how often a file is read.
type sums struct {
	digests
	read int
}

func (s *sums) of(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	sum, err := s.sum(f, func() (string, error) {
		s.read++
		text, err := os.ReadFile(path)
		return fmt.Sprintf("%064x", text[:8]), err
	})
	require.NoError(t, err)
	return sum
}

func TestDigestsAreKept(t *testing.T) {
	dir := t.TempDir()
	path, small := filepath.Join(dir, "exe"), filepath.Join(dir, "small")
	write := func(path, begin string, size int) {
		require.NoError(t, os.WriteFile(path, append([]byte(begin), make([]byte, size)...), 0o700))
	}
	s := &sums{digests: digests{filepath.Join(dir, "cache", "digests"), time.Hour}}
	write(path, "aaaaaaaa", keptFrom)
	write(small, "ssssssss", 8)
	first := s.of(t, path)
	require.Equal(t, first, s.of(t, path))
	require.Equal(t, 2, s.read, "what has just changed may change again unseen")

	s.quiet = -time.Hour // a file system whose clock has no ticks
	for range 3 {
		require.Equal(t, first, s.of(t, path))
		s.of(t, small)
	}
	require.Equal(t, 2+1+3, s.read)

	info, err := os.Stat(path)
	require.NoError(t, err)
	write(path, "bbbbbbbb", keptFrom) // the same file, of the same size
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	require.NotEqual(t, first, s.of(t, path), "times can be set, but not that of the change")

	// Who else may write the file could say that of anything.
	require.NoError(t, os.Chmod(s.file, 0o622))
	require.Empty(t, s.lines())
	require.NoError(t, os.Chmod(s.file, 0o600))
	require.Len(t, s.lines(), 2)
}

func TestDigestsAreBounded(t *testing.T) {
	d := digests{file: filepath.Join(t.TempDir(), "digests")}
	sum := strings.Repeat("ab", 32)
	for i := range 2 * keptDigests {
		require.NoError(t, d.keep(fmt.Sprintf("1 %d 3 4 5", i), sum))
	}
	require.Len(t, d.lines(), keptDigests)
	found, ok := d.find(fmt.Sprintf("1 %d 3 4 5", 2*keptDigests-1))
	require.True(t, ok)
	require.Equal(t, sum, found)
	_, ok = d.find("1 0 3 4 5")
	require.False(t, ok)

	for _, text := range []string{"", "\n", "ab 1 2 3 4 5\n", strings.Repeat("x", 64) + " 1 2 3 4 5\n", string(bytes.Repeat([]byte{0}, 1<<20))} {
		require.NoError(t, os.WriteFile(d.file, []byte(text), 0o600))
		_, ok := d.find("1 2 3 4 5")
		require.False(t, ok)
	}
}
