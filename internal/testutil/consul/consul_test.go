//go:build linux && hosts

package consultest_test

import (
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	consultest "github.com/tartrl/tlaunch-go/internal/testutil/consul"
)

func TestRestartKeepsOrDropsData(t *testing.T) {
	t.Parallel()
	s := consultest.Start(t, consultest.Options{})
	kv := s.Client(t).KV()
	_, err := kv.Put(&api.KVPair{Key: "k", Value: []byte("v")}, nil)
	require.NoError(t, err)

	s.Restart(t, false)
	pair, _, err := kv.Get("k", nil)
	require.NoError(t, err)
	require.NotNil(t, pair)

	s.Restart(t, true)
	pair, _, err = kv.Get("k", nil)
	require.NoError(t, err)
	require.Nil(t, pair)
}
