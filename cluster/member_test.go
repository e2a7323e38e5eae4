package cluster

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func member(host string, incarnation uint64) Member {
	return Member{Run: "r1", Host: host, Address: "10.0.0.1:4000", Incarnation: incarnation}
}

func TestMemberValidate(t *testing.T) {
	many := make(map[string]string)
	for i := range maxMetaPairs + 1 {
		many[strconv.Itoa(i)] = ""
	}
	for name, c := range map[string]struct {
		change func(*Member)
		ok     bool
	}{
		"plain":              {func(m *Member) {}, true},
		"first incarnation":  {func(m *Member) { m.Incarnation = 0 }, true},
		"last incarnation":   {func(m *Member) { m.Incarnation = math.MaxUint64 }, false},
		"run empty":          {func(m *Member) { m.Run = "" }, false},
		"run long":           {func(m *Member) { m.Run = strings.Repeat("r", maxRunName+1) }, false},
		"run with colon":     {func(m *Member) { m.Run = "a:b" }, false},
		"run begins with .":  {func(m *Member) { m.Run = ".a" }, false},
		"run as generated":   {func(m *Member) { m.Run = "star-20260101.Ab_1" }, true},
		"host IPv6":          {func(m *Member) { m.Host = "fe80::1" }, true},
		"host Unicode":       {func(m *Member) { m.Host = "münchen-1" }, true},
		"host empty":         {func(m *Member) { m.Host = "" }, false},
		"host dots":          {func(m *Member) { m.Host = ".." }, false},
		"host slash":         {func(m *Member) { m.Host = "a/b" }, false},
		"host space":         {func(m *Member) { m.Host = "a b" }, false},
		"host control":       {func(m *Member) { m.Host = "a\x1b" }, false},
		"host not UTF-8":     {func(m *Member) { m.Host = "a\xff" }, false},
		"host long":          {func(m *Member) { m.Host = strings.Repeat("h", maxHostName+1) }, false},
		"address IPv6":       {func(m *Member) { m.Address = "[::1]:80" }, true},
		"address name":       {func(m *Member) { m.Address = "node7.example:65535" }, true},
		"address no port":    {func(m *Member) { m.Address = "10.0.0.1" }, false},
		"address port 0":     {func(m *Member) { m.Address = "10.0.0.1:0" }, false},
		"address port name":  {func(m *Member) { m.Address = "10.0.0.1:http" }, false},
		"address port large": {func(m *Member) { m.Address = "10.0.0.1:65536" }, false},
		"address no host":    {func(m *Member) { m.Address = ":80" }, false},
		"meta":               {func(m *Member) { m.Meta = map[string]string{"zone-1": "a b"} }, true},
		"meta key empty":     {func(m *Member) { m.Meta = map[string]string{"": "a"} }, false},
		"meta key dot":       {func(m *Member) { m.Meta = map[string]string{"a.b": "a"} }, false},
		"meta reserved":      {func(m *Member) { m.Meta = map[string]string{"tlaunch-run": "a"} }, false},
		"meta value long":    {func(m *Member) { m.Meta = map[string]string{"a": strings.Repeat("v", maxMetaValue+1)} }, false},
		"meta many":          {func(m *Member) { m.Meta = many }, false},
		"meta total": {func(m *Member) {
			v := strings.Repeat("v", maxMetaValue)
			m.Meta = map[string]string{"a": v, "b": v}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := member("h", 1)
			c.change(&m)
			if c.ok {
				require.NoError(t, m.Validate())
			} else {
				require.ErrorIs(t, m.Validate(), ErrInvalid)
			}
		})
	}
}
