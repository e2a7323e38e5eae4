package ship

import (
	"fmt"
	"hash/crc32"
	"math/bits"
)

// cksum computes what the POSIX utility cksum prints, for hosts that have nothing better. The zero value is ready.
//
// Its sum is the mirror image of the one in hash/crc32: the same polynomial, most significant bit first. That package has the processor's help, so that
// turning each byte round costs less than a table would.
type cksum struct {
	crc uint32
	n   int64
}

func (c *cksum) Write(p []byte) (int, error) {
	c.update(p)
	c.n += int64(len(p))
	return len(p), nil
}

// String returns "CRC LENGTH" of what was written.
func (c *cksum) String() string {
	with := *c
	for n := c.n; n > 0; n >>= 8 { // the length goes into the sum, least significant byte first
		with.update([]byte{byte(n)})
	}
	return fmt.Sprintf("%d %d", ^with.crc, c.n)
}

func (c *cksum) update(p []byte) {
	var turned [4096]byte
	for len(p) > 0 {
		n := copy(turned[:], p)
		for i, b := range turned[:n] {
			turned[i] = bits.Reverse8(b)
		}
		// crc32 begins and ends with all bits inverted, cksum only ends so.
		c.crc = bits.Reverse32(^crc32.Update(^bits.Reverse32(c.crc), crc32.IEEETable, turned[:n]))
		p = p[n:]
	}
}
