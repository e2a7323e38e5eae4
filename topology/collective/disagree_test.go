package collective

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The error shows what two members differ in, and no more of all that they might.
func TestDisagreementsInWords(t *testing.T) {
	sum := signature{op: opAllReduce, elem: elemFloat32, size: 40, algo: Ring, chunk: 1024, members: 3, reduce: hashName("sum")}
	for want, change := range map[string]func(*signature){
		"a does AllReduce of 40 bytes of float32; b does AllReduce of 44 bytes of float32": func(s *signature) { s.size = 44 },
		"a does AllReduce of 40 bytes of float32; b does AllReduce of 40 bytes of int32":   func(s *signature) { s.elem = elemInt32 },
		"AllReduce of 40 bytes of float32, by sum; b does AllReduce of 40 bytes of float32, by mean": func(s *signature) {
			s.reduce = hashName("mean")
		},
		"by sum; b does AllReduce of 40 bytes of float32, by a function with the mark 0000002a":              func(s *signature) { s.reduce = 42 },
		"by sum; b does Barrier of 0 bytes of nothing":                                                       func(s *signature) { *s = signature{op: opBarrier, algo: Ring, chunk: 1024, members: 3} },
		"float32, Ring in chunks of 1024; b does AllReduce of 40 bytes of float32, Direct in chunks of 1024": func(s *signature) { s.algo = Direct },
		"float32; b does AllReduce of 40 bytes of float32, NeedAll":                                          func(s *signature) { s.needAll = true },
		"float32, root 0; b does AllReduce of 40 bytes of float32, root 2":                                   func(s *signature) { s.root = 2 },
	} {
		other := sum
		change(&other)
		err := &DisagreeError{"a", "b", sum.text(), other.text()}
		require.ErrorContains(t, err, want)
	}
}
