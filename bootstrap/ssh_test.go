package bootstrap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `''`, quote(""))
	require.Equal(t, `'a b'`, quote("a b"))
	require.Equal(t, `'it'\''s '\!''\\''`, quote(`it's !\`))
	require.Equal(t, `exec env TLAUNCH_HOST=agent '/p/q' 'x'`, command("/p/q", []string{"x"}))
}
