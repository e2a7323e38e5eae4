package agent

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWaysToHold(t *testing.T) {
	for _, c := range []struct {
		uid     int
		setting string
		want    []string
	}{
		{0, "", []string{heldByNamespace, heldByReapers}},
		{0, "user", []string{heldByNamespace, heldByReapers}},
		{0, "off", []string{heldByReapers}},
		{1000, "", []string{heldByReapers}},
		{1000, "user", []string{heldByUser, heldByReapers}},
		{1000, "off", []string{heldByReapers}},
		{1000, "anything", []string{heldByReapers}},
	} {
		require.Equal(t, c.want, waysToHold(c.uid, c.setting), "%d %q", c.uid, c.setting)
	}
}
