package transmit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

// Nodes of two programs may have the same name, and both may say where checkpoints are by habit.
func TestProgramsAreToldApart(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	start := func(program string) (*Node, error) {
		n := NewNode(c)
		n.InProgram(program)
		err := n.Start(t.Context())
		return n, err
	}
	n, err := start("one")
	require.NoError(t, err)
	require.NoError(t, put(n, "t", 0, 10))
	require.NoError(t, n.Stop(t.Context()))
	_, err = start("other")
	require.ErrorIs(t, err, ErrDirectory)
	require.ErrorIs(t, err, actor.ErrFinal, "to try again would be in vain")
	require.ErrorContains(t, err, `program \"one\"`)
	require.ErrorContains(t, err, `program "other"`)

	require.NoError(t, os.Remove(filepath.Join(dir, lockName)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ownerName), []byte((&saver{whose: owner{"other", ""}}).mark()), 0o600))
	_, err = start("other")
	require.ErrorIs(t, err, ErrDirectory, "files say whose they are, too")

	require.NoError(t, os.Remove(filepath.Join(dir, ownerName)))
	_, err = start("one")
	require.ErrorIs(t, err, ErrDirectory, "without the name nobody knows whose it is")
}

// A disk that is not there may come back: that is for the node's policy to try.
func TestTroubleWithADiskIsNotFinal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	c, _ := saved(filepath.Join(file, "dir"), Table{Name: "t"})
	err := NewNode(c).Start(t.Context())
	require.ErrorIs(t, err, ErrDirectory)
	require.NotErrorIs(t, err, actor.ErrFinal)
}

func TestTwoRunsDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	c, log := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	require.NoError(t, put(n, "t", 0, 10))
	short, cancel := context.WithTimeout(t.Context(), 2*lockLook)
	defer cancel()
	err := NewNode(c).Start(short)
	require.ErrorIs(t, err, ErrDirectory)
	require.ErrorIs(t, err, errLocked)
	require.NotErrorIs(t, err, actor.ErrFinal, "who has it may let go of it")
	require.Contains(t, log.String(), "waiting for its end")

	// Who takes the place of a process that ends waits for that.
	ended := make(chan error, 1)
	time.AfterFunc(2*lockLook, func() { ended <- n.Stop(context.Background()) })
	require.Equal(t, count(0, 10), restored(t, c, "t"))
	require.NoError(t, <-ended)
}

func TestTablesOfAnotherProgramAreNotTakenForOurs(t *testing.T) {
	typed := Table{Name: "t", Columns: []Column{{"n", Int64, nil}}}
	for name, now := range map[string]struct {
		table Table
		want  error
	}{
		"the same":          {typed, nil},
		"none any more":     {Table{Name: "t"}, nil},
		"another type":      {Table{Name: "t", Columns: []Column{{"n", Float32, nil}}}, ErrDirectory},
		"another shape":     {Table{Name: "t", Columns: []Column{{"n", Int64, []int{1}}}}, ErrDirectory},
		"one column more":   {Table{Name: "t", Columns: []Column{{"n", Int64, nil}, {"m", Int64, []int{-1}}}}, ErrDirectory},
		"none of the names": {Table{Name: "other"}, ErrDirectory},
	} {
		t.Run(name, func(t *testing.T) {
			for _, was := range []Table{typed, {Name: "t"}} {
				dir := t.TempDir()
				c, _ := saved(dir, was)
				n := alone(t, c)
				require.NoError(t, put(n, "t", 0, 10))
				require.NoError(t, n.Stop(t.Context()))
				c.Tables = []Table{now.table}
				if now.want != nil {
					err := NewNode(c).Start(t.Context())
					require.ErrorIs(t, err, now.want)
					require.NotErrorIs(t, err, errDamaged)
				} else {
					require.Equal(t, count(0, 10), restored(t, c, "t"))
				}
				c.Tables = []Table{was}
				require.Equal(t, count(0, 10), restored(t, c, "t"), "what was stored stays")
			}
		})
	}
}

// A disk that cannot be read says nothing of what is on it: another checkpoint is not to take the place of the newest for that.
func TestDisksThatCannotBeReadAreNoDamage(t *testing.T) {
	dir := t.TempDir()
	c, _ := saved(dir, Table{Name: "t"})
	n := alone(t, c)
	for i := range int64(2) {
		require.NoError(t, put(n, "t", 10*i, 10*i+10))
		_, err := n.Checkpoint(t.Context())
		require.NoError(t, err)
	}
	crash(n)
	newest := n.state.saver.path(2)
	good, err := os.ReadFile(newest)
	require.NoError(t, err)
	broken := errors.New("input/output error")
	for _, at := range []int{0, 5, 8, 10, 16, 40, len(good) - 1} {
		r := io.MultiReader(bytes.NewReader(good[:at]), iotest.ErrReader(broken))
		err := readBlocks(r, func(field) error { return nil })
		require.ErrorIs(t, err, broken)
		require.NotErrorIs(t, err, errDamaged, "after %d bytes", at)
	}
	require.NoError(t, os.Remove(newest))
	require.NoError(t, os.Mkdir(newest, 0o700)) // which opens, and cannot be read
	err = NewNode(c).Start(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, errDamaged)
	require.DirExists(t, newest, "it is not put aside")
	require.NoError(t, os.Remove(newest))
	require.NoError(t, os.WriteFile(newest, good, 0o600))
	require.Equal(t, count(0, 20), restored(t, c, "t"))
}

// What a checkpoint says takes no memory that its items do not account for.
func TestKeysOfACheckpointAreBounded(t *testing.T) {
	s := newState(Config{Tables: []Table{{Name: "t"}}}, nil)
	l := &loader{state: s}
	fieldOf := func(number int, content []byte) []byte {
		return appendMessage(nil, 1, func([]byte) []byte { return append([]byte{byte(number)<<3 | 2, byte(len(content))}, content...) })[2:]
	}
	b := fieldOf(1, appendUint(nil, 1, formatNow))
	b = append(b, fieldOf(2, nil)...)
	b = append(b, fieldOf(3, appendUint(appendUint(appendText(nil, 1, "t"), 2, 1), 6, 1))...)
	item := appendItem(nil, table.Item{Key: 1<<32 | math.MaxUint32 - 1, Priority: 1, Payloads: []uint32{0}}, []uint32{0})
	require.ErrorIs(t, fields(append(b, item...), l.field), errDamaged)
}
