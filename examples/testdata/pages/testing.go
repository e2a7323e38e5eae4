//go:build linux

package testing

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/internal/testutil/hosts"
)

func star(*testing.T, string) {}

// fragment: func TestStarOnHosts(t *testing.T) {
