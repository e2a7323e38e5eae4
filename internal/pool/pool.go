// Package pool lends memory for bytes that come and go, by size.
package pool

import (
	"math/bits"
	"sync"
)

const (
	smallest = 9  // 512 B: the power of two of the first class
	largest  = 22 // 4 MiB: what is larger is left to the garbage collector
)

var classes [largest - smallest + 1]sync.Pool // of *[]byte whose capacity is that of the class

// Get lends n bytes whose content is left over from others. Whoever has them gives them back with [Put], or keeps them.
func Get(n int) *[]byte {
	c := class(n)
	if c >= len(classes) {
		b := make([]byte, n)
		return &b
	}
	p, _ := classes[c].Get().(*[]byte)
	if p == nil {
		b := make([]byte, 1<<(smallest+c))
		p = &b
	}
	*p = (*p)[:n]
	return p
}

// Put takes back what Get has lent; nobody may use it any more.
func Put(p *[]byte) {
	c := class(cap(*p))
	if c < len(classes) && cap(*p) == 1<<(smallest+c) {
		classes[c].Put(p)
	}
}

func class(n int) int { return max(bits.Len(uint(max(n, 1)-1)), smallest) - smallest }
