package remote

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// aside notes how much has come when it is told to flush.
type aside struct {
	collected
	flushed int
}

func (a *aside) flush() { a.flushed = len(a.got) }

// Calls that are put aside for good would be remembered for ever.
func TestWhatCameBeforeASpoiltFrameIsNotLeftAside(t *testing.T) {
	good := frameOf(frameParcel, nameOnce, 1, 'x', nameOnce, 0, 0, 'y')
	for name, b := range spoiltFrames {
		var a aside
		require.ErrorIs(t, newReader(bytes.NewReader(append(bytes.Clone(good), b...)), &a, 1<<20).run(), errFrame, name)
		require.Equal(t, 1, a.flushed, name)
	}
}
